/**
 * Port: a hypervisor driver (QEMU, Firecracker, Cloud Hypervisor, and the fake).
 *
 * Vocabulary. *Prepare* writes what the VMM needs (arguments, configuration files) and touches no process. *Start* spawns the VMM and resolves
 * when it executes the guest; the identity of the process is handed to `onSpawned` — which commits it — before the guest runs a single instruction
 * that could matter (for QEMU: started with `-S`, continued after the commit). *Adopt* finds a VMM again after a restart of the agent.
 *
 * Rules for every driver (the conformance suite holds them to it):
 * 1. `start` twice for one uid never makes two processes: the second fails with PHASE_CONFLICT while the first lives.
 * 2. After a failed `start` no process is left.
 * 3. `stop` resolves only when the process is gone, and succeeds when it was gone before. Graceful escalates to forced at its deadline.
 * 4. `adopt` of a dead process is `gone`; of a process that cannot be proven ours, an error PROCESS_UNVERIFIED.
 * 5. Events arrive in order; `exited` is the last and comes exactly once.
 * 6. No call outlives its deadline or its signal.
 */
import type { PlatformError, Result, Subscription } from "@liquidmetal/foundation";
import type { GuestExit, Made, MadeInterface, MadeVolume, ProcessIdentity } from "../record.ts";
import type { StopMode } from "../steps.ts";

export interface Capabilities {
  readonly name: string;
  /** Version of the VMM's program, as it reports it. */
  readonly version: string;
  readonly accelerator: "kvm" | "tcg" | "none";
  readonly bootSources: readonly ("elf" | "bzimage" | "initrd")[];
  readonly interfaceTypes: readonly ("tap" | "macvtap")[];
  readonly volumeFormats: readonly ("raw" | "qcow2")[];
  readonly metadata: readonly ("nocloud" | "mmds")[];
  readonly vsock: boolean;
  readonly virtiofs: boolean;
  readonly balloon: boolean;
  readonly pause: boolean;
  readonly snapshot: boolean;
  readonly reset: boolean;
  readonly vcpuMax: number;
}

/** Everything a driver needs to know of one microVM: paths and numbers, nothing to look up. */
export interface Machine {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly kernelPath: string;
  readonly initrdPath?: string;
  /** User's kernel arguments; they override the driver's defaults key by key. */
  readonly cmdline: Readonly<Record<string, string>>;
  readonly hasRootVolume: boolean;
  /** Root first. */
  readonly volumes: readonly MadeVolume[];
  /** In the order of the spec. */
  readonly interfaces: readonly MadeInterface[];
  /** NoCloud seed, attached read-only after the volumes. */
  readonly seedPath?: string;
  readonly vsock: boolean;
  /** State directory: console log, VMM log, pid file, configuration. Exists, and belongs to `identity`. */
  readonly directory: string;
  /** Sockets live here; its path is short. Exists, and belongs to `identity`. */
  readonly runDirectory: string;
  /** The VMM runs as this user; absent = as the spawner (tests, development). */
  readonly identity?: { readonly uid: number; readonly gid: number };
  /** cgroup of the VMM below the platform's root; absent = none. */
  readonly cgroupName?: string;
  readonly networkNamespace?: string;
  readonly bootGeneration: number;
  /** Token that the process carries; unique per start. */
  readonly token: string;
}

export interface Prepared {
  readonly machine: Machine;
  /** Program and arguments, for people (`lm vm describe`) and for the bench that runs the same bare. Carries no secrets. */
  readonly commandLine: readonly string[];
  readonly vsockPath?: string;
}

export type HypervisorEvent =
  | { readonly kind: "console"; readonly bytes: Uint8Array }
  /** The guest itself said so: by its agent's port, or a mark on its console. */
  | { readonly kind: "guest-ready"; readonly addresses: readonly string[] }
  | { readonly kind: "paused" }
  | { readonly kind: "resumed" }
  /** The guest rebooted in place. */
  | { readonly kind: "guest-reset" }
  | { readonly kind: "guest-panicked"; readonly message: string }
  | { readonly kind: "exited"; readonly exit: GuestExit };

export interface UsageSample {
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  readonly diskReadBytes: number;
  readonly diskWrittenBytes: number;
  readonly networkReceivedBytes: number;
  readonly networkSentBytes: number;
}

/** A VMM that runs. One handle per process; it is void after `exited`. */
export interface RunningVmm {
  readonly uid: string;
  readonly process: ProcessIdentity;
  readonly bootGeneration: number;
  /** As the VMM last said. */
  state(): "running" | "paused" | "exited";
  /** Events from now on; `exited` is replayed to late subscribers. */
  events(options?: { readonly capacity?: number; readonly signal?: AbortSignal }): Subscription<HypervisorEvent>;
  pause(options?: CallOptions): Promise<Result<void, PlatformError>>;
  resume(options?: CallOptions): Promise<Result<void, PlatformError>>;
  /** Resets the guest in place, like its reset button. CAPABILITY_MISSING where the driver cannot. */
  reset(options?: CallOptions): Promise<Result<void, PlatformError>>;
  stop(mode: StopMode, options?: StopOptions): Promise<Result<void, PlatformError>>;
  /** Writes to the guest's serial console. */
  writeConsole(bytes: Uint8Array): Promise<Result<void, PlatformError>>;
  usage(): Promise<Result<UsageSample, PlatformError>>;
  /** Lets go of sockets without touching the process (agent shutdown). */
  detach(): Promise<void>;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface StopOptions extends CallOptions {
  /** How long a graceful stop may take before it is forced, in milliseconds. Default 10,000. */
  readonly gracefulTimeoutMs?: number;
}

export interface StartOptions extends CallOptions {
  /** Commits the identity of the spawned process. The guest does not run before it has resolved; if it rejects, the process is killed. */
  readonly onSpawned: (process: ProcessIdentity) => Promise<void> | void;
}

export type Adoption = { readonly state: "adopted"; readonly vmm: RunningVmm } | { readonly state: "gone" };

export interface Hypervisor {
  readonly name: string;
  /** Cheap after the first call (the probe of the accelerator is cached by the caller's state directory). */
  capabilities(options?: CallOptions): Promise<Result<Capabilities, PlatformError>>;
  prepare(machine: Machine, options?: CallOptions): Promise<Result<Prepared, PlatformError>>;
  start(prepared: Prepared, options: StartOptions): Promise<Result<RunningVmm, PlatformError>>;
  adopt(machine: Machine, made: Made, options?: CallOptions): Promise<Result<Adoption, PlatformError>>;
}
