/**
 * Runs test files in one process of their own and tells what came of it.
 *
 * The process leads a group, which is ended as a whole: at the deadline, when the caller gives up, and after the tests, so that a test leaves nothing
 * running. What it prints goes to a file: a grandchild that keeps the stream open holds nobody up.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ProcessEnd, type Tally, tally } from "./tally.ts";

export interface TestProcessOptions {
  readonly timeoutMs: number;
  /** Gives up: SIGTERM, so that tests can clean up, and SIGKILL after the grace period. */
  readonly signal: AbortSignal;
  /** Default 10,000. */
  readonly graceMs?: number;
}

export interface TestProcessResult extends Tally {
  readonly durationMs: number;
  /** What it printed, the end of it. */
  readonly output: string;
}

const keptOutputCharacters = 16_000;

export async function runTestProcess(
  files: readonly string[],
  options: TestProcessOptions,
): Promise<TestProcessResult> {
  const started = performance.now();
  const directory = await mkdtemp(join(tmpdir(), "lm-test-"));
  const paths = { record: join(directory, "record"), output: join(directory, "output") };
  try {
    const end = await runToEnd(argumentsFor(files, paths.record), paths.output, options);
    const [record, output] = await Promise.all([read(paths.record), read(paths.output)]);
    return {
      ...tally(record, end, files),
      durationMs: performance.now() - started,
      output: output.slice(-keptOutputCharacters),
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** One file runs as the program; several run under the runner, all in its process. */
function argumentsFor(files: readonly string[], record: string): readonly string[] {
  return [
    "--disable-warning=ExperimentalWarning",
    `--test-reporter=${join(import.meta.dirname, "recorder.ts")}`,
    `--test-reporter-destination=${record}`,
    ...(files.length === 1 ? [] : ["--test", "--test-isolation=none"]),
    ...files,
  ];
}

function runToEnd(args: readonly string[], output: string, options: TestProcessOptions): Promise<ProcessEnd> {
  const stream = openSync(output, "w", 0o600);
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", stream, stream],
    detached: true,
    env: environment(),
  });
  closeSync(stream);
  const group = child.pid;
  let timedOut = false;
  let kill: NodeJS.Timeout | undefined;
  const end = (): void => {
    endGroup(group, "SIGTERM");
    kill ??= setTimeout(() => endGroup(group, "SIGKILL"), options.graceMs ?? 10_000);
  };
  const deadline = setTimeout(() => {
    timedOut = true;
    end();
  }, options.timeoutMs);
  options.signal.addEventListener("abort", end, { once: true });
  if (options.signal.aborted) end();
  return new Promise<ProcessEnd>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve({ code, signal, timedOut }));
  }).finally(() => {
    clearTimeout(deadline);
    clearTimeout(kill);
    options.signal.removeEventListener("abort", end);
    endGroup(group, "SIGKILL");
  });
}

function endGroup(group: number | undefined, signal: NodeJS.Signals): void {
  if (group === undefined) return;
  try {
    process.kill(-group, signal);
  } catch {
    // It has ended, with all that it started.
  }
}

/** A test run inside of a test run would report to the outer one. */
function environment(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return env;
}

const read = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");
