/** From what the user chose to what the supervisor runs: renders the configurations and writes the plan. */
import { execFile } from "node:child_process";
import { mkdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { PlatformError } from "@liquidmetal/foundation";
import { agentConfig } from "../agent-config.ts";
import { type PlatformConfiguration, writeWhole } from "../configuration.ts";
import type { PlatformPaths } from "../paths.ts";
import { buildKey, nodeFlags, programPath } from "../program-location.ts";
import { readPlan, type SupervisorPlan, type Unit } from "../supervisor/plan.ts";

const run = promisify(execFile);
const versionTimeoutMs = 5_000;

export const planFile = (paths: PlatformPaths): string => join(paths.runDirectory, "plan.json");

export interface PreparePlanOptions {
  /** Units of the management plane, where one is wanted. */
  readonly managementPlane?: (environment: Readonly<Record<string, string>>) => Promise<readonly Unit[]>;
}

/** Throws CONTAINERD_UNAVAILABLE when there is no containerd to run. */
export async function preparePlan(
  paths: PlatformPaths,
  configuration: PlatformConfiguration,
  { managementPlane }: PreparePlanOptions = {},
): Promise<SupervisorPlan> {
  for (const directory of [paths.stateDirectory, paths.runDirectory, paths.logDirectory, paths.agentState]) {
    await mkdir(directory, { recursive: true, mode: 0o711 });
  }
  for (const directory of [paths.stateDirectory, paths.runDirectory]) await requireReachable(directory);
  const units: Unit[] = [];
  if (configuration.containerdSocket === undefined) units.push(await containerdUnit(paths, configuration));
  units.push(
    await agentUnit(
      paths,
      configuration,
      units.map((unit) => unit.name),
    ),
  );
  if (managementPlane !== undefined) units.push(...(await managementPlane(environment())));
  const plan: SupervisorPlan = {
    platform: paths.name,
    socket: paths.supervisorSocket,
    lockFile: paths.lockFile,
    recordDirectory: paths.recordDirectory,
    units,
    backoffBaseMs: 250,
    backoffCapMs: 15_000,
  };
  await writeWhole(planFile(paths), `${JSON.stringify(plan, null, 2)}\n`);
  return plan;
}

/** The plan by which the platform was brought up last in this boot; undefined when it is down. */
export function currentPlan(paths: PlatformPaths): SupervisorPlan | undefined {
  try {
    return readPlan(planFile(paths));
  } catch {
    return undefined;
  }
}

/** Hypervisors run as users without rights: every directory on the way must let others pass, or no guest would start. */
async function requireReachable(directory: string): Promise<void> {
  for (let each = directory; each !== dirname(each); each = dirname(each)) {
    if (((await stat(each)).mode & 0o001) !== 0) continue;
    throw new PlatformError("REQUEST_INVALID", `${directory} cannot be used: ${each} lets nobody else pass`, {
      remedy: `hypervisors run as users of their own: chmod o+x ${each}, or choose another directory`,
    });
  }
}

async function containerdUnit(paths: PlatformPaths, configuration: PlatformConfiguration): Promise<Unit> {
  const version = await containerdProgramVersion(configuration.containerdProgram);
  const { renderContainerdConfig } = await import("@liquidmetal/images");
  const config = renderContainerdConfig({
    major: Number(/(\d+)\./.exec(version)?.[1] ?? 1) >= 2 ? 2 : 1,
    root: paths.containerdRoot,
    state: paths.containerdState,
    address: paths.containerdSocket,
  });
  await writeWhole(paths.containerdConfig, config);
  return {
    name: "containerd",
    program: configuration.containerdProgram,
    args: ["--config", paths.containerdConfig],
    env: environment(),
    logPath: join(paths.logDirectory, "containerd.log"),
    after: [],
    readiness: { kind: "containerd", socket: paths.containerdSocket },
    readyTimeoutMs: 30_000,
    stopTimeoutMs: 10_000,
    inputs: `${version}\n${config}`,
  };
}

async function agentUnit(
  paths: PlatformPaths,
  configuration: PlatformConfiguration,
  after: readonly string[],
): Promise<Unit> {
  const config = agentConfig(paths, configuration);
  await writeWhole(paths.agentConfig, config);
  return {
    name: "flintlockd",
    program: process.execPath,
    args: [...nodeFlags, programPath("flintlockd"), "run", "--config", paths.agentConfig],
    env: environment(),
    logPath: join(paths.logDirectory, "flintlockd.log"),
    after,
    readiness: { kind: "agent", socket: paths.agentSocket },
    // The first start may have to find out, with a probe guest, what the processor can do.
    readyTimeoutMs: 90_000,
    stopTimeoutMs: 20_000,
    inputs: `${buildKey()}\n${config}`,
  };
}

/** Programs find their tools, and nothing of the caller's environment decides what they do. Few of glibc's arenas: they cost memory, and save little here. */
function environment(): Readonly<Record<string, string>> {
  const path = process.env["PATH"] ?? "";
  const system = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  const parts = [...path.split(":").filter((part) => part !== "" && !part.includes("node_modules")), ...system];
  return {
    PATH: [...new Set(parts)].join(":"),
    HOME: process.env["HOME"] ?? "/",
    LANG: "C.UTF-8",
    MALLOC_ARENA_MAX: "2",
  };
}

export async function containerdProgramVersion(program: string): Promise<string> {
  try {
    const { stdout } = await run(program, ["--version"], { timeout: versionTimeoutMs });
    const version = /\bv?(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1];
    if (version !== undefined) return version;
    throw new Error(`it says '${stdout.trim().slice(0, 200)}'`);
  } catch (cause) {
    throw new PlatformError("CONTAINERD_UNAVAILABLE", `'${program} --version' does not work`, {
      cause,
      remedy: "install containerd (Debian package 'containerd'), or name it with --containerd or --containerd-socket",
    });
  }
}

/** The last lines of a log that say something, for an error's text: where in a program it happened is for its makers. */
export async function logTail(path: string, lines = 5): Promise<string> {
  try {
    const text = await readFile(path, "utf8");
    const said = text.split("\n").filter((line) => line.trim() !== "" && !/^\s+at /.test(line));
    return said.slice(-lines).join("\n");
  } catch {
    return "";
  }
}
