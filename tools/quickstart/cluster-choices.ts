/** What the quickstart's cluster was made with, kept beside the platform's data and gone with them. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";

export interface ClusterChoices {
  /** Of `lm`. */
  readonly arguments: readonly string[];
}

/** `undefined` where nothing was kept, or it cannot be read. */
export function readChoices(file: string): ClusterChoices | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    const words = typeof value === "object" && value !== null && "arguments" in value ? value.arguments : undefined;
    return Array.isArray(words) && words.every((word) => typeof word === "string") ? { arguments: words } : undefined;
  } catch {
    return undefined;
  }
}

export function writeChoices(file: string, choices: ClusterChoices): void {
  const draft = `${file}.new`;
  writeFileSync(draft, `${JSON.stringify(choices)}\n`, { mode: 0o600 });
  renameSync(draft, file);
}
