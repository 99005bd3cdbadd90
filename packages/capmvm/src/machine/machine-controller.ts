/** The controller of MicrovmMachines, ready to be run. */
import { type ControllerOptions, watchFilter } from "@liquidmetal/kubernetes";
import { type MicrovmMachine, microvmMachines } from "../api/index.ts";
import type { MachineDependencies, MachineWorld } from "./dependencies.ts";
import { journalOf } from "./journal.ts";
import { MachineKnowledge } from "./machine-knowledge.ts";
import { Occupancy } from "./occupancy.ts";
import { placementWith, resourcesOf } from "./placement.ts";
import { reconcileMachine } from "./reconcile.ts";
import { wakeUps } from "./wake-ups.ts";

const concurrencyDefault = 10;

export function machineController(dependencies: MachineDependencies): ControllerOptions<MicrovmMachine> {
  const world = machineWorld(dependencies);
  let recalled = false;
  return {
    name: "microvmmachine",
    resource: microvmMachines,
    cache: dependencies.caches.microvmMachines,
    triggers: wakeUps(world),
    concurrency: dependencies.concurrency ?? concurrencyDefault,
    accepts: watchFilter(dependencies.watchFilter ?? ""),
    reconcile: async (key, context) => {
      if (!recalled) {
        recallPromises(world);
        recalled = true;
      }
      return await reconcileMachine(world, key, context);
    },
  };
}

export function machineWorld(dependencies: MachineDependencies): MachineWorld {
  const knowledge = new MachineKnowledge(dependencies.clock);
  const occupancy = new Occupancy();
  return { ...dependencies, knowledge, occupancy, choosePlacement: placementWith(knowledge, occupancy) };
}

/** What earlier lives have promised to hosts and not seen made stands in the journals. Before the first choice of this life, once. */
function recallPromises({ caches, knowledge }: MachineWorld): void {
  for (const machine of caches.microvmMachines.list()) {
    const journal = journalOf(machine);
    const uid = machine.metadata?.uid ?? "";
    if (journal === undefined || (machine.spec.providerID ?? "") !== "" || knowledge.journal(uid) !== undefined)
      continue;
    knowledge.promised({ owner: uid, hostId: journal.endpoint, resources: resourcesOf(machine) });
  }
}
