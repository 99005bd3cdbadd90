/** The domain: what a microVM is, how it lives, what is missing (plan), and the ports through which it is made. Pure. */
export {
  type AddressDraft,
  type InitrdDraft,
  type InterfaceDraft,
  type KernelDraft,
  type SpecDraft,
  specDefaults,
  type VolumeDraft,
} from "./defaults.ts";
export type { Observation, VmmObservation } from "./observation.ts";
export { canTransition, type Phase, phases, transitions, type WireState, wireState } from "./phases.ts";
export { plan } from "./plan.ts";
export type * from "./ports/guest-metadata.ts";
export type * from "./ports/host-network.ts";
export type * from "./ports/hypervisor.ts";
export type * from "./ports/images.ts";
export type * from "./ports/journal.ts";
export type * from "./ports/spawner.ts";
export type {
  DesiredState,
  GuestExit,
  GuestState,
  Made,
  MadeFile,
  MadeInterface,
  MadeVolume,
  MicroVmRecord,
  ProcessIdentity,
  RestartPolicy,
  RetryState,
} from "./record.ts";
export {
  type Initrd,
  type InterfaceType,
  type Kernel,
  type MicroVmSpec,
  type NetworkInterface,
  type StaticAddress,
  type Volume,
  type VolumeSource,
  volumesOf,
} from "./spec.ts";
export type { Step, StepKind, StopMode } from "./steps.ts";
export { type SpecLimits, specBounds, validateSpec } from "./validation.ts";
export { ipVersion, isCidr } from "./validation-addresses.ts";
export { imageReferenceProblem } from "./validation-images.ts";
