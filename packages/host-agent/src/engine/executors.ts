/**
 * The table of executors: for every kind of step, the one function that does it.
 *
 * An executor acts through the ports and says how the record changes; it does not commit (only the identity of a new VMM is committed in
 * mid-step, before its guest runs). It is idempotent, ends soon after its signal, and throws a PlatformError when it fails.
 */
import type { Step, StepKind } from "@liquidmetal/microvm";
import type { EngineContext } from "./context.ts";
import {
  createDirectory,
  createInterface,
  createVolume,
  deleteDirectory,
  fetchInitrd,
  fetchKernel,
  releaseImages,
  releaseInterface,
  releaseVolume,
  writeSeed,
} from "./resource-steps.ts";
import type { Done, Executor, Run } from "./run.ts";
import { pauseVmm, resumeVmm, startVmm, stopVmm } from "./vmm-steps.ts";

export const executors: { readonly [K in StepKind]: Executor<K> } = {
  "create-directory": createDirectory,
  "fetch-kernel": fetchKernel,
  "fetch-initrd": fetchInitrd,
  "create-volume": createVolume,
  "create-interface": createInterface,
  "write-seed": writeSeed,
  "start-vmm": startVmm,
  "pause-vmm": pauseVmm,
  "resume-vmm": resumeVmm,
  "stop-vmm": stopVmm,
  "release-interface": releaseInterface,
  "release-volume": releaseVolume,
  "release-images": releaseImages,
  "delete-directory": deleteDirectory,
  forget: async (context, run) => {
    context.guests.forget(run.uid);
    context.records.forget(run.uid, { reason: "Deleted", message: "the microVM is gone, and everything it had" });
    return { change: (record) => record };
  },
};

/** Does one step. The table is typed by kind; the compiler cannot see that key and step belong together, this function does. */
export async function execute(context: EngineContext, run: Run, step: Step, signal: AbortSignal): Promise<Done> {
  const executor = executors[step.kind] as Executor<StepKind>;
  return await executor(context, run, step, signal);
}
