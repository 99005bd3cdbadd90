/** MicrovmMachinePools and their reconciler. */
export { machinePoolController } from "./pool-controller.ts";
export type { MachinePoolCaches, MachinePoolDependencies, MachinePoolEvents } from "./pool-dependencies.ts";
