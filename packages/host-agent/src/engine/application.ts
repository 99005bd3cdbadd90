/**
 * The use cases of the host agent: what every front (gRPC, HTTP, later others) calls. The engine implements it; nothing here knows a wire.
 *
 * Reads answer from memory. Writes answer once they are durable; the work happens afterwards and is seen by `watch` or `get`.
 */
import type { PlatformError, Result, Subscription } from "@liquidmetal/foundation";
import type {
  Capabilities,
  DesiredState,
  EventRecord,
  MicroVmRecord,
  MicroVmSpec,
  NetworkFeatures,
} from "@liquidmetal/microvm";

export interface Application {
  /**
   * Accepts a checked and completed spec. The same namespace, name and spec again returns the microVM that is there;
   * another spec is MICROVM_EXISTS naming the first difference, one that is being deleted MICROVM_DELETING.
   * Other errors: CAPACITY_EXCEEDED, PROVIDER_UNKNOWN, CAPABILITY_MISSING, ADDRESS_TAKEN, BRIDGE_MISSING, METADATA_INVALID, QUEUE_FULL, DISK_FULL.
   */
  create(spec: MicroVmSpec): Promise<Result<MicroVmRecord, PlatformError>>;
  /** MICROVM_NOT_FOUND when there is none (its text contains "not found": upstream's clients look for it). */
  get(uid: string): Result<MicroVmRecord, PlatformError>;
  /** Sorted by namespace, name. Empty namespace = all. */
  list(filter: { readonly namespace?: string; readonly name?: string }): readonly MicroVmRecord[];
  /** Asks for deletion; pre-empts whatever is in progress. MICROVM_NOT_FOUND when it is gone. */
  delete(uid: string): Promise<Result<MicroVmRecord, PlatformError>>;
  /** Start (`running`), stop (`stopped`), pause (`paused`). `force`: power off without asking the guest. A word from the user also ends a back-off. */
  setDesired(
    uid: string,
    desired: Exclude<DesiredState, "deleted">,
    options?: { readonly force?: boolean },
  ): Promise<Result<MicroVmRecord, PlatformError>>;
  reboot(uid: string, options?: { readonly force?: boolean }): Promise<Result<MicroVmRecord, PlatformError>>;

  /** Changes from now on (listen first, then list, to miss nothing). */
  changes(options?: { readonly capacity?: number; readonly signal?: AbortSignal }): Subscription<Change>;
  /** Events kept; oldest first. */
  events(filter: {
    readonly uid?: string;
    readonly afterPosition?: number;
    readonly limit?: number;
  }): readonly EventRecord[];
  positions(): { readonly first: number; readonly last: number };

  /** The console of a running microVM: its output from now on, and a way to write. PHASE_CONFLICT when no guest runs. */
  console(uid: string): Result<ConsoleAccess, PlatformError>;
  /** Files that hold what the console and the VMM printed, oldest first; they may not exist (yet). */
  logFiles(uid: string, source: "console" | "vmm"): Result<readonly string[], PlatformError>;

  host(): Promise<HostFacts>;
  /** Liveness by progress: false when a piece of work is stuck far beyond its deadline. */
  healthy(): boolean;
}

export interface Change {
  readonly kind: "changed" | "deleted";
  readonly position: number;
  readonly record: MicroVmRecord;
  readonly event?: EventRecord;
}

export interface ConsoleAccess {
  output(signal: AbortSignal): AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<Result<void, PlatformError>>;
}

export interface ResourceAmounts {
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly diskBytes: number;
}

export interface HostFacts {
  readonly name: string;
  readonly version: string;
  readonly hostId: string;
  readonly operatingSystem: string;
  readonly kernelVersion: string;
  readonly platform: string;
  readonly capacity: ResourceAmounts;
  readonly allocatable: ResourceAmounts;
  readonly allocated: ResourceAmounts;
  readonly hypervisors: readonly {
    readonly name: string;
    readonly capabilities?: Capabilities;
    readonly unavailableReason?: string;
  }[];
  readonly defaultProvider: string;
  readonly features: Readonly<Record<string, boolean>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly network: NetworkFeatures;
  readonly networkNamespace?: string;
  readonly microVms: number;
  readonly startedAtMs: number;
  readonly containerdVersion?: string;
}
