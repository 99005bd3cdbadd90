/**
 * Waiting for a microVM, by the host's watch: no polling, no sleeping.
 *
 * A watch that the host ends (it restarts, or we read too slowly) is begun again with a snapshot, so nothing is missed; the deadline holds for
 * the whole. A microVM that fails ends the wait with its own reason.
 */
import { WatchResponse_Type } from "@liquidmetal/api";
import { type ErrorCode, PlatformError, sleep } from "@liquidmetal/foundation";
import type { HostClient } from "../client/host-client.ts";
import { elapsed } from "../program/duration.ts";
import type { Session } from "../program/session.ts";
import { type MicroVmView, phaseText, viewOf } from "./view.ts";

export interface WaitOptions {
  readonly uid: string;
  readonly timeoutMs: number;
  /** For the error's text: `to be ready`. */
  readonly goal: string;
  readonly reached: (view: MicroVmView) => boolean;
  /** It was failed before: that alone does not end the wait, failing again does. */
  readonly failedBefore?: boolean;
  /** Called for every change seen. */
  readonly onChange?: (view: MicroVmView) => void;
}

/** What a wait takes of a session. */
export type WaitingSession = Pick<Session, "signal" | "clock">;

const retryMs = 200;

/** Resolves with the microVM once `reached` holds. DEADLINE_EXCEEDED; GUEST_FAILED or the reason's own; MICROVM_NOT_FOUND when it is deleted meanwhile. */
export async function waitUntil(session: WaitingSession, host: HostClient, options: WaitOptions): Promise<MicroVmView> {
  let last: MicroVmView | undefined;
  let tolerant = options.failedBefore === true;
  const view = await watching(
    session,
    host,
    options,
    (seen, gone) => {
      last = seen;
      if (gone) {
        throw new PlatformError(
          "MICROVM_NOT_FOUND",
          `the microVM was deleted while it was waited for ${options.goal}`,
          {
            remedy: "create it again",
          },
        );
      }
      if (options.reached(seen)) return seen;
      if (seen.phase !== "failed") tolerant = false;
      else if (!tolerant) throw failure(seen);
      return undefined;
    },
    () => last,
  );
  return view;
}

/** Resolves once the microVM is gone. */
export async function waitUntilGone(
  session: WaitingSession,
  host: HostClient,
  uid: string,
  timeoutMs: number,
): Promise<void> {
  let last: MicroVmView | undefined;
  const options: WaitOptions = { uid, timeoutMs, goal: "to be gone", reached: () => false };
  await watching(
    session,
    host,
    options,
    (seen, gone) => {
      last = seen;
      return gone ? true : undefined;
    },
    () => last,
    true,
  );
}

async function watching<T>(
  session: WaitingSession,
  host: HostClient,
  options: WaitOptions,
  judge: (view: MicroVmView, gone: boolean) => T | undefined,
  last: () => MicroVmView | undefined,
  absentIsEnd?: T,
): Promise<T> {
  const deadline = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([session.signal, deadline]);
  for (;;) {
    try {
      let present = false;
      for await (const message of host.watch({ uid: options.uid, snapshot: true }, { signal })) {
        if (message.type === WatchResponse_Type.SYNCED && !present) {
          if (absentIsEnd !== undefined) return absentIsEnd;
          throw new PlatformError("MICROVM_NOT_FOUND", "the microVM is gone");
        }
        if (message.microvm === undefined) continue;
        present = true;
        const view = viewOf(message.microvm);
        options.onChange?.(view);
        const result = judge(view, message.type === WatchResponse_Type.DELETED);
        if (result !== undefined) return result;
      }
    } catch (error) {
      session.signal.throwIfAborted();
      if (deadline.aborted) throw timedOut(options, last());
      if (!isRestartable(error)) throw error;
    }
    await sleep(session.clock, retryMs, signal).catch(() => undefined);
  }
}

function isRestartable(error: unknown): boolean {
  return error instanceof PlatformError && (error.code === "UNAVAILABLE" || error.kind === "exhausted");
}

function timedOut(options: WaitOptions, view: MicroVmView | undefined): PlatformError {
  const state =
    view === undefined
      ? "it was not seen"
      : `it is ${phaseText(view)}${view.message === "" ? "" : `: ${view.message}`}`;
  return new PlatformError(
    "DEADLINE_EXCEEDED",
    `waited ${elapsed(options.timeoutMs)} for the microVM ${options.goal}; ${state}`,
    {
      remedy: "look at it with 'lm vm describe' and 'lm vm logs', or give more time with --timeout",
    },
  );
}

function failure(view: MicroVmView): PlatformError {
  const code: ErrorCode = "GUEST_FAILED";
  const why = view.message !== "" ? view.message : view.reason;
  return new PlatformError(code, `microVM ${view.namespace}/${view.name} failed${why === "" ? "" : `: ${why}`}`, {
    remedy: "look at it with 'lm vm describe' and 'lm vm logs --vmm'",
  });
}
