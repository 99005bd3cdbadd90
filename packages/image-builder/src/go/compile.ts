/**
 * Compiles Go programs for an image, once: what was compiled from the same modules by the same compiler with the same flags is taken from the cache.
 *
 * Order: fetch modules (network), compare every file of them with go.sum, compile without network. A cached program is compared with the digest that was
 * taken when it was made. One compile at a time in a process: the compiler uses every core by itself.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { PlatformError, Semaphore } from "@liquidmetal/foundation";
import type { Architecture, StepReport } from "../steps/step-kind.ts";
import { type BuildInfo, parseBuildInfo } from "./build-info.ts";
import { moduleLicense } from "./license.ts";
import { linkedSources } from "./linked-modules.ts";
import { linkerFlags } from "./linker-flags.ts";
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
  readonly toolchainDirectory?: string;
  readonly report: StepReport;
  readonly signal?: AbortSignal;
}

export interface CompiledProgram {
  /** Import path. */
  readonly package: string;
  /** In the cache: copy or link it, never change it. */
  readonly file: string;
  readonly sizeBytes: number;
  readonly digest: string;
  readonly info: BuildInfo;
}

export interface CompiledPrograms {
  readonly programs: readonly CompiledProgram[];
  /** SPDX identifiers by `path@version`, of the modules whose licence was recognised. */
  readonly licenses: Readonly<Record<string, string>>;
  /** Nothing was compiled. */
  readonly cached: boolean;
}

interface CacheRecord {
  readonly programs: readonly (Omit<CompiledProgram, "file"> & { readonly name: string })[];
  readonly licenses: Readonly<Record<string, string>>;
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
    const cached = await readCached(directory);
    if (cached !== undefined) return { ...cached, cached: true };
    await compile(request, toolchain, directory);
    const made = await readCached(directory);
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
  await mkdir(join(request.cacheDirectory, "go"), { recursive: true });
  const work = await mkdtemp(join(request.cacheDirectory, "go", "compiling-"));
  try {
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
    const programs: CacheRecord["programs"][number][] = [];
    for (const name of packages) programs.push(await described(name, output, run));
    const licenses: Record<string, string> = {};
    for (const module of sources.modules) {
      const license = await moduleLicense(module.directory);
      if (license !== undefined) licenses[`${module.path}@${module.version}`] = license;
    }
    await writeFile(join(output, "record.json"), JSON.stringify({ programs, licenses } satisfies CacheRecord));
    await publish(output, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function described(
  importPath: string,
  output: string,
  run: Omit<Parameters<typeof runGo>[1], "network">,
): Promise<CacheRecord["programs"][number]> {
  const name = programName(importPath);
  const file = join(output, name);
  const info = parseBuildInfo(await runGo(["version", "-m", file], { ...run, network: false }));
  if (info === undefined)
    throw new PlatformError("IMAGE_BUILD_FAILED", `${importPath} is no Go program: has it a main?`);
  return { name, package: importPath, sizeBytes: (await stat(file)).size, digest: await fileDigest(file), info };
}

async function publish(output: string, target: string): Promise<void> {
  try {
    await rename(output, target);
  } catch (error) {
    // Another process has made the same in the meantime, and may be using it. What lies there and is broken makes way.
    if ((await readCached(target)) !== undefined) return;
    await rm(target, { recursive: true, force: true });
    await rename(output, target).catch(() => {
      throw error;
    });
  }
}

/** Undefined when there is nothing, or when a program is not what it was: then it is compiled again. */
async function readCached(directory: string): Promise<Omit<CompiledPrograms, "cached"> | undefined> {
  const text = await readFile(join(directory, "record.json"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const record = JSON.parse(text) as CacheRecord;
  const programs = record.programs.map(({ name, ...program }) => ({ ...program, file: join(directory, name) }));
  for (const { file, digest } of programs) {
    if ((await fileDigest(file).catch(() => "")) !== digest) return undefined;
  }
  // The age says when it was last of use: pruning goes by it.
  const now = new Date();
  await utimes(directory, now, now);
  return { programs, licenses: record.licenses };
}

async function fileDigest(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest("hex")}`;
}
