/**
 * Names of files are bytes; paths of a tree are strings. Between them stands the escape of PEP 383: a byte that is not part of valid UTF-8 becomes
 * the lone surrogate U+DC80 to U+DCFF of its value, and becomes that byte again. Every name survives the way there and back; valid UTF-8 is left as it is.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A name, as it lies on a disk or in an archive, as a string. */
export function textOfBytes(bytes: Uint8Array): string {
  if (isAscii(bytes)) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  try {
    return strict.decode(bytes);
  } catch {
    return escaped(bytes);
  }
}

/** The bytes of a name. A surrogate that stands for no byte becomes U+FFFD, as everywhere in Node. */
export function bytesOfText(text: string): Buffer {
  if (!/[\uDC80-\uDCFF]/.test(text)) return Buffer.from(text);
  const parts: Buffer[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(character));
  }
  return Buffer.concat(parts);
}

/** A path of this machine in the way that Node's file functions take it: as it is, or as bytes where names are escaped. */
export const pathOnDisk = (path: string): string | Buffer => (path.isWellFormed() ? path : bytesOfText(path));

/** Orders by the bytes of UTF-8 would be slower; this order is as good: the same everywhere, and a folder before what is in it. */
export const byPath = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function escaped(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes[at] ?? 0);
    const valid = length > 0 ? decoded(bytes.subarray(at, at + length)) : undefined;
    text += valid ?? String.fromCharCode(0xdc00 + (bytes[at] ?? 0));
    at += valid === undefined ? 1 : length;
  }
  return text;
}

function decoded(sequence: Uint8Array): string | undefined {
  try {
    return strict.decode(sequence);
  } catch {
    return undefined;
  }
}

const sequenceLength = (first: number): number =>
  first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

function isAscii(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte >= 0x80) return false;
  return true;
}
