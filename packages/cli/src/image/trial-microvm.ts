/**
 * A microVM that lives for one question: does this image get ready? It is removed whatever the answer is, also on Ctrl-C.
 *
 * Its removal has a deadline of its own, since the session's signal may be what ends it.
 */
import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { MicroVMSpecSchema, NetworkInterface_IfaceType } from "@liquidmetal/api";
import type { HostClient } from "../client/host-client.ts";
import { withBootFiles } from "../microvm/boot-files.ts";
import { viewOf } from "../microvm/view.ts";
import { waitUntil, waitUntilGone } from "../microvm/wait.ts";
import type { Session } from "../program/session.ts";
import type { Stage } from "../progress/stages.ts";

export interface Trial {
  /** References of images that the host has. */
  readonly kernel: string;
  readonly root: string;
  readonly vcpu: number;
  readonly memoryMiB: number;
  /** Absent = as the host sizes it. */
  readonly diskMiB: number | undefined;
  readonly timeoutMs: number;
}

export interface TrialResult {
  /** From the request to the guest's own word. */
  readonly readyAfterMs: number;
  readonly addresses: readonly string[];
}

const namespace = "image-verify";
const removalMs = 60_000;
const consoleLines = 25;

/** Throws what `waitUntil` throws when the guest does not get ready; the end of its console is shown before that. */
export async function tryToBoot(session: Session, host: HostClient, trial: Trial, stage: Stage): Promise<TrialResult> {
  const { signal, clock } = session;
  const startedMs = clock.monotonicMs();
  const spec = await withBootFiles(specOf(trial), host, signal);
  signal.throwIfAborted();
  // Not given the session's signal: a microVM that the host made while we were told to end has to be known, to be removed.
  const { uid } = viewOf(await host.create(spec, { signal: AbortSignal.timeout(removalMs) }));
  try {
    const view = await waitUntil(session, host, {
      uid,
      timeoutMs: trial.timeoutMs,
      goal: "to be ready",
      reached: (seen) => seen.ready,
      onChange: (seen) => stage.update(seen.message === "" ? seen.phase : `${seen.phase}: ${seen.message}`),
    });
    return { readyAfterMs: clock.monotonicMs() - startedMs, addresses: view.addresses };
  } catch (error) {
    stage.fail();
    if (!signal.aborted) await showConsole(session, host, uid);
    throw error;
  } finally {
    const ending = { signal: AbortSignal.timeout(removalMs), clock };
    await host.delete(uid, ending);
    await waitUntilGone(ending, host, uid, removalMs);
  }
}

function specOf(trial: Trial): ReturnType<typeof create<typeof MicroVMSpecSchema>> {
  return create(MicroVMSpecSchema, {
    id: `verify-${randomBytes(4).toString("hex")}`,
    namespace,
    vcpu: trial.vcpu,
    memoryInMb: trial.memoryMiB,
    kernel: { image: trial.kernel },
    rootVolume: {
      id: "root",
      source: { containerSource: trial.root },
      ...(trial.diskMiB === undefined ? {} : { sizeInMb: trial.diskMiB }),
    },
    interfaces: [{ deviceId: "eth1", type: NetworkInterface_IfaceType.TAP }],
  });
}

/** The last lines of the guest's console, on standard error. What cannot be read is left out: the failure itself matters more. */
async function showConsole(session: Session, host: HostClient, uid: string): Promise<void> {
  const chunks: Uint8Array[] = [];
  try {
    const request = { uid, vmm: false, follow: false, tailLines: consoleLines };
    for await (const { data } of host.logs(request, { signal: AbortSignal.timeout(10_000) })) chunks.push(data);
  } catch {
    return;
  }
  // Escape sequences of the guest have no business on this terminal.
  const text = Buffer.concat(chunks)
    .toString("utf8")
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
  if (text.trim() === "") return session.warn("the guest's console is empty");
  session.warn(`the guest's console ended with:\n${text.trimEnd().replaceAll(/^/gm, "  ")}`);
}
