/**
 * Builds one recipe in a process of its own, for tests that need another environment than theirs, or want to know how much memory it took.
 *
 * Run as a program it takes a request as JSON and prints what was built as JSON.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type BuildRequest, type BuiltRecipe, buildRecipe, writeOutput } from "@liquidmetal/image-builder";

export interface ChildBuild extends BuiltRecipe {
  readonly peakResidentMiB: number;
}

export type ChildRequest = Omit<BuildRequest, "onEvent" | "signal">;

export interface ChildSurroundings {
  readonly cwd?: string;
  /** Octal, as in `077`. Default: this process's. */
  readonly umask?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Written after the build, as in `ext4:FILE`. */
  readonly outputs?: readonly string[];
}

/** Fails with the builder's own words. The child is killed with the test's deadline. */
export async function buildInChild(
  request: ChildRequest,
  { cwd, umask, environment, outputs = [] }: ChildSurroundings = {},
): Promise<ChildBuild> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [import.meta.filename, JSON.stringify({ request, umask, outputs })],
    {
      ...(cwd !== undefined && { cwd }),
      env: { ...process.env, NODE_NO_WARNINGS: "1", ...environment },
      maxBuffer: 64 * 2 ** 20,
      timeout: 900_000,
    },
  );
  return JSON.parse(stdout);
}

if (import.meta.main) {
  const { request, umask, outputs } = JSON.parse(process.argv[2] ?? "");
  if (umask !== undefined) process.umask(umask);
  const built = await buildRecipe(request);
  for (const output of outputs) await writeOutput(built.layout, output);
  const peakResidentMiB = process.resourceUsage().maxRSS / 1024;
  process.stdout.write(JSON.stringify({ ...built, peakResidentMiB }));
}
