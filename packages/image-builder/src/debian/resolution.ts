/**
 * Asks apt which packages, in which versions, a fresh system would get: the resolver is apt's own, over an empty package database, so that what
 * this machine has installed changes nothing. Versions and digests are those of the archive's signed lists.
 *
 * Resolving takes about three seconds. Answers are therefore kept in a file with a fingerprint of apt's package lists and configuration, and used
 * as long as that is the same.
 */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import type { Input } from "../steps/input.ts";
import { type ToolResult, tryTool } from "../system-tool.ts";
import { type AptArchive, type ArchiveOptions, openArchive } from "./apt-archive.ts";
import { aptFailure, complaint } from "./apt-failure.ts";
import { controlFields, type PackageIdentity, packageIdentity, packageUrl, splitStanzas } from "./control-stanzas.ts";
import { writeWhole } from "./whole-file.ts";

export interface ResolvedPackage extends PackageIdentity {
  /** Of the .deb: 64 hexadecimal digits. */
  readonly sha256: string;
  /** Of the .deb. */
  readonly sizeBytes: number;
  /** `debian` or `ubuntu`. */
  readonly vendor: string;
  /** The package's stanza in the archive's lists. */
  readonly stanza: string;
}

/**
 * All packages that the first resolvable alternative needs, itself included, in apt's order of installation. Each alternative is a list of package
 * names or apt patterns (`?essential`).
 *
 * Errors: IMAGE_BUILD_FAILED (no alternative is there), IMAGE_INPUT_MISMATCH (the archive cannot be trusted), CANCELLED.
 */
export async function resolvePackages(
  alternatives: readonly (readonly string[])[],
  options: ArchiveOptions,
): Promise<readonly ResolvedPackage[]> {
  const archive = await openArchive(options);
  try {
    return await resolveIn(archive, alternatives, options);
  } catch (error) {
    if (!archive.stale || options.signal?.aborted === true) throw error;
    return await resolveIn(await openArchive({ ...options, refresh: true }), alternatives, options);
  }
}

async function resolveIn(
  archive: AptArchive,
  alternatives: readonly (readonly string[])[],
  options: ArchiveOptions,
): Promise<readonly ResolvedPackage[]> {
  const question = sha256(JSON.stringify([formatVersion, alternatives, archive.flags]));
  const file = join(options.cacheDirectory, "debian/resolutions", `${question.slice(0, 24)}.json`);
  const known = await recall(file, archive);
  if (known !== undefined) return known;
  const packages = await resolveAfresh(alternatives, archive, options);
  await mkdir(join(file, ".."), { recursive: true });
  const memory: Memory = { fingerprint: archive.fingerprint, packages };
  await writeWhole(file, JSON.stringify(memory));
  return packages;
}

/** What the cache key and the provenance say of packages. */
export const packageInputs = (packages: readonly ResolvedPackage[]): Input[] =>
  packages.map((one) => ({
    kind: "debian-package",
    name: one.name,
    version: one.version,
    digest: `sha256:${one.sha256}`,
    purl: packageUrl(one.vendor, one),
  }));

/** Raised when the memory's format changes. */
const formatVersion = 2;
const installLine = /^Inst (\S+) (?:\[[^\]]*\] )?\((\S+) .*\[(\S+)\]\)/;

async function resolveAfresh(
  alternatives: readonly (readonly string[])[],
  archive: AptArchive,
  options: ArchiveOptions,
): Promise<ResolvedPackage[]> {
  const work = await mkdtemp(join(tmpdir(), `liquidmetal-${process.pid}-resolve-`));
  try {
    const status = join(work, "status");
    await writeFile(status, "");
    const settings = [
      `Dir::State::status=${status}`,
      // Ours is of no use to anybody else: keep it in memory.
      "Dir::Cache::pkgcache=",
      "Dir::Cache::srcpkgcache=",
      "APT::Install-Recommends=false",
      "APT::Install-Suggests=false",
    ];
    const flags = [...archive.flags, ...settings.flatMap((setting) => ["-o", setting])];
    const run = (tool: string, ...args: string[]): Promise<ToolResult> =>
      tryTool(tool, [...flags, ...args], { ...(options.signal && { signal: options.signal }) });
    const installations = await firstResolvable(alternatives, run, options);
    const wanted = installations.map(
      ({ name, version, architecture }) => `${name}:${archOf(architecture, options)}=${version}`,
    );
    const shown = await run("apt-cache", "show", "--no-all-versions", ...wanted);
    if (shown.exitCode !== 0) throw aptFailure("the packages' records", shown.stderr);
    return describe(installations, shown.stdout.toString(), archive);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** apt-cache knows packages for all architectures under the machine's name. */
const archOf = (architecture: string, options: ArchiveOptions): string =>
  architecture === "all" ? options.architecture : architecture;

async function firstResolvable(
  alternatives: readonly (readonly string[])[],
  run: (tool: string, ...args: string[]) => Promise<ToolResult>,
  options: ArchiveOptions,
): Promise<readonly Installation[]> {
  let reason = "no alternatives were given";
  for (const wanted of alternatives) {
    const result = await run("apt-get", "--simulate", "install", ...wanted);
    if (result.exitCode === 0) return parseInstallations(result.stdout.toString());
    // What cannot be installed together is said on stdout, below a heading.
    const conflicts = result.stdout
      .toString()
      .split("\n")
      .filter((line) => / : (Pre)?(Depends|Conflicts|Breaks)/.test(line));
    reason = [complaint(result.stderr), ...conflicts.slice(0, 3).map((line) => line.trim().replace(/ +/g, " "))].join(
      "; ",
    );
  }
  const names = alternatives.map((wanted) => wanted.join(" + ")).join(", or ");
  const where = options.choice?.suite === undefined ? "apt" : `the release ${options.choice.suite}`;
  throw new PlatformError("IMAGE_BUILD_FAILED", `${where} cannot give these packages: ${names} (${reason})`, {
    remedy:
      "correct the names; run 'apt-get update' if the lists are old; on Ubuntu also enable the component universe",
  });
}

export interface Installation {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

export function parseInstallations(text: string): Installation[] {
  return text.split("\n").flatMap((line) => {
    const [, name, version, architecture] = installLine.exec(line) ?? [];
    if (name === undefined || version === undefined || architecture === undefined) return [];
    return [{ name: name.replace(/:.*/, ""), version, architecture }];
  });
}

/** Joins the order of installation with the records. Of two records of one version (two sources have it) the first counts, as for apt. */
function describe(installations: readonly Installation[], records: string, { vendor }: AptArchive): ResolvedPackage[] {
  const known = new Map<string, ResolvedPackage>();
  for (const stanza of splitStanzas(records)) {
    const fields = controlFields(stanza);
    const identity = packageIdentity(fields);
    const digest = fields.get("sha256") ?? "";
    if (identity === undefined || !/^[0-9a-f]{64}$/.test(digest)) continue;
    const key = `${identity.name}=${identity.version}`;
    const sizeBytes = Number(fields.get("size") ?? 0);
    if (!known.has(key)) known.set(key, { ...identity, sha256: digest, sizeBytes, vendor, stanza });
  }
  return installations.map(({ name, version }) => {
    const found = known.get(`${name}=${version}`);
    if (found !== undefined) return found;
    throw new PlatformError("IMAGE_INPUT_MISMATCH", `the package lists have no SHA-256 digest of ${name} ${version}`, {
      remedy: "run 'apt-get update'; an archive without SHA-256 digests cannot be used",
    });
  });
}

interface Memory {
  readonly fingerprint: string;
  readonly packages: readonly ResolvedPackage[];
}

/** Absent, damaged or of other lists: asked again. */
async function recall(file: string, { fingerprint }: AptArchive): Promise<readonly ResolvedPackage[] | undefined> {
  try {
    const memory = JSON.parse(await readFile(file, "utf8")) as Memory;
    return memory.fingerprint === fingerprint ? memory.packages : undefined;
  } catch {
    return undefined;
  }
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
