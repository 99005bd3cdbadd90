/**
 * Programs of a foreign Go module for this machine, compiled from a lock, and the module's own files (manifests, for example).
 *
 * The same cache and the same keys as the step `go` of a recipe: a recipe that names the same lock, packages and linker variables shares the compile.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { cacheFolders } from "../cache/cache-folders.ts";
import { Lease } from "../cache/lease.ts";
import type { Architecture, StepReport } from "../steps/step-kind.ts";
import { compilePrograms } from "./compile.ts";
import { verifyModules } from "./module-digest.ts";
import { type GoModFile, parseGoMod, parseGoSum } from "./module-files.ts";
import { runGo } from "./run-go.ts";
import { goToolchain } from "./toolchain.ts";

export interface LockedModule {
  readonly module: string;
  /** With its v, as in `v1.36.3`. */
  readonly version: string;
  /** Folder of go.mod and go.sum, as `lm image lock` writes them. */
  readonly lockDirectory: string;
}

export interface LockedCompileRequest extends LockedModule {
  /** Import paths. Default: all that the lock is for, as recipes compile them. */
  readonly packages?: readonly string[];
  /** Values of string variables by import path and name. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
  /** Default: `$XDG_CACHE_HOME/liquidmetal/images`. */
  readonly cacheDirectory?: string;
  readonly report: StepReport;
  readonly signal?: AbortSignal;
}

export interface LockedPrograms {
  /** Files in the cache by import path: run them, never change them. Eviction may remove them once they have not been used for long. */
  readonly files: ReadonlyMap<string, string>;
  /** Nothing was compiled. */
  readonly cached: boolean;
}

/** Errors: RECIPE_INVALID when the lock is for something else; TOOL_MISSING, IMAGE_BUILD_FAILED, IMAGE_INPUT_MISMATCH as compiling has them. */
export async function compileLocked(request: LockedCompileRequest): Promise<LockedPrograms> {
  const lock = await readLock(request);
  const packages = [...(request.packages ?? lock.mod.tools)].sort();
  const missing = packages.find((each) => !lock.mod.tools.includes(each));
  if (missing !== undefined)
    throw new PlatformError("RECIPE_INVALID", `the lock in ${request.lockDirectory} is not for the package ${missing}`);
  return withWork(request.cacheDirectory, async (cacheDirectory, workDirectory) => {
    const { programs, cached } = await compilePrograms({
      directory: request.lockDirectory,
      packages,
      variables: request.variables ?? {},
      tags: request.tags ?? [],
      architecture: machineArchitecture(),
      goVersion: lock.mod.go,
      sourceDigests: lock.digests,
      cacheDirectory,
      workDirectory,
      report: request.report,
      ...(request.signal && { signal: request.signal }),
    });
    return { files: new Map(programs.map((program) => [program.package, program.file])), cached };
  });
}

/** The module's files in Go's cache, fetched where they are missing and compared with the lock's go.sum. Read-only. */
export async function lockedModuleDirectory(
  request: LockedModule & Pick<LockedCompileRequest, "cacheDirectory" | "report" | "signal">,
): Promise<string> {
  const { module, version, lockDirectory, signal } = request;
  const lock = await readLock(request);
  const sum = parseGoSum(lock.sumText).find((each) => each.path === module && each.version === version);
  if (sum === undefined)
    throw new PlatformError("RECIPE_INVALID", `go.sum in ${lockDirectory} does not vouch for ${module} ${version}`);
  const toolchain = await goToolchain({ atLeast: lock.mod.go, report: (text) => request.report(text) });
  return withWork(request.cacheDirectory, async (_cache, workDirectory) => {
    const answer = await runGo(["mod", "download", "-json", module], {
      toolchain,
      directory: lockDirectory,
      architecture: machineArchitecture(),
      workDirectory,
      network: true,
      ...(signal && { signal }),
    });
    const { Dir: directory } = JSON.parse(answer) as { readonly Dir: string };
    await verifyModules([{ path: module, version, digest: sum.digest, directory }], { ...(signal && { signal }) });
    return directory;
  });
}

interface Lock {
  readonly mod: GoModFile;
  readonly sumText: string;
  /** Of go.mod and go.sum, in this order: part of the key of what is compiled. */
  readonly digests: readonly string[];
}

async function readLock({ module, version, lockDirectory }: LockedModule): Promise<Lock> {
  const [modText, sumText] = await Promise.all(
    ["go.mod", "go.sum"].map((name) =>
      readFile(join(lockDirectory, name)).catch((error: unknown) => {
        throw PlatformError.from(error, "RECIPE_INVALID", `the lock of ${module}`);
      }),
    ),
  );
  const mod = parseGoMod(String(modText), join(lockDirectory, "go.mod"));
  const locked = mod.require.find(({ path }) => path === module)?.version;
  if (locked !== version) {
    const has = locked === undefined ? "does not name it" : `has ${locked}`;
    throw new PlatformError("RECIPE_INVALID", `${module} ${version} is wanted, the lock in ${lockDirectory} ${has}`);
  }
  const digests = [modText, sumText].map(
    (content) =>
      `sha256:${createHash("sha256")
        .update(content ?? "")
        .digest("hex")}`,
  );
  return { mod, sumText: String(sumText), digests };
}

async function withWork<T>(
  cacheDirectory: string | undefined,
  work: (cacheDirectory: string, workDirectory: string) => Promise<T>,
): Promise<T> {
  const folders = cacheFolders(cacheDirectory);
  const lease = await Lease.open(folders);
  try {
    return await work(folders.root, lease.workDirectory);
  } finally {
    await lease.end();
  }
}

function machineArchitecture(): Architecture {
  if (process.arch === "x64") return "amd64";
  if (process.arch === "arm64") return "arm64";
  throw new PlatformError("IMAGE_WRONG_PLATFORM", `programs for ${process.arch} cannot be compiled here`);
}
