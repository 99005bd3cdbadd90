/**
 * `lm up`: brings a platform up, or to what is now wanted of it. Idempotent: what runs as wanted is left alone.
 *
 * A supervisor with another plan is asked to leave, not to stop: the new one takes over what still fits and replaces the rest.
 */
import { spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, PlatformError, sleep, systemClock } from "@liquidmetal/foundation";
import { type PlatformConfiguration, readConfiguration, writeConfiguration } from "../configuration.ts";
import type { PlatformPaths } from "../paths.ts";
import { planePaths } from "../plane/plane-paths.ts";
import { removeOtherPrograms } from "../plane/plane-programs.ts";
import { keptSoftware } from "../plane/plane-software.ts";
import { preparePlane } from "../plane/prepare-plane.ts";
import { openLog } from "../process/log-file.ts";
import { nodeFlags, programPath } from "../program-location.ts";
import { control, supervisorStatus } from "../supervisor/control-client.ts";
import { planFingerprint, type SupervisorPlan, type Unit } from "../supervisor/plan.ts";
import type { SupervisorStatus } from "../supervisor/status.ts";
import { logTail, planFile, preparePlan } from "./plan.ts";
import type { GuestControl, Progress } from "./progress.ts";
import { storageError } from "./storage-error.ts";

export interface UpOptions {
  readonly paths: PlatformPaths;
  readonly configuration: PlatformConfiguration;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly guests?: GuestControl;
  readonly clock?: Clock;
}

const supervisorTimeoutMs = 10_000;
const retryMs = 30;

export async function up(options: UpOptions): Promise<SupervisorStatus> {
  const { paths, configuration } = options;
  requireRoot(paths);
  const before = await readConfiguration(paths);
  try {
    return await bringUp(options);
  } catch (error) {
    // What does not work is not remembered: the next `lm up` without flags means what worked before.
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(configuration))
      await goBackTo(before, options).catch(() => undefined);
    throw storageError(error, paths);
  }
}

/** Its failure is shown, and hides not what went wrong first. */
function goBackTo(before: PlatformConfiguration, { paths, progress }: UpOptions): Promise<void> {
  return progress.run("Settings", async (stage) => {
    await writeConfiguration(paths, before);
    stage.skip("the earlier ones are kept; 'lm up' goes back to them");
  });
}

async function bringUp(options: UpOptions): Promise<SupervisorStatus> {
  const { paths, configuration, progress, signal } = options;
  const plan = await progress.run("Preparing", async (stage) => {
    const managementPlane = (environment: Readonly<Record<string, string>>): Promise<readonly Unit[]> =>
      preparePlane({ paths, configuration, environment, report: stage.update, signal });
    const prepared = await preparePlan(
      paths,
      configuration,
      configuration.managementPlane === true ? { managementPlane } : {},
    );
    await writeConfiguration(paths, configuration);
    return prepared;
  });
  await progress.run(
    "Supervisor",
    (stage) => ensureSupervisor(options, plan, stage.update),
    (note) => note,
  );
  let last: SupervisorStatus | undefined;
  for (const unit of plan.units) {
    await progress.run(
      unit.name,
      async (stage) => {
        last = await untilReady(paths, plan, unit.name, signal, stage.update);
        return last.units.find((each) => each.name === unit.name)?.adopted === true;
      },
      (adopted) => (adopted ? "ran already" : undefined),
    );
    // Before the management plane looks for them, and takes them for broken.
    if (unit.name === "flintlockd" && options.guests !== undefined) await resumeGuests(options, options.guests);
  }
  if (configuration.managementPlane === true) await removeOldSoftware(paths);
  const status = (await supervisorStatus(paths.supervisorSocket)) ?? last;
  if (status === undefined) throw new PlatformError("UNAVAILABLE", "the supervisor has ended");
  return status;
}

/** Starts a supervisor, as a child in the foreground (systemd) or detached. Resolves with what was done. */
async function ensureSupervisor(
  options: UpOptions,
  plan: SupervisorPlan,
  tell: (detail: string) => void,
): Promise<string> {
  const { paths, signal, clock = systemClock } = options;
  const running = await supervisorStatus(paths.supervisorSocket);
  const whole = running?.stopping === false && running.units.every(({ state }) => !/^stop/.test(state));
  if (running?.planFingerprint === planFingerprint(plan) && whole) return "runs already";
  if (running !== undefined) {
    await endUnwanted(options, plan, running);
    tell("replacing it; what it runs goes on");
    for await (const _status of control(paths.supervisorSocket, "leave", signal));
  }
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(supervisorTimeoutMs)]);
  const logPath = join(paths.logDirectory, "supervisor.log");
  for (;;) {
    const exit = startSupervisor(paths, logPath);
    const code = await awaitSocket(paths, exit, clock, deadline);
    if (code === undefined) return running === undefined ? "started" : "replaced";
    // Its predecessor has not quite gone yet.
    if (code !== 75 || deadline.aborted) {
      throw new PlatformError("INTERNAL", "the supervisor ended at once", {
        cause: new Error(await logTail(logPath)),
        remedy: `look at ${logPath}`,
      });
    }
    await sleep(clock, retryMs, deadline);
  }
}

/** Whoever comes next knows nothing of units that its plan does not have. */
async function endUnwanted(
  { paths, signal }: UpOptions,
  plan: SupervisorPlan,
  running: SupervisorStatus,
): Promise<void> {
  const wanted = plan.units.some(({ group }) => group === "management-plane");
  const runs = running.units.some(({ name }) => !plan.units.some((unit) => unit.name === name));
  if (wanted || !runs) return;
  const { supervisorSocket } = paths;
  for await (const _status of control(supervisorSocket, "stop-management-plane", signal));
}

interface Exit {
  code: number | undefined;
}

function startSupervisor(paths: PlatformPaths, logPath: string): Exit {
  const log = openLog(logPath);
  const child = spawn(process.execPath, [...nodeFlags, programPath("supervisor"), planFile(paths)], {
    cwd: "/",
    detached: true,
    env: {
      PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      LANG: "C.UTF-8",
      NODE_COMPILE_CACHE: join(paths.stateDirectory, "code-cache"),
    },
    stdio: ["ignore", log.descriptor, log.descriptor],
  });
  log.close();
  const exit: Exit = { code: undefined };
  child.once("error", () => {
    exit.code = 1;
  });
  child.once("exit", (code) => {
    exit.code = code ?? 1;
  });
  child.unref();
  return exit;
}

/** `undefined` once the supervisor answers; its exit code when it ended instead. */
async function awaitSocket(
  paths: PlatformPaths,
  exit: Exit,
  clock: Clock,
  deadline: AbortSignal,
): Promise<number | undefined> {
  for (;;) {
    if (exit.code !== undefined) return exit.code;
    const status = await supervisorStatus(paths.supervisorSocket);
    if (status !== undefined && !status.stopping) return undefined;
    await new Promise<void>((resolve) => setTimeout(resolve, retryMs));
    if (deadline.aborted)
      throw new PlatformError("DEADLINE_EXCEEDED", "the supervisor did not answer in time", {
        remedy: `look at ${join(paths.logDirectory, "supervisor.log")} (${clock.nowMs()})`,
      });
  }
}

async function untilReady(
  paths: PlatformPaths,
  plan: SupervisorPlan,
  name: string,
  signal: AbortSignal,
  tell: (detail: string) => void,
): Promise<SupervisorStatus> {
  const unit = plan.units.find((each) => each.name === name);
  const timeoutMs = (unit?.readyTimeoutMs ?? 0) + 5_000;
  const deadline = AbortSignal.timeout(timeoutMs);
  let detail = "";
  try {
    for await (const status of control(paths.supervisorSocket, "watch", AbortSignal.any([signal, deadline]))) {
      const found = status.units.find((each) => each.name === name);
      if (found?.state === "ready") return status;
      detail = found?.detail ?? "";
      if (detail !== "") tell(detail);
      // It has failed thrice: it will not come by waiting.
      if (found !== undefined && found.state === "backoff" && found.restarts >= 3) break;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!deadline.aborted) throw PlatformError.from(error, "UNAVAILABLE", "the supervisor has ended");
  }
  signal.throwIfAborted();
  const tail = unit === undefined ? "" : await logTail(unit.logPath);
  throw new PlatformError(
    deadline.aborted ? "DEADLINE_EXCEEDED" : "UNAVAILABLE",
    `${name} does not come up${detail === "" ? "" : `: ${detail}`}`,
    {
      ...(tail === "" ? {} : { cause: new Error(tail) }),
      remedy: `look at ${unit?.logPath ?? paths.logDirectory} and at 'lm doctor'`,
    },
  );
}

/** Nothing runs any more from the programs of earlier versions. */
async function removeOldSoftware(paths: PlatformPaths): Promise<void> {
  const { programs, software } = planePaths(paths);
  const kept = await keptSoftware(software);
  if (kept !== undefined) await removeOtherPrograms(programs, kept.programs);
}

async function resumeGuests(options: UpOptions, guests: GuestControl): Promise<void> {
  const { paths, progress } = options;
  const uids = await readResume(paths);
  if (uids.length === 0) return;
  await progress.run(
    "Guests",
    (stage) => guests.startAll(uids, stage),
    (count) => `${count} started again`,
  );
  await rm(paths.resumeFile, { force: true });
}

async function readResume(paths: PlatformPaths): Promise<readonly string[]> {
  try {
    const value: unknown = JSON.parse(await readFile(paths.resumeFile, "utf8"));
    return Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];
  } catch {
    return [];
  }
}

function requireRoot(paths: PlatformPaths): void {
  if (process.getuid?.() !== 0) {
    throw new PlatformError("UNAUTHENTICATED", `bringing up the platform '${paths.name}' needs root`, {
      remedy: "run it with sudo",
    });
  }
}
