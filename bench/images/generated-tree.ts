/**
 * A file tree like a root file system's: the same bytes for the same numbers, on every machine.
 *
 * Sizes are uneven (most files small, a few hold most of the bytes); a third of the bytes is text, a third is like programs, a third does not
 * compress (the stream of a cipher with a fixed key).
 */
import { createCipheriv } from "node:crypto";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface TreeSize {
  readonly files: number;
  /** Of all files together. */
  readonly bytes: number;
}

const filesPerDirectory = 40;

/** Fills the new folder `directory`; returns the path of one of its small files. */
export function generateTree(directory: string, size: TreeSize): string {
  const random = new Stream();
  const sizes = unevenSizes(size, random);
  let middle = "";
  for (const [index, bytes] of sizes.entries()) {
    const folder = join(
      directory,
      `d${Math.floor(index / filesPerDirectory / 16)}`,
      `e${Math.floor(index / filesPerDirectory) % 16}`,
    );
    if (index % filesPerDirectory === 0) mkdirSync(folder, { recursive: true });
    const path = join(folder, `file-${index}`);
    writeFileSync(path, content(index % 3, bytes, random), { mode: index % 7 === 0 ? 0o755 : 0o644 });
    if (index % 50 === 0) symlinkSync(`file-${index}`, join(folder, `link-${index}`));
    if (index === Math.floor(size.files / 2)) middle = path;
  }
  return middle;
}

/** Shares of a Pareto distribution that add up to exactly `bytes`. */
function unevenSizes({ files, bytes }: TreeSize, random: Stream): number[] {
  const weights = Array.from({ length: files }, () => Math.min(400, (1 - random.fraction()) ** -0.9));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const sizes = weights.map((weight) => Math.floor((weight / total) * bytes));
  sizes[0] = (sizes[0] ?? 0) + bytes - sizes.reduce((sum, one) => sum + one, 0);
  return sizes;
}

function content(kind: number, bytes: number, random: Stream): Buffer {
  if (kind === 0) return random.take(bytes);
  return kind === 1 ? text(bytes, random) : programLike(bytes, random);
}

const words = Array.from(
  { length: 256 },
  (_, index) =>
    `${((index + 7) * 2_654_435_761).toString(36).slice(0, 3 + (index % 7))}${index % 11 === 0 ? "\n" : " "}`,
);

function text(bytes: number, random: Stream): Buffer {
  const parts: string[] = [];
  for (let length = 0; length < bytes; ) {
    for (const byte of random.take(1024)) {
      const word = words[byte] ?? " ";
      parts.push(word);
      length += word.length;
    }
  }
  return Buffer.from(parts.join("").slice(0, bytes), "latin1");
}

/** Records of sixteen bytes of which twelve repeat. */
function programLike(bytes: number, random: Stream): Buffer {
  const out = Buffer.alloc(bytes, "\x48\x8b\x05\x00\x00\x00\x00\xe8\xff\xff\xc3\x90", "latin1");
  const noise = random.take(Math.ceil(bytes / 4));
  for (let at = 0; at + 4 <= bytes; at += 16) noise.copy(out, at, at >> 2, (at >> 2) + 4);
  return out;
}

/** Reproducible bytes: AES in counter mode over zeros. */
class Stream {
  readonly #cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, 1), Buffer.alloc(16, 2));

  take(bytes: number): Buffer {
    return this.#cipher.update(Buffer.alloc(bytes));
  }

  fraction(): number {
    return this.take(4).readUInt32LE() / 2 ** 32;
  }
}
