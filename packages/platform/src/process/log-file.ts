/**
 * Logs of processes that outlive us: they write to the file themselves (opened for appending), so rotation copies and truncates.
 * A line that is written between the copy and the truncation is lost; that is the price of never being in the way.
 */
import { closeSync, copyFileSync, mkdirSync, openSync, renameSync, statSync, truncateSync } from "node:fs";
import { dirname } from "node:path";

export const logLimitBytes: number = 10 * 1_024 * 1_024;
const generations = 3;

/** A descriptor for the child's output; close it after the spawn. */
export function openLog(path: string): { readonly descriptor: number; close(): void } {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const descriptor = openSync(path, "a", 0o600);
  return { descriptor, close: () => closeSync(descriptor) };
}

/** Shifts `path` to `path.1` … `path.3` when it has outgrown the limit. Says whether it did. */
export function rotateLog(path: string, limitBytes: number = logLimitBytes): boolean {
  try {
    if (statSync(path).size <= limitBytes) return false;
    for (let generation = generations - 1; generation >= 1; generation -= 1) {
      try {
        renameSync(`${path}.${generation}`, `${path}.${generation + 1}`);
      } catch {
        // There is no such generation yet.
      }
    }
    copyFileSync(path, `${path}.1`);
    truncateSync(path, 0);
    return true;
  } catch {
    return false;
  }
}
