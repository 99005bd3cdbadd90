/**
 * Compiles Go programs for an image, once: what was compiled from the same modules by the same compiler with the same flags is taken from the cache.
 *
 * Order: fetch modules (network), compare every file of them with go.sum, compile without network. One compile at a time in a process: the compiler uses every core by itself.
 */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError, Semaphore } from "@liquidmetal/foundation";
import type { Architecture, StepReport } from "../steps/step-kind.ts";
import { parseBuildInfo } from "./build-info.ts";
import { moduleLicense } from "./license.ts";
import { linkedSources } from "./linked-modules.ts";
import { linkerFlags } from "./linker-flags.ts";
import {
  type DescribedProgram,
  fileDigest,
  type StoredPrograms,
  storedPrograms,
  storePrograms,
} from "./program-cache.ts";
import { programName } from "./program-name.ts";
import { runGo } from "./run-go.ts";
import { goToolchain } from "./toolchain.ts";

export interface CompileRequest {
  /** Folder with go.mod and go.sum. Nothing is written to it. */
  readonly directory: string;
  /** Import paths; all are compiled in one go. */
  readonly packages: readonly string[];
  /** Values of string variables by import path and name. */
  readonly variables: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly architecture: Architecture;
  /** At least this Go. */
  readonly goVersion: string;
  /** What else decides about the result: digests of go.mod, go.sum, own sources. */
  readonly sourceDigests: readonly string[];
  /** Programs are kept in `<cacheDirectory>/go/`. */
  readonly cacheDirectory: string;
  /** Ours alone, on the same file system as the cache, removed by the caller whatever happens. */
  readonly workDirectory: string;
  readonly toolchainDirectory?: string;
  readonly report: StepReport;
  readonly signal?: AbortSignal;
}

export interface CompiledPrograms extends StoredPrograms {
  /** Nothing was compiled. */
  readonly cached: boolean;
}

/** Raised when the same request makes other bytes. */
export const compileRevision = 1;
const oneCompile = new Semaphore(1);

export async function compilePrograms(request: CompileRequest): Promise<CompiledPrograms> {
  refuseTwins(request.packages);
  const toolchain = await goToolchain({
    atLeast: request.goVersion,
    report: (text) => request.report(text),
    ...(request.toolchainDirectory !== undefined && { directory: request.toolchainDirectory }),
    ...(request.signal && { signal: request.signal }),
  });
  const directory = join(request.cacheDirectory, "go", compileKey(request, toolchain.version));
  return oneCompile.run(async () => {
    const cached = await storedPrograms(directory);
    if (cached !== undefined) return { ...cached, cached: true };
    await compile(request, toolchain, directory);
    const made = await storedPrograms(directory);
    if (made === undefined) throw new PlatformError("IMAGE_BUILD_FAILED", `${directory} vanished while it was used`);
    return { ...made, cached: false };
  }, request.signal);
}

function compileKey(request: CompileRequest, goVersion: string): string {
  const { packages, variables, tags, architecture, sourceDigests } = request;
  const flags = linkerFlags(variables);
  const material = [
    compileRevision,
    goVersion,
    architecture,
    [...packages].sort(),
    flags,
    [...tags].sort(),
    sourceDigests,
  ];
  return createHash("sha256").update(JSON.stringify(material)).digest("hex");
}

/** Go writes programs under the last part of their package's path. */
function refuseTwins(packages: readonly string[]): void {
  const names = packages.map(programName);
  const twin = names.find((name, index) => names.indexOf(name) !== index);
  if (twin !== undefined) throw new PlatformError("RECIPE_INVALID", `two Go packages make a program called ${twin}`);
}

async function compile(
  request: CompileRequest,
  toolchain: Awaited<ReturnType<typeof goToolchain>>,
  target: string,
): Promise<void> {
  const { packages, tags, architecture, directory, report, signal } = request;
  const work = await mkdtemp(join(request.workDirectory, "compile-"));
  const output = join(work, "output");
  const temporary = join(work, "temporary");
  await Promise.all([mkdir(output), mkdir(temporary)]);
  const run = { toolchain, directory, architecture, workDirectory: temporary, ...(signal && { signal }) };
  const goSum = await readFile(join(directory, "go.sum"), "utf8").catch(() => "");
  const sources = await linkedSources({ ...run, packages, tags, goSum, report });
  let done = 0;
  const onLine = (line: string): void => {
    if (/^[\w.-]+(\/\S+)?$/.test(line))
      report(`compiling ${line}`, { done: ++done, total: Math.max(done, sources.packageCount) });
  };
  const flags = ["-trimpath", "-buildvcs=false", "-v", `-ldflags=${linkerFlags(request.variables)}`];
  if (tags.length > 0) flags.push(`-tags=${[...tags].sort().join(",")}`);
  await runGo(["build", ...flags, "-o", `${output}/`, ...packages], { ...run, network: false, onLine });
  const programs: DescribedProgram[] = [];
  for (const name of packages) programs.push(await described(name, output, run));
  const licenses: Record<string, string> = {};
  for (const module of sources.modules) {
    const license = await moduleLicense(module.directory);
    if (license !== undefined) licenses[`${module.path}@${module.version}`] = license;
  }
  await storePrograms(output, target, { programs, licenses });
}

async function described(
  importPath: string,
  output: string,
  run: Omit<Parameters<typeof runGo>[1], "network">,
): Promise<DescribedProgram> {
  const name = programName(importPath);
  const file = join(output, name);
  const info = parseBuildInfo(await runGo(["version", "-m", file], { ...run, network: false }));
  if (info === undefined)
    throw new PlatformError("IMAGE_BUILD_FAILED", `${importPath} is no Go program: has it a main?`);
  return { name, package: importPath, sizeBytes: (await stat(file)).size, digest: await fileDigest(file), info };
}
