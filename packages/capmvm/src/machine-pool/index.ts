/** MicrovmMachinePools and their reconciler. */
export { machinePoolController } from "./pool-controller.ts";
