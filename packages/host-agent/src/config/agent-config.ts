/** The configuration of the host agent after flags, environment, file and defaults are merged and checked. Immutable. */
import type { RestartPolicy } from "@liquidmetal/microvm";
import type { ListenAddress } from "./listen-address.ts";

export interface AgentConfig {
  readonly api: ApiConfig;
  readonly log: LogConfig;
  /** Marks devices, cgroups and rules of this agent; empty = derived from the state directory's identity. */
  readonly platformName: string;
  /** State root; upstream's layout below it. */
  readonly stateDir: string;
  /** Sockets of microVMs; short, because a socket's path has at most 107 bytes. */
  readonly runDir: string;
  readonly containerd: ContainerdConfig;
  readonly hypervisors: HypervisorConfig;
  readonly network: NetworkConfig;
  readonly volumes: VolumeConfig;
  readonly engine: EngineConfig;
  readonly capacity: CapacityConfig;
  /** Labels of this host, for schedulers. */
  readonly labels: Readonly<Record<string, string>>;
  /** Metrics and profiling, plain HTTP; absent = off. */
  readonly debugEndpoint?: ListenAddress;
}

export interface ApiConfig {
  /** False: no API at all (upstream's hidden switch, for debugging). */
  readonly enabled: boolean;
  /** gRPC listeners: TCP and Unix. */
  readonly grpc: readonly ListenAddress[];
  /** HTTP/JSON gateway; absent = off. */
  readonly http?: ListenAddress;
  /** Absent = plain text. */
  readonly tls?: TlsConfig;
  /** Plain text was asked for in so many words. */
  readonly insecure: boolean;
  /** Absent = no token needed. A secret. */
  readonly token?: string;
  readonly reflection: boolean;
  /** Largest message accepted over gRPC. */
  readonly messageLimitBytes: number;
  /** Largest body accepted over HTTP. */
  readonly bodyLimitBytes: number;
  /** A silent connection is asked whether it lives after this long. */
  readonly keepaliveMs: number;
  /** How long open calls may take to end when the agent stops. */
  readonly stopTimeoutMs: number;
  /** Decoded size of all metadata of one microVM. */
  readonly metadataLimitBytes: number;
}

export interface TlsConfig {
  readonly certPath: string;
  readonly keyPath: string;
  /** Present = clients must show a certificate signed by it. */
  readonly clientCaPath?: string;
}

export interface LogConfig {
  readonly level: "trace" | "debug" | "info" | "warn" | "error";
  readonly format: "text" | "json";
  /** `stdout`, `stderr` or the path of a file. */
  readonly output: string;
}

export interface ContainerdConfig {
  readonly socket: string;
  readonly namespace: string;
  /** Snapshotter of kernel and initrd images. */
  readonly kernelSnapshotter: string;
  /** Snapshotter of volume images; empty = the volume store's choice. */
  readonly snapshotter: string;
  /** Directory of per-registry `hosts.toml` files (mirrors, CAs); empty = none. */
  readonly registryHostsDir: string;
  /** Docker-style `config.json` with registry credentials; empty = none. */
  readonly registryAuthFile: string;
}

export type ProviderChoice = "auto" | "qemu" | "firecracker" | "cloudhypervisor";

export interface HypervisorConfig {
  /** `auto`: the first one that this version drives. */
  readonly defaultProvider: ProviderChoice;
  /** Programs; empty = provider off. */
  readonly qemuBin: string;
  readonly firecrackerBin: string;
  readonly firecrackerDetach: boolean;
  readonly cloudHypervisorBin: string;
  readonly cloudHypervisorDetach: boolean;
  readonly virtiofsBin: string;
}

export interface NetworkConfig {
  /** `embedded`: a bridge, DHCP, DNS and NAT of our own. `bridge`: what the host has. `none`: microVMs with interfaces are refused. */
  readonly mode: "embedded" | "bridge" | "none";
  readonly bridgeName: string;
  readonly parentInterface: string;
  /** CIDR of the embedded network; empty = a free one is chosen. */
  readonly subnet: string;
  /** CIDRs from which every guest may send beside its own addresses: the pods of clusters without encapsulation. */
  readonly sharedNetworks: readonly string[];
  /** Addresses at the end of the embedded subnet that guests share; at most half of the subnet. */
  readonly floatingAddresses: number;
  /** `cluster`: guests of one cluster do not meet those of another, nor those of none, between taps of this host. */
  readonly isolation: "cluster" | "none";
  /** May guests reach the outside? */
  readonly egress: "allow" | "deny";
  /** Network namespace in which all of it lives; empty = the host's own. */
  readonly namespace: string;
}

export type VolumeStoreChoice = "auto" | "qcow2" | "reflink" | "copy" | "snapshotter";

export interface VolumeConfig {
  readonly store: VolumeStoreChoice;
  /** Directories below which virtiofs sources may lie; empty = virtiofs is refused. */
  readonly virtiofsRoots: readonly string[];
}

export interface EngineConfig {
  readonly resyncPeriodMs: number;
  /** How long a guest may take to power off before it is forced. */
  readonly deleteTimeoutMs: number;
  readonly reconcile: boolean;
  readonly maximumRetry: number;
  /** microVMs worked on at once. */
  readonly concurrency: number;
  readonly restartPolicy: RestartPolicy;
}

export interface CapacityConfig {
  /** Promised over real. */
  readonly overcommitVcpu: number;
  readonly overcommitMemory: number;
  readonly overcommitDisk: number;
  /** Kept for the host itself. */
  readonly reserveVcpu: number;
  readonly reserveMemoryMiB: number;
  readonly reserveDiskBytes: number;
}
