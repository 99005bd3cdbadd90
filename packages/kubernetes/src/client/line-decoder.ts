/** Cuts a stream of bytes into lines, however its chunks are split. A line has a largest size, so that a peer cannot fill the memory. */
const newline = 0x0a;

export class LineDecoder {
  readonly #limitBytes: number;
  readonly #parts: Buffer[] = [];
  #sizeBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** The lines that `chunk` completes, without their ends; empty ones are left out. Throws RangeError when a line grows too large. */
  *push(chunk: Buffer): Generator<Buffer> {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const line = this.#complete(chunk.subarray(start, end));
      start = end + 1;
      if (line.length > 0) yield line;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  #complete(last: Buffer): Buffer {
    if (this.#sizeBytes === 0) return this.#checked(last, last.length);
    const line = Buffer.concat([...this.#parts, last], this.#sizeBytes + last.length);
    this.#parts.length = 0;
    this.#sizeBytes = 0;
    return this.#checked(line, line.length);
  }

  #keep(part: Buffer): void {
    this.#checked(part, this.#sizeBytes + part.length);
    this.#parts.push(part);
    this.#sizeBytes += part.length;
  }

  #checked(line: Buffer, sizeBytes: number): Buffer {
    if (sizeBytes <= this.#limitBytes) return line;
    throw new RangeError(`a line has more than ${this.#limitBytes} bytes`);
  }
}
