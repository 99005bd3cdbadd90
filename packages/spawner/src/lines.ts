/** Splits a stream of bytes into lines, with a bound: a longer line is an error, not a growing buffer. */
export class LineSplitter {
  readonly #bytesMax: number;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The lines that `chunk` completes, without their line feeds. Throws `RangeError` when a line grows beyond the bound. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, at));
      lines.push(Buffer.concat(this.#parts, this.#length).toString("utf8"));
      this.#parts = [];
      this.#length = 0;
      from = at + 1;
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from));
    return lines;
  }

  #keep(part: Buffer): void {
    this.#length += part.length;
    if (this.#length > this.#bytesMax) throw new RangeError(`a message is longer than ${this.#bytesMax} bytes`);
    this.#parts.push(part);
  }
}
