/**
 * Coming back: what the last agent left is taken over before anything new is done.
 *
 * Order matters. Addresses first, so that no create gets one that is taken; then strays, so that no second VMM opens a disk; then every VMM that a
 * record names is adopted, many at once; then the rest of the orphans. Guests notice nothing of it.
 */
import { PlatformError, Semaphore } from "@liquidmetal/foundation";
import type { EngineContext } from "./context.ts";
import { uidOfToken } from "./identifiers.ts";
import { isolationGroupOf } from "./isolation-group.ts";
import { adopt } from "./observe.ts";
import { killStrays } from "./strays.ts";

/** Adoptions at once: each is a connect and a question or two. */
const adoptionsAtOnce = 64;

/** Longest pause that an earlier agent's back-off may still cost, milliseconds. */
const inheritedWaitMaxMs = 60_000;

export interface StartReport {
  readonly records: number;
  readonly adopted: number;
  readonly gone: number;
  readonly unverifiable: number;
  readonly strays: number;
}

/** Throws STATE_TOO_NEW, STATE_CORRUPT or SPAWNER_UNAVAILABLE; the agent must not work on without. */
export async function takeOver(context: EngineContext): Promise<StartReport> {
  const { deps, records } = context;
  records.load();
  for (const record of records.values()) {
    const group = isolationGroupOf(record.spec);
    for (const made of Object.values(record.made.interfaces)) deps.network.reserve(record.uid, made, group);
  }
  const strays = await killStrays(deps, (uid) => records.get(uid), uidOfToken, context.suspects);
  const adoptions = await adoptAll(context);
  for (const record of records.values()) {
    const waitMs = Math.min(record.retry.notBeforeMs - deps.clock.nowMs(), inheritedWaitMaxMs);
    if (waitMs > 0 && record.desired !== "deleted") context.holdOff(record.uid, waitMs);
    else context.wake(record.uid);
  }
  return { records: records.size, strays, ...adoptions };
}

async function adoptAll(context: EngineContext): Promise<Pick<StartReport, "adopted" | "gone" | "unverifiable">> {
  const { deps, records } = context;
  const line = new Semaphore(adoptionsAtOnce);
  const count = { adopted: 0, gone: 0, unverifiable: 0 };
  const { signal } = new AbortController();
  const adoptOne = async (uid: string): Promise<void> => {
    const record = records.get(uid);
    if (record?.made.process === undefined) return;
    try {
      const { state } = await adopt(context, record, signal);
      if (state === "absent") count.gone++;
      else if (state === "unverifiable") count.unverifiable++;
      else count.adopted++;
      if (state === "unverifiable") deps.logger.warn("adopt.unverifiable", { uid, pid: record.made.process.pid });
    } catch (caught) {
      // The loop meets it again and tells the user.
      deps.logger.warn("adopt.failed", { uid, error: PlatformError.from(caught) });
    }
  };
  await Promise.all([...records.values()].map(({ uid }) => line.run(() => adoptOne(uid))));
  return count;
}
