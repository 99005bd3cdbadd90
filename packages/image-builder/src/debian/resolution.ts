/**
 * Asks apt which packages, in which versions, a fresh system would get: the resolver is apt's own, over an empty package database, so that what
 * this machine has installed changes nothing.
 *
 * Resolving takes about a second. Answers are therefore kept in a file with a fingerprint of apt's package lists and configuration, and used as
 * long as that is the same.
 */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { runTool, type ToolResult, tryTool } from "../system-tool.ts";

export interface ResolvedPackage {
  readonly name: string;
  readonly version: string;
  /** `amd64`, `arm64` or `all`. */
  readonly architecture: string;
}

export interface ResolveOptions {
  /** Where answers are kept. */
  readonly memoryDirectory: string;
  readonly signal?: AbortSignal;
}

const aptState = ["/var/lib/apt/lists", "/etc/apt", "/etc/apt/sources.list.d", "/etc/apt/preferences.d"];
const installLine = /^Inst (\S+) (?:\[[^\]]*\] )?\((\S+) .*\[(\S+)\]\)/;

/**
 * All packages that the first resolvable alternative needs, itself included. Each alternative is a list of package names.
 * Where apt knows none of them (package lists absent, as in fresh containers) its lists are refreshed once, given root.
 */
export async function resolvePackages(
  alternatives: readonly (readonly string[])[],
  options: ResolveOptions,
): Promise<readonly ResolvedPackage[]> {
  const known = await recall(alternatives, options);
  if (known !== undefined) return known;
  let resolved = await firstResolvable(alternatives, options);
  if (!Array.isArray(resolved) && process.getuid?.() === 0) {
    await runTool("apt-get", ["update", "-q"], options);
    resolved = await firstResolvable(alternatives, options);
  }
  if (Array.isArray(resolved)) return remember(alternatives, resolved, options);
  throw new PlatformError(
    "IMAGE_BUILD_FAILED",
    `apt has none of these packages: ${names(alternatives)} (${resolved})`,
    {
      remedy: "run 'apt-get update'; on Ubuntu also enable the component universe",
    },
  );
}

/** The packages, or apt's reason why not. */
async function firstResolvable(
  alternatives: readonly (readonly string[])[],
  options: ResolveOptions,
): Promise<ResolvedPackage[] | string> {
  let reason = "no alternatives";
  for (const wanted of alternatives) {
    const result = await simulateInstall(wanted, options);
    if (result.exitCode === 0) return parseInstallations(result.stdout.toString());
    reason = result.stderr.trim().split("\n").slice(-1).join("");
  }
  return reason;
}

async function simulateInstall(wanted: readonly string[], { signal }: ResolveOptions): Promise<ToolResult> {
  const directory = await mkdtemp(join(tmpdir(), `liquidmetal-${process.pid}-resolve-`));
  try {
    const status = join(directory, "status");
    await writeFile(status, "");
    const settings = {
      "Dir::State::status": status,
      // Ours is of no use to anybody else: keep it in memory.
      "Dir::Cache::pkgcache": "",
      "APT::Install-Recommends": "false",
      "Debug::NoLocking": "true",
    };
    const flags = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    return await tryTool(
      "apt-get",
      ["--simulate", ...flags, "install", ...wanted],
      signal === undefined ? {} : { signal },
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export function parseInstallations(text: string): ResolvedPackage[] {
  return text.split("\n").flatMap((line) => {
    const [, name, version, architecture] = installLine.exec(line) ?? [];
    if (name === undefined || version === undefined || architecture === undefined) return [];
    return [{ name: name.replace(/:.*/, ""), version, architecture }];
  });
}

interface Memory {
  readonly fingerprint: string;
  readonly packages: readonly ResolvedPackage[];
}

async function recall(
  alternatives: readonly (readonly string[])[],
  options: ResolveOptions,
): Promise<readonly ResolvedPackage[] | undefined> {
  try {
    const memory = JSON.parse(await readFile(memoryFile(alternatives, options), "utf8")) as Memory;
    return memory.fingerprint === (await fingerprint()) ? memory.packages : undefined;
  } catch {
    // Absent or damaged: asked again.
    return undefined;
  }
}

async function remember(
  alternatives: readonly (readonly string[])[],
  packages: readonly ResolvedPackage[],
  options: ResolveOptions,
): Promise<readonly ResolvedPackage[]> {
  const memory: Memory = { fingerprint: await fingerprint(), packages };
  const file = memoryFile(alternatives, options);
  await mkdir(options.memoryDirectory, { recursive: true });
  await writeFile(`${file}.${process.pid}`, JSON.stringify(memory));
  await rename(`${file}.${process.pid}`, file);
  return packages;
}

const memoryFile = (alternatives: readonly (readonly string[])[], options: ResolveOptions): string =>
  join(options.memoryDirectory, `${sha256(names(alternatives)).slice(0, 24)}.json`);

/** Changes whenever apt could answer differently: names, sizes and times of its lists and settings. */
async function fingerprint(): Promise<string> {
  const lines: string[] = [];
  for (const directory of aptState) {
    for (const name of (await readdir(directory).catch(() => [])).sort()) {
      const stats = await stat(join(directory, name)).catch(() => undefined);
      if (stats?.isFile()) lines.push(`${directory}/${name} ${stats.size} ${stats.mtimeMs}`);
    }
  }
  return sha256(lines.join("\n"));
}

const names = (alternatives: readonly (readonly string[])[]): string =>
  alternatives.map((wanted) => wanted.join(" + ")).join(", or ");

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
