/** MicrovmMachineTemplates: what a Node of them will have. */
export { machineTemplateController } from "./template-controller.ts";
