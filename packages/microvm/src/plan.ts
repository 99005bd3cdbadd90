/**
 * The planner: from what is wanted and what is, to the steps that are missing. Pure and total: the same world gives the same steps.
 *
 * The loop executes the steps in order, observes and plans again; an empty plan means that the microVM is as it should be.
 */
import type { Observation } from "./observation.ts";
import type { MicroVmRecord } from "./record.ts";
import { volumesOf } from "./spec.ts";
import type { Step } from "./steps.ts";

export function plan(record: MicroVmRecord, observed: Observation): readonly Step[] {
  switch (record.desired) {
    case "deleted":
      return planDelete(record, observed);
    case "stopped":
      return planStop(observed);
    case "running":
      return planRun(record, observed);
    case "paused":
      return planPause(record, observed);
    default:
      return record.desired satisfies never;
  }
}

function planRun(record: MicroVmRecord, observed: Observation): readonly Step[] {
  const { vmm } = observed;
  switch (vmm.state) {
    case "unverifiable":
      return [];
    case "running":
      return vmm.bootGeneration === record.bootGeneration
        ? []
        : [{ kind: "stop-vmm", mode: "graceful" }, ...start(record, observed)];
    case "paused":
      return vmm.bootGeneration === record.bootGeneration
        ? [{ kind: "resume-vmm" }]
        : [{ kind: "stop-vmm", mode: "forced" }, ...start(record, observed)];
    case "absent":
      return start(record, observed);
    default:
      return vmm satisfies never;
  }
}

/** A paused microVM that is not there is started first: its guest may as well boot before it is paused. */
function planPause(record: MicroVmRecord, observed: Observation): readonly Step[] {
  switch (observed.vmm.state) {
    case "unverifiable":
    case "paused":
      return [];
    case "running":
      return [{ kind: "pause-vmm" }];
    case "absent":
      return [...start(record, observed), { kind: "pause-vmm" }];
    default:
      return observed.vmm satisfies never;
  }
}

function planStop(observed: Observation): readonly Step[] {
  switch (observed.vmm.state) {
    case "running":
      return [{ kind: "stop-vmm", mode: "graceful" }];
    case "paused":
      return [{ kind: "stop-vmm", mode: "forced" }];
    case "absent":
    case "unverifiable":
      return [];
    default:
      return observed.vmm satisfies never;
  }
}

function start(record: MicroVmRecord, observed: Observation): readonly Step[] {
  const { spec } = record;
  const steps: Step[] = [];
  if (!observed.directory) steps.push({ kind: "create-directory" });
  if (!observed.kernel) steps.push({ kind: "fetch-kernel" });
  if (spec.initrd !== undefined && !observed.initrd) steps.push({ kind: "fetch-initrd" });
  for (const volume of volumesOf(spec)) {
    if (!observed.volumes.has(volume.id)) steps.push({ kind: "create-volume", volumeId: volume.id });
  }
  for (const nic of spec.interfaces) {
    if (!observed.interfaces.has(nic.deviceId)) steps.push({ kind: "create-interface", deviceId: nic.deviceId });
  }
  if (!observed.seed) steps.push({ kind: "write-seed" });
  steps.push({ kind: "start-vmm" });
  return steps;
}

/** What was ever made is released, whether it is seen or not: releasing what is gone succeeds. */
function planDelete(record: MicroVmRecord, observed: Observation): readonly Step[] {
  if (observed.vmm.state === "unverifiable") return [];
  const steps: Step[] = [];
  if (observed.vmm.state !== "absent") steps.push({ kind: "stop-vmm", mode: "forced" });
  for (const deviceId of Object.keys(record.made.interfaces)) steps.push({ kind: "release-interface", deviceId });
  for (const volumeId of Object.keys(record.made.volumes)) steps.push({ kind: "release-volume", volumeId });
  steps.push({ kind: "release-images" }, { kind: "delete-directory" }, { kind: "forget" });
  return steps;
}
