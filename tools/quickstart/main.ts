/**
 * `npm run quickstart`: from nothing to a Kubernetes cluster on microVMs (or, with --vm, to one microVM). Every step reuses what is there, so a rerun is quick.
 *
 * Ctrl-C ends what runs and leaves what was made: the next run goes on from there.
 */
import { systemClock } from "@liquidmetal/foundation";
import { colourAllowed, isLive, painter } from "../../packages/cli/src/program/terminal.ts";
import { StageRenderer } from "../../packages/cli/src/progress/stages.ts";
import { sayWhatWouldBeDone } from "./dry-run.ts";
import { type QuickstartOptions, readOptions, usage } from "./options.ts";
import { Walk } from "./walk.ts";

/** The exit code, as shells count: 128 and the signal's number. */
class Interrupted extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super("interrupted");
    this.exitCode = exitCode;
  }
}

async function main(): Promise<number> {
  let options: QuickstartOptions;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`error: ${messageOf(error)}\n\n${usage}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (options.dryRun) return sayWhatWouldBeDone(options);
  if (process.getuid?.() !== 0) {
    process.stderr.write(
      "error: the quickstart makes network devices and mounts, so it needs root\nhint:  sudo npm run quickstart\n",
    );
    return 1;
  }
  return walkThrough(options, interruption());
}

async function walkThrough(options: QuickstartOptions, signal: AbortSignal): Promise<number> {
  using stages = new StageRenderer({
    stream: process.stderr,
    paint: painter(colourAllowed(process.stderr, process.env, false)),
    clock: systemClock,
    live: isLive(process.stderr),
    quiet: false,
  });
  const walk = new Walk(options.platform, stages, signal);
  try {
    if (options.down) await takeDown(walk);
    else if (options.vm) await (await import("./microvm-way.ts")).bringUpMicroVm(walk);
    else await (await import("./cluster-way.ts")).bringUpCluster(walk);
    return 0;
  } catch (error) {
    stages[Symbol.dispose]();
    if (signal.reason instanceof Interrupted) {
      process.stderr.write("interrupted: what was made stays; the same command goes on from here\n");
      return signal.reason.exitCode;
    }
    process.stderr.write(`error: ${messageOf(error)}\n`);
    process.stderr.write(
      "hint:  'bin/lm doctor' tells what this machine lacks; a rerun goes on where this one ended\n",
    );
    return 1;
  }
}

function takeDown(walk: Walk): Promise<string> {
  return walk.stage("Clusters, microVMs, platform, network, state", (_stage, report) =>
    walk.lm(["down", "--delete", "--yes"], { onLine: report }),
  );
}

/** npm hands on what the terminal has said already: within this time it is the same one. */
const sameSignalMs = 500;

/** Aborted by the first signal. The second ends this program at once; the command that runs goes on ending cleanly by itself. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  let firstMs = 0;
  for (const [signal, exitCode] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) {
        if (performance.now() - firstMs > sameSignalMs) process.exit(exitCode);
        return;
      }
      firstMs = performance.now();
      controller.abort(new Interrupted(exitCode));
      process.stderr.write("\nending; what runs now is ended cleanly\n");
    });
  }
  return controller.signal;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

process.exitCode = await main();
