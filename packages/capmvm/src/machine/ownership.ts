/**
 * Whose microVM is it? What a host has under the machine's name, sorted by the answer.
 *
 * A microVM is the machine's if namespace and name are its, and the identity that the microVM was made with is the machine's. MicroVMs of upstream's
 * provider carry no identity: such a one is the machine's only if the provider id says so. Everything else is a stranger: never adopted, never deleted.
 */
import type { ObjectKey } from "@liquidmetal/kubernetes";
import type { HostMicroVm } from "../hosts/host.ts";

export interface Owner extends ObjectKey {
  readonly identity: string;
  /** Uid of the microVM in the provider id. */
  readonly recordedUid?: string;
}

export interface Sorted {
  /** The one that the machine has, or shall have: the recorded one; if none is recorded the most advanced, the oldest among equals. */
  readonly own: HostMicroVm | undefined;
  /**
   * More that were made for the machine. Beside `own` they are surplus: left by a create whose answer was lost, on a host that makes one for each request.
   * Without `own` somebody has changed the provider id, and one of them may be the machine's node.
   */
  readonly others: readonly HostMicroVm[];
  readonly strangers: readonly HostMicroVm[];
}

export function sortMicroVms(owner: Owner, microVms: readonly HostMicroVm[]): Sorted {
  const strangers: HostMicroVm[] = [];
  const ours: HostMicroVm[] = [];
  for (const microVm of microVms) (isOwn(owner, microVm) ? ours : strangers).push(microVm);
  ours.sort((a, b) => rank(owner, a) - rank(owner, b) || (a.uid < b.uid ? -1 : 1));
  const [first, ...rest] = ours;
  if (owner.recordedUid !== undefined && first?.uid !== owner.recordedUid) {
    return { own: undefined, others: ours, strangers };
  }
  return { own: first, others: rest, strangers };
}

export function isOwn(owner: Owner, microVm: HostMicroVm): boolean {
  if (microVm.namespace !== owner.namespace || microVm.name !== owner.name) return false;
  if (microVm.identity === undefined) return microVm.uid === owner.recordedUid;
  return microVm.identity === owner.identity;
}

const ranks: Readonly<Record<HostMicroVm["state"], number>> = {
  created: 1,
  pending: 2,
  unknown: 3,
  failed: 4,
  deleting: 5,
};

function rank(owner: Owner, microVm: HostMicroVm): number {
  return microVm.uid === owner.recordedUid ? 0 : ranks[microVm.state];
}
