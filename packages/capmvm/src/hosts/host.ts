/**
 * What capmvm wants of a flintlock host: the port. Implemented over gRPC by `openHosts`.
 *
 * A host is reached with the access of a cluster (token, TLS, proxy); everything with the same access shares one connection and one Watch stream.
 * Hosts of upstream's flintlock have no Watch and tell no facts: they are polled, each namespace that was asked for.
 */
import type { ErrorCode } from "@liquidmetal/foundation";

export interface HostTls {
  /** PEM, as are `cert` and `key`. */
  readonly ca: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly serverName?: string;
}

export interface HostAccess {
  /** `host:port`; an IPv6 address stands in brackets. */
  readonly endpoint: string;
  readonly token?: string;
  readonly tls?: HostTls;
  /** URL of an HTTP CONNECT proxy. */
  readonly proxy?: string;
  /**
   * On whose behalf, as in `namespace/cluster`. When the same owner asks for the same endpoint with another access (a secret was rotated), the new one
   * takes effect at once and the connection that nobody wants any more is drained and closed. Not part of what makes an access distinct.
   */
  readonly owner?: string;
}

export interface HostResources {
  readonly vcpu: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

export interface HostFacts {
  readonly hostId: string;
  readonly version: string;
  /** OCI platform, as in linux/amd64. */
  readonly platform: string;
  readonly capacity: HostResources;
  readonly allocatable: HostResources;
  readonly allocated: HostResources;
  readonly labels: Readonly<Record<string, string>>;
  readonly features: Readonly<Record<string, boolean>>;
  readonly providers: readonly {
    readonly name: string;
    readonly capabilities: readonly string[];
    readonly unavailableReason?: string;
  }[];
  readonly defaultProvider: string;
}

export interface HostHealth {
  readonly state: "unknown" | "reachable" | "unreachable" | "refused";
  /** Milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Why it is not reachable or refused us; empty when reachable. */
  readonly message: string;
  /** Class of the failure: HOST_UNREACHABLE (network, name, proxy, certificate of the host), HOST_REFUSED (our token or certificate). */
  readonly code?: ErrorCode;
}

/** A microVM as its host tells of it. */
export interface HostMicroVm {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly state: "pending" | "created" | "failed" | "deleting" | "unknown";
  /** Of hosts that tell: whether the guest has said that it is ready. */
  readonly guestReady?: boolean;
  /** Of hosts that tell: running, stopped, …; a created microVM whose process is gone is not running. */
  readonly phase?: string;
  /** Why it failed or is not ready, for people. */
  readonly reason?: string;
  readonly message?: string;
  readonly addresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Of metadata "meta-data", decoded: identity of whom it was made for; undefined = made by somebody else. */
  readonly identity?: string;
}

export type HostChange =
  | { readonly type: "microvm"; readonly endpoint: string; readonly microVm: HostMicroVm }
  | { readonly type: "microvm-deleted"; readonly endpoint: string; readonly microVm: HostMicroVm }
  | { readonly type: "health"; readonly endpoint: string; readonly health: HostHealth }
  | { readonly type: "facts"; readonly endpoint: string };

/** The fields of flintlock's MicroVMSpec that we send; `metadata` values are raw text here, encoded on the wire. */
export interface MicroVmRequest {
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly provider?: string;
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly kernel: {
    readonly image: string;
    readonly filename: string;
    readonly cmdline: Readonly<Record<string, string>>;
  };
  readonly initrd?: { readonly image: string; readonly filename?: string };
  readonly rootVolume: MicroVmVolume;
  readonly additionalVolumes: readonly MicroVmVolume[];
  readonly interfaces: readonly {
    readonly device: string;
    readonly type: "macvtap" | "tap";
    readonly mac: string;
    readonly address?: string;
    readonly gateway?: string;
    readonly nameservers?: readonly string[];
    readonly bridge?: string;
  }[];
  /** `machine_identity` is added to meta-data when it is not there. */
  readonly metadata: Readonly<Record<"user-data" | "vendor-data" | "meta-data", string>>;
  /** Gives the guest a vsock for its agent. Upstream refuses it where the hypervisor has none. Default false. */
  readonly guestAgent?: boolean;
}

export interface MicroVmVolume {
  readonly id: string;
  readonly image?: string;
  readonly readOnly: boolean;
  readonly mountPoint?: string;
  readonly virtiofsPath?: string;
  readonly sizeMiB?: number;
}

/**
 * Every call throws `PlatformError` and has a deadline of 30 s. Codes, beside what the host itself says (CAPACITY_EXCEEDED, SPEC_INVALID,
 * IMAGE_NOT_FOUND, MICROVM_EXISTS, MICROVM_DELETING, CAPABILITY_MISSING, PROVIDER_UNKNOWN, QUEUE_FULL, …):
 *
 * | code | meaning | what to do |
 * |---|---|---|
 * | HOST_UNREACHABLE | no connection; for `create`: nothing was sent | wait for the health event, or try again later |
 * | HOST_REFUSED | our token or certificate is refused | wait for the secret to change |
 * | CREATE_UNCERTAIN | `create` only: the answer did not come; the host may have a microVM | `list` by namespace and name before the next create |
 * | DEADLINE_EXCEEDED | other calls: no answer in time | try again |
 * | CANCELLED | the caller's own signal | – |
 */
export interface Host {
  readonly endpoint: string;
  health(): HostHealth;
  /** Undefined until told, and for hosts that do not tell. */
  facts(): HostFacts | undefined;
  /** From the watch, once it is synced; undefined = not known here (ask `get`). */
  known(uid: string): HostMicroVm | undefined;
  /** The same by name. Before a create ask `list`: only the host itself can say that there is none. */
  knownByName(namespace: string, name: string): readonly HostMicroVm[];
  /** Whether what is known here is what the host has now; false while it cannot be reached. */
  readonly synced: boolean;
  create(request: MicroVmRequest, options?: { readonly signal?: AbortSignal }): Promise<HostMicroVm>;
  /** Undefined = the host says that there is none (code or text "not found"). */
  get(uid: string, options?: { readonly signal?: AbortSignal }): Promise<HostMicroVm | undefined>;
  list(namespace: string, name?: string, options?: { readonly signal?: AbortSignal }): Promise<readonly HostMicroVm[]>;
  /** Deleting what is gone succeeds. */
  delete(uid: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
}

export interface Hosts extends AsyncDisposable {
  /**
   * Opens or shares a connection; asking is cheap, so ask whenever you need the host. It is let go when nobody asked for ten minutes and no microVM with
   * an identity is known there: as long as there is something to watch, it is watched.
   */
  host(access: HostAccess): Host;
  /** This owner needs no host any more; connections that nobody else asked for are closed. */
  release(owner: string): void;
  /** Every host that is connected now. */
  list(): readonly Host[];
  onChange(listener: (change: HostChange) => void): Disposable;
}
