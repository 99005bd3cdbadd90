/**
 * Writes to the MicrovmMachine itself (its status is written elsewhere), each upon the very version that was decided upon: a reconciler that works on old
 * news is refused. Merge patches never make an object anew that is gone.
 */
import { isNotFound } from "@liquidmetal/kubernetes";
import { fieldManager, formatProviderId, type MicrovmMachine, microvmMachines } from "../api/index.ts";
import type { MachineScope } from "./dependencies.ts";
import { finalizerPatch, hasFinalizer, journalPatch, providerIdPatch, releasePatch } from "./journal.ts";

/** Finalizer, host and identity, in one write. */
export async function writeJournal(scope: MachineScope, endpoint: string): Promise<MachineScope> {
  return await written(scope, journalPatch(scope.machine, endpoint));
}

export async function recordMicroVm(scope: MachineScope, endpoint: string, uid: string): Promise<MachineScope> {
  return await written(scope, providerIdPatch(scope.machine, formatProviderId({ endpoint, uid })));
}

/** A finalizer that was taken away by hand is put back as long as there is a microVM. */
export async function holdOn(scope: MachineScope): Promise<MachineScope> {
  return hasFinalizer(scope.machine) ? scope : await written(scope, finalizerPatch(scope.machine));
}

/** Nothing of the machine is left: the object may go. */
export async function letGo(scope: MachineScope): Promise<void> {
  if (!hasFinalizer(scope.machine)) return;
  try {
    await written(scope, releasePatch(scope.machine));
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

async function written(scope: MachineScope, patch: object): Promise<MachineScope> {
  const { world, key, signal } = scope;
  const machine: MicrovmMachine = await world.client.mergePatch(microvmMachines, key, patch, { fieldManager, signal });
  world.caches.microvmMachines.learn(machine);
  return { ...scope, machine };
}
