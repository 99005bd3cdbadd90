/**
 * Files that appear whole or not at all, whoever else writes them at the same time: another build, or another image of this one.
 *
 * A name beside the target that nobody else has, then one rename. Who comes later replaces what is as good.
 */
import { randomBytes } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";

/** Runs `write` with a path beside `target`, then makes what it wrote the target; nothing stays behind when it fails. */
export async function writeBeside(target: string, write: (staged: string) => Promise<void>): Promise<void> {
  const staged = `${target}.${process.pid}-${randomBytes(6).toString("hex")}`;
  try {
    await write(staged);
    await rename(staged, target);
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

export const writeWhole = (file: string, text: string): Promise<void> =>
  writeBeside(file, (staged) => writeFile(staged, text));
