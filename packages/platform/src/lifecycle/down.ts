/**
 * `lm down`: powers the guests off, ends the platform's processes, takes its network away. The data stays, and `lm up` brings all of it back.
 * With `delete` the data goes as well, and what could not be removed is reported.
 */
import { rm } from "node:fs/promises";
import { type Clock, systemClock } from "@liquidmetal/foundation";
import { writeWhole } from "../configuration.ts";
import type { PlatformPaths } from "../paths.ts";
import { terminate } from "../process/ending.ts";
import { commandLine, findPlatformProcesses, identify } from "../process/identity.ts";
import { liveProcess, ProcessRecords } from "../process/record.ts";
import { control, supervisorStatus } from "../supervisor/control-client.ts";
import { type Leftover, leftoversOf, platformMarks, removeLeftovers } from "./leftovers.ts";
import { currentPlan } from "./plan.ts";
import type { GuestControl, Progress } from "./progress.ts";

export interface DownOptions {
  readonly paths: PlatformPaths;
  readonly delete: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Absent when the API does not answer: guests are then ended as leftovers. */
  readonly guests?: GuestControl;
  readonly clock?: Clock;
}

const stopTimeoutMs = 60_000;
const planeTimeoutMs = 90_000;
const graceMs = 5_000;

/** Resolves with what is still there and should not be. */
export async function down(options: DownOptions): Promise<readonly Leftover[]> {
  const { paths, progress, guests } = options;
  await endPlane(options);
  if (guests !== undefined) {
    if (options.delete)
      await progress.run(
        "Deleting the guests",
        (stage) => guests.deleteAll(stage),
        (count) => String(count),
      );
    else {
      const keep = (uids: readonly string[]): Promise<void> => writeWhole(paths.resumeFile, JSON.stringify(uids));
      await progress.run(
        "Powering the guests off",
        (stage) => guests.stopAll(stage, keep),
        (uids) => String(uids.length),
      );
    }
  }
  await progress.run("Ending the platform's processes", () => endProcesses(options));
  return progress.run(
    options.delete ? "Removing network and data" : "Removing the network",
    async () => {
      await removeLeftovers(paths, { data: options.delete });
      await rm(paths.runDirectory, { recursive: true, force: true });
      return leftoversOf(paths, { data: options.delete });
    },
    (left) => (left.length === 0 ? undefined : `${left.length} left`),
  );
}

/** First of all: it would take guests that are powered off for broken, and replace them. */
async function endPlane({ paths, progress, signal }: DownOptions): Promise<void> {
  const status = await supervisorStatus(paths.supervisorSocket);
  const plan = currentPlan(paths);
  const names = plan?.units.filter(({ group }) => group === "management-plane").map(({ name }) => name) ?? [];
  if (status === undefined || !status.units.some(({ name }) => names.includes(name))) return;
  await progress.run("Ending the management plane", async () => {
    const deadline = AbortSignal.timeout(planeTimeoutMs);
    try {
      for await (const _status of control(
        paths.supervisorSocket,
        "stop-management-plane",
        AbortSignal.any([signal, deadline]),
      ));
    } catch {
      // What still runs is ended with the rest.
      signal.throwIfAborted();
    }
  });
}

async function endProcesses(options: DownOptions): Promise<void> {
  const { paths, clock = systemClock } = options;
  if ((await supervisorStatus(paths.supervisorSocket)) !== undefined) {
    const deadline = AbortSignal.timeout(stopTimeoutMs);
    try {
      for await (const _status of control(paths.supervisorSocket, "stop", AbortSignal.any([options.signal, deadline])));
    } catch {
      options.signal.throwIfAborted();
    }
  }
  // Without a supervisor (killed, or from before a crash) its records tell what it ran.
  const records = new ProcessRecords(paths.recordDirectory);
  for (const record of [...records.all()].reverse()) {
    const identity = liveProcess(record);
    if (identity !== undefined) await terminate(identity, clock, graceMs);
    records.remove(record.unit);
  }
  // Whatever still carries this platform's directories in its command line: spawner, guests, dnsmasq.
  const marks = platformMarks(paths);
  for (const pid of findPlatformProcesses(marks)) {
    const mark = marks.find((each) => commandLine(pid).includes(each));
    const identity = mark === undefined ? undefined : identify(pid, mark);
    if (identity !== undefined) await terminate(identity, clock, graceMs);
  }
}
