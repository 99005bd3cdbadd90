/**
 * Steps are values: what the plan hands to the table of executors.
 *
 * Every step is idempotent: done twice it leaves the same world. Names follow what they make.
 */
export type Step =
  | { readonly kind: "create-directory" }
  | { readonly kind: "fetch-kernel" }
  | { readonly kind: "fetch-initrd" }
  | { readonly kind: "create-volume"; readonly volumeId: string }
  | { readonly kind: "create-interface"; readonly deviceId: string }
  | { readonly kind: "write-seed" }
  | { readonly kind: "start-vmm" }
  | { readonly kind: "pause-vmm" }
  | { readonly kind: "resume-vmm" }
  | { readonly kind: "stop-vmm"; readonly mode: StopMode }
  | { readonly kind: "release-interface"; readonly deviceId: string }
  | { readonly kind: "release-volume"; readonly volumeId: string }
  | { readonly kind: "release-images" }
  | { readonly kind: "delete-directory" }
  | { readonly kind: "forget" };

export type StepKind = Step["kind"];

/** `graceful`: ask the guest, then force at the deadline. `forced`: at once. */
export type StopMode = "graceful" | "forced";
