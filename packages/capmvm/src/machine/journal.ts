/**
 * The journal of a machine: annotations that say where its microVM is made and for whom, committed before the host is asked to make it.
 *
 * Invariant: as long as a journal names a host, that host may have been asked. It is pointed elsewhere only by the process that wrote it and knows that
 * nothing was sent, or upon the host's word that there is nothing.
 * `clusterctl move` may come between any two steps: the annotations go with the object, and whoever finds them looks for the microVM before it makes one.
 * So nothing blocks a move; the annotation block-move would have to be taken away while the Cluster is paused, when nothing may be touched.
 * `identity` is the uid that the object had when it was first placed: a new uid (clusterctl move, restore) keeps the old identity.
 */
import { annotations, type MicrovmMachine, machineFinalizer } from "../api/index.ts";

export interface Journal {
  /** `host:port`. */
  readonly endpoint: string;
  readonly identity: string;
}

/** Undefined = no host was ever asked. */
export function journalOf(machine: MicrovmMachine): Journal | undefined {
  const endpoint = machine.metadata?.annotations?.[annotations.host];
  if (endpoint === undefined || endpoint === "") return undefined;
  return { endpoint, identity: identityOf(machine) };
}

/** Whose microVM it is: as journaled, or the object's own uid. */
export function identityOf(machine: MicrovmMachine): string {
  return machine.metadata?.annotations?.[annotations.identity] || (machine.metadata?.uid ?? "");
}

/** Merge patch that places the machine: finalizer and journal in one write, refused if the object has changed since it was read. */
export function journalPatch(machine: MicrovmMachine, endpoint: string): object {
  return {
    metadata: {
      ...lock(machine),
      finalizers: withFinalizer(machine),
      annotations: { [annotations.host]: endpoint, [annotations.identity]: identityOf(machine) },
    },
  };
}

/** Merge patch that records the microVM. Written once, never changed by us. */
export function providerIdPatch(machine: MicrovmMachine, providerID: string): object {
  return { metadata: lock(machine), spec: { providerID } };
}

/** Merge patch for a machine with a microVM whose finalizer was taken away by hand. */
export function finalizerPatch(machine: MicrovmMachine): object {
  return { metadata: { ...lock(machine), finalizers: withFinalizer(machine) } };
}

/** Merge patch that lets the object go. */
export function releasePatch(machine: MicrovmMachine): object {
  const finalizers = (machine.metadata?.finalizers ?? []).filter((finalizer) => finalizer !== machineFinalizer);
  return { metadata: { ...lock(machine), finalizers } };
}

export function hasFinalizer(machine: MicrovmMachine): boolean {
  return machine.metadata?.finalizers?.includes(machineFinalizer) === true;
}

function withFinalizer(machine: MicrovmMachine): readonly string[] {
  const finalizers = machine.metadata?.finalizers ?? [];
  return finalizers.includes(machineFinalizer) ? finalizers : [...finalizers, machineFinalizer];
}

/** Lists are replaced as a whole by merge patches, and what was decided was decided upon this version. */
function lock(machine: MicrovmMachine): { readonly uid?: string; readonly resourceVersion?: string } {
  const { uid, resourceVersion } = machine.metadata ?? {};
  return { ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }) };
}
