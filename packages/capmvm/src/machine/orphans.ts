/**
 * MicroVMs that this management cluster made and that no MicrovmMachine claims any more: somebody took a finalizer away, or restored an older state.
 *
 * Ours by the label with the id of the management cluster: other clusters on the same hosts are not our business, and hosts that drop labels (upstream's)
 * are passed over. Claimed is what a machine of that namespace, name and identity has, and what any provider id names.
 */
import type { MicrovmMachine } from "../api/index.ts";
import type { HostMicroVm } from "../hosts/host.ts";
import { identityOf } from "./journal.ts";
import { vmLabels } from "./microvm-request.ts";

export interface ClaimWorld {
  readonly managementPlane: string;
  /** The machine of that namespace and name. */
  machineOf(namespace: string, name: string): MicrovmMachine | undefined;
  /** Whether any machine's provider id names this microVM. */
  isRecorded(endpoint: string, uid: string): boolean;
}

export function isOrphan(endpoint: string, microVm: HostMicroVm, world: ClaimWorld): boolean {
  const { identity, labels, namespace, name, state, uid } = microVm;
  if (labels[vmLabels.managementPlane] !== world.managementPlane) return false;
  if (identity === undefined || state === "deleting") return false;
  if (world.isRecorded(endpoint, uid)) return false;
  const machine = world.machineOf(namespace, name);
  return machine === undefined || identityOf(machine) !== identity;
}

/** Whether it was made for this very MicrovmCluster: after a move or a restore into other objects nothing is certain. */
export function isOfCluster(microVm: HostMicroVm, clusterUid: string): boolean {
  return clusterUid !== "" && microVm.labels[vmLabels.cluster] === clusterUid;
}
