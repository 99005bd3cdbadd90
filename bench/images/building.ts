/** What the parts of this benchmark share: recipes in a folder of their own, builds in processes of their own. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onEnd } from "../world/cleanup.ts";
import type { BuildOnce, BuiltOnce } from "./build-once.ts";
import { type Took, timed } from "./timed-command.ts";

export type Say = (line: string) => void;

/** An empty folder that is gone when the benchmark ends. */
export function workFolder(): string {
  const directory = mkdtempSync(join(process.env["BENCH_DIRECTORY"] ?? tmpdir(), "lmb-images-"));
  onEnd(() => {
    // Go makes the folders of its modules read-only.
    execFileSync("chmod", ["-R", "u+w", directory]);
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/** Builds and writes; `wallMs` is that of the building, without the start of a process that a daemon or a longer command line has behind it. */
export async function buildOnce(once: BuildOnce): Promise<BuiltOnce & Took> {
  const { stdout, cpuMs } = await timed([
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    join(import.meta.dirname, "build-once.ts"),
    JSON.stringify(once),
  ]);
  const built: BuiltOnce = JSON.parse(stdout);
  return { ...built, wallMs: built.insideMs, cpuMs };
}

/** Rounds of what is measured several times. */
export const rounds: number = Number(process.env["BENCH_ROUNDS"] ?? 3);
