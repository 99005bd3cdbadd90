/** MicrovmMachineTemplates: what a Node of them will have. */
export { machineTemplateController, type TemplateDependencies } from "./template-controller.ts";
