/**
 * From a kernel's source archive and demands to a bootable kernel: unpack, configure, check, compile.
 *
 * Configured by `allnoconfig`: what no fragment names is off, whatever a later version of the kernel would like by default. Everything is built in.
 * Same source, demands, compiler and date, same bytes: the kernel is told its builder, host and time, compiles with relative paths, and is not
 * numbered. (Documentation/kbuild/reproducible-builds.rst)
 */
import { readFile, rename, statfs, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import type { StepReport } from "../steps/step-kind.ts";
import { type BuildSandbox, openSandbox } from "./build-sandbox.ts";
import { configError, configProblems } from "./config-check.ts";
import { type Demand, demandsText, parseConfiguration } from "./config-fragment.ts";
import { readKconfig } from "./kconfig.ts";
import type { KernelTarget } from "./kernel-tools.ts";

export interface KernelBuildOptions {
  /** The kernel's source as a compressed tar, with one folder at its top. It is moved away. */
  readonly sourceArchive: string;
  readonly demands: readonly Demand[];
  readonly target: KernelTarget;
  /** Seconds since 1970: what the kernel says of its age. */
  readonly dateSeconds: number;
  /** Empty, on the same file system as the archive; needs about 2 GiB. */
  readonly directory: string;
  readonly report: StepReport;
  readonly signal: AbortSignal;
}

/** A source tree that is configured as demanded. */
export interface ConfiguredKernel {
  /** As `uname -r` will say. */
  readonly release: string;
  /** The text of `.config`. */
  readonly configuration: string;
  /** Compiles it. Path of the compiled image on this machine (a bzImage, on ARM an Image). */
  compile(): Promise<string>;
}

const unpackTimeoutMs = 30 * 60_000;
const configureTimeoutMs = 10 * 60_000;
const compileTimeoutMs = 6 * 3600_000;
const neededBytes = 2.5 * 1024 ** 3;
/** Objects between two reports. */
const reportEvery = 25;
const keptComplaints = 3;

/** Errors: RECIPE_INVALID (names every demand that is not met), IMAGE_BUILD_FAILED, DISK_FULL, TOOL_MISSING, CANCELLED. */
export async function configureKernel(options: KernelBuildOptions): Promise<ConfiguredKernel> {
  const { directory, sourceArchive, demands, report, signal } = options;
  await requireSpace(directory);
  const sandbox = await openSandbox(directory);
  report("unpacking the kernel's source");
  await rename(sourceArchive, join(directory, "source.tar"));
  await sandbox.give(join(directory, "source.tar"));
  await sandbox.run("mkdir", ["linux"], { signal });
  await sandbox.run("tar", ["-C", "linux", "--strip-components=1", "-xf", "source.tar"], {
    timeoutMs: unpackTimeoutMs,
    signal,
  });

  report("configuring the kernel");
  await writeFile(join(directory, "demands.config"), demandsText(demands), { mode: 0o644 });
  await make(sandbox, options, ["KCONFIG_ALLCONFIG=../demands.config", "allnoconfig"], {
    timeoutMs: configureTimeoutMs,
  });
  const configuration = await readFile(join(directory, "linux/.config"), "utf8");
  const problems = await configProblems(demands, parseConfiguration(configuration), () =>
    readKconfig(join(directory, "linux"), options.target.sourceArchitecture),
  );
  if (problems.length > 0) throw configError(problems);
  const said = await make(sandbox, options, ["-s", "kernelrelease"], { timeoutMs: configureTimeoutMs });
  const release = said.toString().trim().split("\n").at(-1) ?? "";
  return { release, configuration, compile: () => compile(sandbox, options) };
}

async function compile(sandbox: BuildSandbox, options: KernelBuildOptions): Promise<string> {
  const { directory, target, report, signal } = options;
  let objects = 0;
  const onLine = (line: string): void => {
    const [, file] = /^ {2}(?:CC|AS) +(?:\[M\] +)?(\S+)/.exec(line) ?? [];
    if (file === undefined) return;
    objects += 1;
    if (objects % reportEvery === 0) report(`compiling the kernel: ${objects} objects, at ${file}`);
  };
  report("compiling the kernel");
  // make's own last words only say that something failed; what, was said before, and others' work may have followed it.
  const complaints: string[] = [];
  const onErrorLine = (line: string): void => {
    if (complaints.length < keptComplaints && isComplaint(line)) complaints.push(line.trim());
  };
  const run = { timeoutMs: compileTimeoutMs, onLine, onErrorLine };
  try {
    await make(sandbox, options, [`-j${availableParallelism()}`, target.goal], run);
  } catch (error) {
    if (complaints.length === 0 || signal.aborted) throw error;
    throw new PlatformError("IMAGE_BUILD_FAILED", `the kernel does not compile: ${complaints.join("; ")}`, {
      cause: error,
    });
  }
  return join(directory, "linux", target.image);
}

/** What compilers, linkers, objtool and shells say when they fail; make's own lines are not among them. */
export const isComplaint = (line: string): boolean =>
  /(^|[^a-z])(error|fatal error|undefined reference|not found|cannot|No such file|No space left)\b/i.test(line) &&
  !line.startsWith("make");

function make(
  sandbox: BuildSandbox,
  { target, dateSeconds, signal }: KernelBuildOptions,
  args: readonly string[],
  run: {
    readonly timeoutMs: number;
    readonly onLine?: (line: string) => void;
    readonly onErrorLine?: (line: string) => void;
  },
): Promise<Buffer> {
  const environment = {
    ARCH: target.arch,
    CROSS_COMPILE: target.crossCompile,
    KBUILD_BUILD_TIMESTAMP: new Date(dateSeconds * 1000).toUTCString(),
    KBUILD_BUILD_USER: "liquidmetal",
    KBUILD_BUILD_HOST: "liquidmetal",
    KBUILD_BUILD_VERSION: "1",
    KCONFIG_NOTIMESTAMP: "1",
  };
  return sandbox.run("make", ["-C", "linux", "--no-print-directory", ...args], { environment, signal, ...run });
}

async function requireSpace(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= neededBytes) return;
  const free = Math.round((bavail * bsize) / 1024 ** 2);
  throw new PlatformError(
    "DISK_FULL",
    `compiling a kernel needs 2.5 GiB of disk, ${free} MiB are free in ${directory}`,
    {
      remedy: "free some space, or build with another cache directory",
    },
  );
}
