/** What the engine is made of: the ports it works through, and the numbers that bound it. `main.ts` wires real adapters, tests a fake world. */
import type { BackoffOptions, Clock, Entropy } from "@liquidmetal/foundation";
import type {
  BlockStore,
  FileStore,
  GuestMetadata,
  HostNetwork,
  Hypervisor,
  ImageStore,
  Journal,
  RestartPolicy,
  Spawner,
  StepKind,
} from "@liquidmetal/microvm";
import type { Logger } from "../observability/logger.ts";
import type { EngineMetrics } from "../observability/metrics.ts";
import type { ResourceAmounts } from "./application.ts";
import type { Failpoints } from "./failpoints.ts";
import type { HostDirectories } from "./host-directories.ts";
import type { SharedFolders } from "./shared-folders.ts";

export interface EngineDependencies {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly journal: Journal;
  /** Drivers by name; at least one. */
  readonly hypervisors: ReadonlyMap<string, Hypervisor>;
  readonly images: ImageStore;
  readonly files: FileStore;
  /** Best first: the first one makes new volumes, the one named in a record releases them. At least one. */
  readonly blockStores: readonly BlockStore[];
  /** virtiofs volumes; absent = CAPABILITY_MISSING for specs that have one. */
  readonly sharedFolders?: SharedFolders;
  readonly network: HostNetwork;
  readonly metadata: GuestMetadata;
  readonly spawner: Pick<Spawner, "signal" | "verdict" | "exited" | "findByTokenPrefix" | "removeCgroup">;
  readonly directories: HostDirectories;
  readonly host: HostDescription;
  readonly logger: Logger;
  readonly metrics: EngineMetrics;
  readonly failpoints?: Failpoints;
  readonly config: EngineConfig;
}

/** What stays true of the host while the agent runs. */
export interface HostDescription {
  readonly name: string;
  readonly version: string;
  /** Stable identity of the state directory; its first eight characters mark our processes. */
  readonly hostId: string;
  /** Boot id of the kernel, to tell a reboot of the host from a crash of a guest. */
  readonly bootId: string;
  readonly operatingSystem: string;
  readonly kernelVersion: string;
  /** OCI platform, for example `linux/amd64`. */
  readonly platform: string;
  /** Physical vCPUs and memory; the disk's size is asked of the block store. */
  readonly capacity: Omit<ResourceAmounts, "diskBytes">;
  readonly features: Readonly<Record<string, boolean>>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface EngineConfig {
  /** Absolute; microVMs live in `<stateDir>/vm/<namespace>/<name>/<uid>`. */
  readonly stateDir: string;
  /** Absolute and short; sockets live in `<runDir>/<uid>`. */
  readonly runDir: string;
  readonly defaultProvider: string;
  readonly defaultRestartPolicy: RestartPolicy;
  /** False = requests are accepted and kept, and nothing is done about them. */
  readonly reconcile: boolean;
  /** Steps done at once: so many that wait for images and volumes, and so many others. */
  readonly concurrency: number;
  /** Creates that may wait for admission; more are refused with QUEUE_FULL. */
  readonly acceptingMax: number;
  /** vCPUs promised per real one, and memory promised per real MiB. */
  readonly overcommit: { readonly vcpu: number; readonly memory: number };
  /** Memory that no guest gets, MiB: the host's own. */
  readonly reservedMemoryMiB: number;
  /** User ids for VMMs, one each; absent = all run as the agent's own user. */
  readonly vmmUserIds?: { readonly first: number; readonly count: number };
  /** Parent cgroup of VMMs, below the platform's root; absent = none. */
  readonly cgroupParent?: string;
  readonly retry: RetryConfig;
  /** Longest time a step may take, milliseconds. */
  readonly stepTimeoutMs: Readonly<Record<StepKind, number>>;
  /** How long a guest is asked to power off before it is forced, milliseconds. */
  readonly gracefulStopMs: number;
  /** Everything is looked at again this often, milliseconds. */
  readonly resyncMs: number;
}

export interface RetryConfig {
  readonly backoff: BackoffOptions;
  /** Pause after a failure that a retry alone will not mend, milliseconds. */
  readonly slowMs: number;
  /** Failures in a row after which the phase says `failed` (the retries go on). */
  readonly failedAfterAttempts: number;
  /** A guest that ran this long has recovered: its failures are forgotten. Milliseconds. */
  readonly stableAfterMs: number;
}

const minute = 60_000;

/** Everything but the directories has a default. */
export const defaultEngineConfig: Omit<EngineConfig, "stateDir" | "runDir" | "defaultProvider"> = {
  defaultRestartPolicy: "on-failure",
  reconcile: true,
  concurrency: 32,
  acceptingMax: 1_024,
  overcommit: { vcpu: 8, memory: 1 },
  reservedMemoryMiB: 512,
  retry: {
    backoff: { baseMs: 1_000, capMs: 5 * minute },
    slowMs: 5 * minute,
    failedAfterAttempts: 10,
    stableAfterMs: minute,
  },
  stepTimeoutMs: {
    "create-directory": 10_000,
    "fetch-kernel": 15 * minute,
    "fetch-initrd": 15 * minute,
    "create-volume": 15 * minute,
    "create-interface": 30_000,
    "write-seed": 30_000,
    "start-vmm": minute,
    "pause-vmm": 30_000,
    "resume-vmm": 30_000,
    "stop-vmm": minute,
    "release-interface": 30_000,
    "release-volume": 2 * minute,
    "release-images": minute,
    "delete-directory": minute,
    forget: 10_000,
  },
  gracefulStopMs: 20_000,
  resyncMs: 10 * minute,
};
