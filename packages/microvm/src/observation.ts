/** What the world looks like now, for one microVM, as far as its plan needs to know. Made by the agent, read by `plan()`. */
export interface Observation {
  readonly directory: boolean;
  readonly kernel: boolean;
  readonly initrd: boolean;
  /** Volume ids whose device, file or virtiofsd is there. */
  readonly volumes: ReadonlySet<string>;
  /** Device ids whose host device is there and ours. */
  readonly interfaces: ReadonlySet<string>;
  readonly seed: boolean;
  readonly vmm: VmmObservation;
}

/**
 * - `absent`: no process of ours.
 * - `running` / `paused`: a process that is provably ours, and its state.
 * - `unverifiable`: a process that may be ours and cannot be proven to be; nothing is done to it, nothing is started beside it.
 */
export type VmmObservation =
  | { readonly state: "absent" }
  | { readonly state: "running" | "paused"; readonly bootGeneration: number }
  | { readonly state: "unverifiable"; readonly why: string };
