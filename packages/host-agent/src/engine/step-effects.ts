/** What steps do to a record, apart from what they make: the phase, the mark of what is in progress, the words for users. Pure. */
import type { MicroVmRecord, Phase, Step } from "@liquidmetal/microvm";
import type { Happening } from "./records.ts";
import { isFailure } from "./restart-policy.ts";

/** The record as a step begins. */
export function begun(record: MicroVmRecord, step: Step): MicroVmRecord {
  const boots = step.kind === "start-vmm" ? record.boots + 1 : record.boots;
  return { ...record, phase: phaseDuring(step, record), inFlight: step.kind, boots };
}

/** The record when nothing is in progress. */
export function ended(record: MicroVmRecord): MicroVmRecord {
  const { inFlight: _done, ...rest } = record;
  return rest;
}

function phaseDuring(step: Step, record: MicroVmRecord): Phase {
  if (record.desired === "deleted") return "deleting";
  switch (step.kind) {
    case "create-directory":
    case "fetch-kernel":
    case "fetch-initrd":
    case "create-volume":
    case "create-interface":
    case "write-seed":
      return "preparing";
    case "start-vmm":
      return "starting";
    case "stop-vmm":
      return "stopping";
    case "pause-vmm":
    case "resume-vmm":
      return record.phase;
    case "release-interface":
    case "release-volume":
    case "release-images":
    case "delete-directory":
    case "forget":
      return "deleting";
    default:
      return step satisfies never;
  }
}

/** The phase in which nothing is missing. A guest that ended badly and is not to be restarted stays `failed`. */
export function settledPhase(record: MicroVmRecord): Phase {
  switch (record.desired) {
    case "running":
      return "running";
    case "paused":
      return "paused";
    case "stopped":
      return record.phase === "failed" && isFailure(record.guest.lastExit) ? "failed" : "stopped";
    case "deleted":
      return "deleting";
    default:
      return record.desired satisfies never;
  }
}

/** What users are told as a step begins. */
export function happeningsBefore(record: MicroVmRecord, step: Step): readonly Happening[] {
  if (step.kind !== "stop-vmm" || record.desired === "deleted") return [];
  return [{ reason: "Stopping", message: "the guest is asked to power off" }];
}

/** What users are told when a step is done. */
export function happeningsAfter(record: MicroVmRecord, step: Step): readonly Happening[] {
  switch (step.kind) {
    case "start-vmm":
      return [{ reason: "Started", message: `the VMM runs (start ${record.boots})` }];
    case "stop-vmm":
      return record.desired === "deleted" ? [] : [{ reason: "Stopped", message: "the VMM has ended" }];
    case "pause-vmm":
      return [{ reason: "Paused", message: "the guest's processors are stopped" }];
    case "resume-vmm":
      return [{ reason: "Resumed", message: "the guest runs on" }];
    default:
      return [];
  }
}

/** What users are told when nothing is missing any more. */
export function settledHappenings(phase: Phase): readonly Happening[] {
  return phase === "stopped" ? [{ reason: "Stopped", message: "no VMM runs" }] : [];
}
