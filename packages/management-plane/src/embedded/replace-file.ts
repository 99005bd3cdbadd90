/** Files that a running process may read at any moment. */
import { readFile, rename, writeFile } from "node:fs/promises";

/** Whole or not at all; 0600. A file that says the same already is left alone, for some programs start over when theirs is touched. */
export async function replaceFile(file: string, content: string): Promise<void> {
  const before = await readFile(file, "utf8").catch(() => undefined);
  if (before === content) return;
  await writeFile(`${file}.new`, content, { mode: 0o600, flush: true });
  await rename(`${file}.new`, file);
}
