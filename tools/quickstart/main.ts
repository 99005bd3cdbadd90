/**
 * `npm run quickstart`: from nothing to a microVM that one is logged in to. Every step reuses what is there, so a rerun is quick.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { systemClock } from "@liquidmetal/foundation";
import { colourAllowed, isLive, painter } from "../../packages/cli/src/program/terminal.ts";
import { type Stage, StageRenderer } from "../../packages/cli/src/progress/stages.ts";
import { installPackages, missingPackages } from "../setup/system-packages.ts";
import { mustLm, root } from "./lm.ts";
import { nextSteps } from "./next-steps.ts";
import { type QuickstartOptions, readOptions, usage } from "./options.ts";
import { reporter } from "./report.ts";

const microVm = "hello";

async function up(options: QuickstartOptions, stages: StageRenderer): Promise<void> {
  const platform = ["--platform", options.platform];
  await stages.run(
    "System packages",
    async (stage) => {
      const names = missingPackages(["run", "images"]).map((entry) => entry.name);
      const report = reporter(stage);
      if (names.length > 0) report(`installing ${names.join(" ")}`);
      await installPackages(names, report);
      return names.length;
    },
    (count) => (count === 0 ? "all there" : `${count} installed`),
  );
  const [kernel, root] = await stages.run(
    "Kernel and root volume images",
    (stage) => Promise.all([build("kernel/distro", stage), build("base/tiny", stage)]),
    (built) => (built.every(({ cached }) => cached) ? "cached" : "built"),
  );
  await stages.run("Embedded host (lm up)", (stage) => mustLm(["up", "--name", options.platform], reporter(stage)));
  await stages.run("Images into containerd", async (stage) => {
    const present = new Set(
      (await mustLm(["image", "list", "-o", "name", ...platform])).split("\n").map((line) => line.trim()),
    );
    for (const image of [kernel, root]) {
      if (present.has(image.reference)) continue;
      stage.update(image.reference);
      await mustLm(["image", "import", image.layout, ...platform]);
    }
  });
  await stages.run("One microVM, until its guest says that it is ready", (stage) =>
    mustLm(createArguments(kernel.reference, root.reference, platform), reporter(stage)),
  );
  stages[Symbol.dispose]();
  await show(["vm", "list", ...platform]);
  await show(["vm", "ssh", microVm, ...platform, "--", "uname -a; ip -4 -o addr show scope global"]);
  process.stdout.write(`\n${nextSteps(microVm, options.platform)}`);
}

/** Runs a command as a user would, and shows it with its output. */
async function show(args: readonly string[]): Promise<void> {
  const words = args.map((word) => (/[ ;]/.test(word) ? `'${word}'` : word));
  process.stdout.write(`\n$ bin/lm ${words.join(" ")}\n${await mustLm(args)}`);
}

/** As `lm image build -o json` tells it. */
interface BuiltImage {
  readonly reference: string;
  /** OCI layout directory. */
  readonly layout: string;
  readonly cached: boolean;
}

async function build(recipe: string, stage: Stage): Promise<BuiltImage> {
  const report = reporter(stage);
  // Its own lines begin with what this stage is called by.
  const tell = (line: string): void => report(line.replace(/^Building \S+: /, ""));
  return JSON.parse(await mustLm(["image", "build", recipe, "-o", "json"], tell)) as BuiltImage;
}

/** Kernel file and initrd are named by labels of the kernel's image. */
function createArguments(kernel: string, root: string, platform: readonly string[]): readonly string[] {
  return [
    ...["vm", "create", microVm, "--image", root, "--kernel", kernel],
    ...["--vcpu", "1", "--memory", "256M", "--network", "tap"],
    ...["--ssh-key", "platform", "--wait=ready", "--timeout", "3m", ...platform],
  ];
}

async function down(options: QuickstartOptions, stages: StageRenderer): Promise<void> {
  await stages.run("microVMs, embedded host, network, state", async (stage) => {
    await mustLm(["down", "--delete", "--yes", "--name", options.platform], reporter(stage));
  });
}

/** In shell, because it also has to work before there are npm packages: `tools/run.sh` calls it then. */
function dryRun(): number {
  return spawnSync("sh", [join(root, "tools/setup/dry-run.sh")], { stdio: "inherit" }).status ?? 1;
}

async function main(): Promise<number> {
  let options: QuickstartOptions;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (options.dryRun) return dryRun();
  if (process.getuid?.() !== 0) {
    process.stderr.write(
      "error: the quickstart makes network devices and mounts, so it needs root\nhint:  sudo npm run quickstart\n",
    );
    return 1;
  }
  using stages = new StageRenderer({
    stream: process.stderr,
    paint: painter(colourAllowed(process.stderr, process.env, false)),
    clock: systemClock,
    live: isLive(process.stderr),
    quiet: false,
  });
  try {
    await (options.down ? down(options, stages) : up(options, stages));
    return 0;
  } catch (error) {
    stages[Symbol.dispose]();
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
    process.stderr.write(
      "hint:  'bin/lm doctor' tells what this machine lacks; a rerun goes on where this one ended\n",
    );
    return 1;
  }
}

process.exitCode = await main();
