/** The guests of the local platform, for `lm up` and `lm down`, through its API. */
import { PlatformError } from "@liquidmetal/foundation";
import type { GuestControl, ProgressStage } from "@liquidmetal/platform/lifecycle";
import { grpcHostClient } from "../client/grpc-host-client.ts";
import { parseHostAddress } from "../client/host-address.ts";
import type { HostClient } from "../client/host-client.ts";
import { type MicroVmView, viewOf } from "../microvm/view.ts";
import { waitUntil, waitUntilGone } from "../microvm/wait.ts";
import type { Session } from "../program/session.ts";

const stopTimeoutMs = 60_000;
const deleteTimeoutMs = 60_000;
const askTimeoutMs = 5_000;
const runningPhases: readonly string[] = ["pending", "preparing", "starting", "running", "paused"];

export interface LocalGuests extends GuestControl {
  close(): void;
}

/** `undefined` when the API does not answer. */
export async function localGuests(
  session: Session,
  socketPath: string,
  token?: string,
): Promise<LocalGuests | undefined> {
  const host = grpcHostClient(parseHostAddress(socketPath, { insecure: false }), token);
  try {
    await host.list({ namespace: "" }, { signal: session.signal, timeoutMs: askTimeoutMs });
  } catch (error) {
    host.close();
    session.signal.throwIfAborted();
    if (error instanceof PlatformError) return undefined;
    throw error;
  }
  return {
    close: () => host.close(),
    stopAll: (stage, beforeStop) => stopAll(session, host, stage, beforeStop),
    startAll: (uids, stage) => startAll(session, host, uids, stage),
    deleteAll: (stage) => deleteAll(session, host, stage),
  };
}

async function all(session: Session, host: HostClient): Promise<readonly MicroVmView[]> {
  return (await host.list({ namespace: "" }, { signal: session.signal })).map(viewOf);
}

async function stopAll(
  session: Session,
  host: HostClient,
  stage: ProgressStage,
  beforeStop: (uids: readonly string[]) => Promise<void>,
): Promise<readonly string[]> {
  const running = (await all(session, host)).filter(
    (view) => runningPhases.includes(view.phase) && view.desired !== "stopped",
  );
  const uids = running.map((view) => view.uid);
  await beforeStop(uids);
  for (const view of running) await host.act("stop", view.uid, { signal: session.signal });
  let stopped = 0;
  await Promise.all(
    running.map(async (view) => {
      await waitUntil(session, host, {
        uid: view.uid,
        timeoutMs: stopTimeoutMs,
        goal: "to power off",
        failedBefore: true,
        reached: (seen) => seen.phase === "stopped",
      });
      stopped += 1;
      stage.update(`${stopped} of ${running.length}`);
    }),
  );
  return uids;
}

async function startAll(
  session: Session,
  host: HostClient,
  uids: readonly string[],
  stage: ProgressStage,
): Promise<number> {
  const present = new Set((await all(session, host)).map((view) => view.uid));
  const wanted = uids.filter((uid) => present.has(uid));
  for (const [index, uid] of wanted.entries()) {
    stage.update(`${index + 1} of ${wanted.length}`);
    await host.act("start", uid, { signal: session.signal });
  }
  return wanted.length;
}

async function deleteAll(session: Session, host: HostClient, stage: ProgressStage): Promise<number> {
  const views = await all(session, host);
  for (const view of views) {
    await host.delete(view.uid, { signal: session.signal }).catch((error: unknown) => {
      if (!(error instanceof PlatformError && error.kind === "not-found")) throw error;
    });
  }
  let gone = 0;
  await Promise.all(
    views.map(async (view) => {
      await waitUntilGone(session, host, view.uid, deleteTimeoutMs);
      gone += 1;
      stage.update(`${gone} of ${views.length}`);
    }),
  );
  return views.length;
}
