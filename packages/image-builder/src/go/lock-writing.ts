/**
 * Writes a lock: the go.mod and go.sum with which a foreign module's programs are compiled, and nothing else.
 *
 * go.mod requires the module, repeats its `godebug` settings (Go takes them from the main module only) and names the packages as `tool` lines.
 * go.sum holds exactly what compiling these packages for every architecture reads. While it writes digests down for the first time, Go compares them with
 * the checksum database (GOSUMDB).
 */
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import type { Architecture } from "../steps/step-kind.ts";
import { lockGoMod, lockReplacements, oldestLockGo } from "./lock-document.ts";
import { type GoModFile, parseGoMod, parseGoSum } from "./module-files.ts";
import { importPath } from "./program-name.ts";
import { type GoRun, runGo } from "./run-go.ts";
import { type GoToolchain, goToolchain, isOlder } from "./toolchain.ts";

export interface GoLockRequest {
  readonly module: string;
  /** With its v, as in `v1.36.3`. */
  readonly version: string;
  /** As a recipe writes them: `./cmd/kubelet`, `.`. */
  readonly packages: readonly string[];
  /** Build tags that the recipe will use. */
  readonly tags?: readonly string[];
  /** Where go.mod and go.sum are written; made where it is missing. What lies there is overwritten when everything has gone well. */
  readonly directory: string;
  readonly report?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface WrittenGoLock {
  readonly directory: string;
  /** The Go that the module asks for. */
  readonly goVersion: string;
  /** Modules whose content is compiled. */
  readonly moduleCount: number;
  /** Modules that something else takes the place of. */
  readonly replacedCount: number;
}

const architectures: readonly Architecture[] = ["amd64", "arm64"];

/** Errors: IMAGE_BUILD_FAILED when there is no such module, version or package, or no network; TOOL_MISSING without a Go that is new enough. */
export async function writeGoLock(request: GoLockRequest): Promise<WrittenGoLock> {
  if (request.packages.length === 0) throw new PlatformError("REQUEST_INVALID", "a lock is for one package at least");
  const work = await mkdtemp(join(tmpdir(), `liquidmetal-${process.pid}-lock-`));
  try {
    return await write(request, work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function write(request: GoLockRequest, work: string): Promise<WrittenGoLock> {
  const { module, version, directory } = request;
  const lock = join(work, "lock");
  const temporary = join(work, "temporary");
  await Promise.all([mkdir(lock), mkdir(temporary)]);
  const run = (toolchain: GoToolchain): Omit<GoRun, "architecture"> => ({
    toolchain,
    directory: lock,
    workDirectory: temporary,
    network: true,
    mod: "mod",
    ...(request.signal && { signal: request.signal }),
  });
  const upstream = await publishedGoMod(request, run(await toolchainFor(request, oldestLockGo)));
  const goVersion = isOlder(upstream.go, oldestLockGo) ? oldestLockGo : upstream.go;
  const go = run(await toolchainFor(request, goVersion));
  const packages = request.packages.map((each) => importPath(module, each)).sort();
  const replacements = lockReplacements(upstream, version);
  await writeFile(join(lock, "go.mod"), lockGoMod({ module, version, upstream, packages, replacements }));
  request.report?.(`resolving ${module} ${version}`);
  // Completes go.mod by what is needed indirectly. What it sums up on the way is more than is compiled: that part is done again.
  await runGo(["get", ...packages.map((each) => `${each}@${version}`)], { ...go, architecture: "amd64" });
  await rm(join(lock, "go.sum"), { force: true });
  const list = ["list", "-deps", ...(request.tags?.length ? [`-tags=${request.tags.join(",")}`] : []), ...packages];
  for (const architecture of architectures) {
    request.report?.(`summing up what is compiled for ${architecture}`);
    await runGo(list, { ...go, architecture });
  }
  for (const architecture of architectures) await runGo(list, { ...go, architecture, mod: "readonly" });
  const sums = parseGoSum(await readFile(join(lock, "go.sum"), "utf8"));
  await mkdir(directory, { recursive: true });
  for (const file of ["go.mod", "go.sum"]) await copyFile(join(lock, file), join(directory, file));
  return { directory, goVersion, moduleCount: sums.length, replacedCount: replacements.length };
}

const toolchainFor = (request: GoLockRequest, atLeast: string): Promise<GoToolchain> =>
  goToolchain({
    atLeast,
    ...(request.report && { report: request.report }),
    ...(request.signal && { signal: request.signal }),
  });

/** The module's own go.mod. Downloading it by name checks it against the checksum database. */
async function publishedGoMod(request: GoLockRequest, run: Omit<GoRun, "architecture">): Promise<GoModFile> {
  const { module, version } = request;
  request.report?.(`fetching ${module} ${version}`);
  const answer = await runGo(["mod", "download", "-json", `${module}@${version}`], { ...run, architecture: "amd64" });
  const { GoMod: file, Version: actual } = JSON.parse(answer) as { readonly GoMod: string; readonly Version: string };
  if (actual !== version) {
    throw new PlatformError(
      "REQUEST_INVALID",
      `${version} is no version of ${module}, it means ${actual}: ask for that`,
    );
  }
  return parseGoMod(await readFile(file, "utf8"), `go.mod of ${module}`);
}
