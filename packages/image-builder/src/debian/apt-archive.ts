/**
 * The package archive that a step asks: the machine's own apt sources with the lists it already has, or a view of our own in the cache: for another
 * architecture, for sources that the user names, or where the machine has no lists (fresh containers).
 *
 * Lists are verified by apt when they are fetched: a Release file without a valid signature, or an index that is not what the Release file says, is
 * refused. The machine's configuration and lists are only read. Nothing needs root.
 */
import { createHash } from "node:crypto";
import { chown, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import type { Architecture, StepReport } from "../steps/step-kind.ts";
import { runTool, tryTool } from "../system-tool.ts";
import { aptFailure } from "./apt-failure.ts";
import { writeBeside, writeWhole } from "./whole-file.ts";

export interface ArchiveChoice {
  /** Code name of the release, as in `bookworm`: only Debian's sources of it, its updates and its security updates count. Absent = all sources. */
  readonly suite?: string | undefined;
  /** A file in apt's format (`.list` or `.sources`) to use instead of the machine's sources; relative to `directory`. Absent or "" = the machine's. */
  readonly sources?: string | undefined;
}

export interface ArchiveOptions {
  readonly architecture: Architecture;
  /** The builder's cache: lists of our own are kept in `debian/lists` below it. */
  readonly cacheDirectory: string;
  readonly choice?: ArchiveChoice | undefined;
  /** Where a relative `sources` begins. Default: the working directory. */
  readonly directory?: string | undefined;
  /** Fetches lists of our own again, however young they are. */
  readonly refresh?: boolean | undefined;
  readonly report?: StepReport | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface AptArchive {
  /** Options for every call of apt. */
  readonly flags: readonly string[];
  /** Changes whenever apt could answer differently. */
  readonly fingerprint: string;
  /** Whose packages they are, for package URLs: `debian` or `ubuntu`. */
  readonly vendor: string;
  /** Lists of our own that were not fetched just now: newer ones may know more. */
  readonly stale: boolean;
}

/** Lists of our own are fetched again after a day. */
const listsMaxAgeMs = 24 * 3600 * 1000;
const systemState = ["/var/lib/apt/lists", "/etc/apt", "/etc/apt/sources.list.d", "/etc/apt/preferences.d"];

/** Errors: IMAGE_BUILD_FAILED (no such release, no network), IMAGE_INPUT_MISMATCH (signature or hash is wrong), CANCELLED. */
export async function openArchive(request: ArchiveOptions): Promise<AptArchive> {
  // apt takes relative paths as relative to its own folders.
  const options = { ...request, cacheDirectory: resolve(request.cacheDirectory) };
  const { architecture, choice = {} } = options;
  const common = ["-o", `APT::Architecture=${architecture}`, "-o", `APT::Architectures=${architecture}`];
  const sources = await ownSources(options);
  const systemFlags = [...common, "-o", "Debug::NoLocking=true"];
  if (sources === undefined && architecture === machineArchitecture()) {
    const machine = { flags: systemFlags, fingerprint: await fingerprintOf(systemState), stale: false };
    const targets = await indexTargets(machine, options);
    if (targets.length > 0) return restrict(machine, targets, options);
  }
  const view = await ownView(common, sources, options);
  const targets = await indexTargets(view, options);
  const restricted = await restrict(view, targets, options);
  if (targets.length > 0) return restricted;
  throw new PlatformError("IMAGE_BUILD_FAILED", `no package source of this machine has packages for ${architecture}`, {
    remedy: `name a file of apt sources for ${architecture} (parameter apt-sources, field 'sources')${choice.suite === undefined ? "" : ` that has ${choice.suite}`}`,
  });
}

/** Debian's name of the architecture that this process runs on; others are their own name. */
export const machineArchitecture = (): string => (process.arch === "x64" ? "amd64" : process.arch);

/** Which lists apt reads, before anything is left out of them. */
type View = Pick<AptArchive, "flags" | "fingerprint" | "stale">;

interface IndexTarget {
  readonly uri: string;
  readonly release: string;
  readonly component: string;
  readonly codename: string;
  readonly origin: string;
}

/** What apt has lists of. Asking takes a moment, so the answer is kept as long as it cannot be another. */
async function indexTargets({ flags, fingerprint }: View, options: ArchiveOptions): Promise<readonly IndexTarget[]> {
  const file = join(options.cacheDirectory, "debian/sources", `${sha256(flags.join("\0")).slice(0, 24)}.json`);
  const known = await readFile(file, "utf8").then(parseKnown, () => undefined);
  if (known?.fingerprint === fingerprint) return known.targets;
  const format = ["REPO_URI", "RELEASE", "COMPONENT", "CODENAME", "ORIGIN"].map((name) => `$(${name})`).join("|");
  const args = ["indextargets", ...flags, "--format", format, "Created-By: Packages"];
  const text = await runTool("apt-get", args, { ...(options.signal && { signal: options.signal }) });
  const targets = text.toString().split("\n").flatMap(parseTarget);
  await mkdir(join(file, ".."), { recursive: true });
  await writeWhole(file, JSON.stringify({ fingerprint, targets }));
  return targets;
}

interface KnownTargets {
  readonly fingerprint: string;
  readonly targets: readonly IndexTarget[];
}

function parseKnown(text: string): KnownTargets | undefined {
  try {
    return JSON.parse(text) as KnownTargets;
  } catch {
    return undefined;
  }
}

function parseTarget(line: string): IndexTarget[] {
  const [uri = "", release, component = "", codename = "", origin = ""] = line.split("|");
  return uri === "" || release === undefined ? [] : [{ uri, release, component, codename, origin }];
}

/** Narrows the sources to the wanted release of Debian. The lists that are there already are used: a source is known by its address alone. */
async function restrict(
  { flags, fingerprint, stale }: View,
  targets: readonly IndexTarget[],
  options: ArchiveOptions,
): Promise<AptArchive> {
  const suite = options.choice?.suite;
  const vendor = targets.some(({ origin }) => origin === "Ubuntu") ? "ubuntu" : "debian";
  if (suite === undefined || targets.length === 0) return { flags, fingerprint, vendor, stale };
  const wanted = [suite, `${suite}-updates`, `${suite}-security`];
  const kept = targets.filter(({ codename, release }) => wanted.includes(codename) || wanted.includes(release));
  if (kept.length === 0) {
    const known = [
      ...new Set(targets.map(({ origin, codename, release }) => `${origin} ${codename || release}`)),
    ].sort();
    throw new PlatformError("IMAGE_BUILD_FAILED", `this machine's package sources do not have the release ${suite}`, {
      remedy: `name a file of apt sources for it (parameter apt-sources); these are there: ${known.join(", ")}`,
      details: { suite, known: known.join(", ") },
    });
  }
  const lines = [...new Set(kept.map((one) => `deb ${one.uri} ${one.release} ${one.component}`.trimEnd()))];
  const text = `${lines.join("\n")}\n`;
  const file = join(options.cacheDirectory, "debian/sources", `${sha256(text).slice(0, 24)}.list`);
  await mkdir(join(file, ".."), { recursive: true });
  await writeWhole(file, text);
  return {
    flags: [...flags, "-o", `Dir::Etc::sourcelist=${file}`, "-o", "Dir::Etc::sourceparts=-"],
    fingerprint: sha256(`${fingerprint}\n${text}`),
    vendor,
    stale,
  };
}

interface OwnSources {
  readonly file: string;
  readonly text: string;
}

async function ownSources({ choice, directory = "." }: ArchiveOptions): Promise<OwnSources | undefined> {
  if (choice?.sources === undefined || choice.sources === "") return undefined;
  const file = resolve(directory, choice.sources);
  try {
    return { file, text: await readFile(file, "utf8") };
  } catch (error) {
    throw new PlatformError("IMAGE_BUILD_FAILED", `cannot read the apt sources ${file}`, { cause: error });
  }
}

/** Lists that we keep ourselves: fetched when they are missing or a day old; old ones serve when the archive cannot be reached. */
async function ownView(
  common: readonly string[],
  sources: OwnSources | undefined,
  options: ArchiveOptions,
): Promise<View> {
  const key = sha256(JSON.stringify([options.architecture, sources?.file, sources?.text])).slice(0, 24);
  const lists = join(options.cacheDirectory, "debian/lists", key);
  const flags = [...common, "-o", "Debug::NoLocking=true", "-o", `Dir::State::lists=${lists}`, ...sourceFlags(sources)];
  const age =
    Date.now() -
    (await stat(lists).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    ));
  const wanted = age > listsMaxAgeMs || options.refresh === true;
  if (wanted) {
    try {
      await fetchLists(lists, [...common, ...sourceFlags(sources)], options);
    } catch (error) {
      const network = error instanceof PlatformError && error.details["network"] === true;
      if (!network || (await readdir(lists).catch(() => [])).length === 0) throw error;
      options.report?.("the package archive cannot be reached: using the lists that are here");
    }
  }
  return { flags, fingerprint: await fingerprintOf([lists, ...systemState.slice(1)]), stale: !wanted };
}

const sourceFlags = (sources: OwnSources | undefined): readonly string[] =>
  sources === undefined ? [] : ["-o", `Dir::Etc::sourcelist=${sources.file}`, "-o", "Dir::Etc::sourceparts=-"];

async function fetchLists(lists: string, flags: readonly string[], { report, signal }: ArchiveOptions): Promise<void> {
  report?.("fetching package lists");
  const work = await mkdtemp(join(tmpdir(), `liquidmetal-${process.pid}-lists-`));
  try {
    const fresh = join(work, "lists");
    await mkdir(join(fresh, "partial"), { recursive: true });
    if ((await stat(lists).catch(() => undefined)) !== undefined) await cp(lists, fresh, { recursive: true });
    for (const directory of [work, fresh, join(fresh, "partial")]) await giveToApt(directory);
    const settings = {
      "Dir::State::lists": fresh,
      "Dir::Cache": work,
      "Acquire::Languages": "none",
      "Acquire::Retries": "2",
    };
    const all = [...flags, ...Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
    const result = await tryTool("apt-get", ["update", "-q", "--error-on=any", ...all], { ...(signal && { signal }) });
    if (result.exitCode !== 0) throw aptFailure("the package lists", result.stderr);
    await mkdir(join(lists, ".."), { recursive: true });
    await writeBeside(lists, async (staged) => {
      await cp(fresh, staged, { recursive: true });
      await utimes(staged, new Date(), new Date());
      await rm(lists, { recursive: true, force: true });
    }).catch(unlessTaken);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Somebody else has put their lists there in the last moment: they are as fresh. */
function unlessTaken(error: unknown): void {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (!/^(ENOTEMPTY|EEXIST)$/.test(code)) throw error;
}

/** Without this, root's apt works as root instead of as its own user. */
export async function giveToApt(directory: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const uid = /^_apt:[^:]*:(\d+):/m.exec(await readFile("/etc/passwd", "utf8"))?.[1];
  if (uid !== undefined) await chown(directory, Number(uid), 0);
}

/** Names, sizes and times of what apt reads. */
async function fingerprintOf(directories: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const directory of directories) {
    for (const name of (await readdir(directory).catch(() => [])).sort()) {
      const stats = await stat(join(directory, name)).catch(() => undefined);
      if (stats?.isFile()) lines.push(`${directory}/${name} ${stats.size} ${stats.mtimeMs}`);
    }
  }
  return sha256(lines.join("\n"));
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
