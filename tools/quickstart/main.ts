/**
 * `npm run quickstart`: from nothing to a microVM that one is logged in to. Every step reuses what is there, so a rerun is quick.
 */
import { systemClock } from "@liquidmetal/foundation";
import { colourAllowed, painter } from "../../packages/cli/src/program/terminal.ts";
import { StageRenderer } from "../../packages/cli/src/progress/stages.ts";
import { installPackages, missingPackages } from "../setup/system-packages.ts";
import { lm, mustLm } from "./lm.ts";
import { type QuickstartOptions, readOptions, usage } from "./options.ts";

const microVm = "hello";

async function up(options: QuickstartOptions, stages: StageRenderer): Promise<void> {
  const platform = ["--platform", options.platform];
  await stages.run("System packages", async (stage) => {
    installPackages(missingPackages(["run", "images"]), (line) => stage.update(line));
  });
  const images = await stages.run(
    "Kernel and root volume images",
    async (stage) => {
      const { buildQuickstartImages } = await import("@liquidmetal/image-builder");
      return buildQuickstartImages({ onProgress: (progress) => stage.update(progress.text) });
    },
    (built) => (built.kernel.cached && built.root.cached ? "cached" : "built"),
  );
  await stages.run("Embedded host (lm up)", (stage) =>
    mustLm(["up", "--name", options.platform], (line) => stage.update(line)),
  );
  await stages.run("Images into containerd", async (stage) => {
    const present = new Set(
      (await mustLm(["image", "list", "-o", "name", ...platform])).split("\n").map((line) => line.trim()),
    );
    for (const image of [images.kernel, images.root]) {
      if (present.has(image.reference)) continue;
      stage.update(image.reference);
      await mustLm(["image", "import", image.archivePath, ...platform]);
    }
  });
  await stages.run("One microVM, until its guest says that it is ready", (stage) =>
    mustLm(createArguments(images.kernel, images.root.reference, platform), (line) => stage.update(line)),
  );
  stages[Symbol.dispose]();
  const list = await mustLm(["vm", "list", ...platform]);
  process.stdout.write(`\n$ lm vm list\n${list}\n`);
  const uname = await mustLm([
    "vm",
    "ssh",
    microVm,
    ...platform,
    "--",
    "uname -a; ip -4 -o addr show scope global | awk '{print $4}'",
  ]);
  process.stdout.write(`$ lm vm ssh ${microVm} -- uname -a\n${uname}\n${nextSteps(options)}`);
}

interface KernelImage {
  readonly reference: string;
  /** The ELF kernel: it starts faster than the bzImage, which has to unpack itself. */
  readonly elfKernelPath: string;
  readonly initrdPath: string;
}

function createArguments(kernel: KernelImage, rootReference: string, platform: readonly string[]): readonly string[] {
  return [
    ...[
      "vm",
      "create",
      microVm,
      "--image",
      rootReference,
      "--kernel",
      kernel.reference,
      "--kernel-file",
      kernel.elfKernelPath,
    ],
    ...[
      "--initrd",
      kernel.reference,
      "--initrd-file",
      kernel.initrdPath,
      "--vcpu",
      "1",
      "--memory",
      "256M",
      "--network",
      "tap",
    ],
    ...["--ssh-key", "platform", "--wait=ready", "--timeout", "3m", ...platform],
  ];
}

function nextSteps(options: QuickstartOptions): string {
  const flag = options.platform === "default" ? "" : ` --platform ${options.platform}`;
  return `It runs. Go on with:
  bin/lm vm ssh ${microVm}${flag}        a shell in the guest
  bin/lm vm describe ${microVm}${flag}   everything known of it
  bin/lm vm logs ${microVm}${flag}       its console
  bin/lm status${flag}              the parts of the embedded host
  bin/lm --help                everything else
Take it all down with:
  npm run quickstart -- --down${options.platform === "default" ? "" : ` --name ${options.platform}`}
`;
}

async function down(options: QuickstartOptions, stages: StageRenderer): Promise<void> {
  await stages.run("microVMs, embedded host, network, state", async (stage) => {
    const result = await lm(["down", "--delete", "--yes", "--name", options.platform], (line) => stage.update(line));
    if (result.code !== 0) throw new Error(result.stderr.trim());
  });
}

function dryRun(): void {
  const missing = missingPackages(["run", "images"]);
  const lines = missing.map((entry) => `  ${entry.name.padEnd(18)} ${entry.why}\n`).join("");
  process.stdout.write(
    missing.length === 0 ? "No system package is missing.\n" : `Would install with apt-get:\n${lines}`,
  );
  process.stdout.write(`Would then build a kernel and a root volume image (cached under the XDG cache directory),
start the embedded host (lm up), create the microVM '${microVm}' and log in to it.\n`);
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
  if (options.dryRun) {
    dryRun();
    return 0;
  }
  if (process.getuid?.() !== 0) {
    process.stderr.write(
      "error: the quickstart makes network devices and mounts, so it needs root\nhint: sudo npm run quickstart\n",
    );
    return 1;
  }
  using stages = new StageRenderer({
    stream: process.stderr,
    paint: painter(colourAllowed(process.stderr, process.env, false)),
    clock: systemClock,
    live: process.stderr.isTTY === true && process.env["TERM"] !== "dumb",
    quiet: false,
  });
  try {
    await (options.down ? down(options, stages) : up(options, stages));
    return 0;
  } catch (error) {
    stages[Symbol.dispose]();
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
    process.stderr.write("hint: 'bin/lm doctor' tells what this machine lacks; a rerun goes on where this one ended\n");
    return 1;
  }
}

process.exitCode = await main();
