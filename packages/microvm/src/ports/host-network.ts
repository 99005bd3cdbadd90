/**
 * Port: network devices on the host, and the addresses of guests.
 *
 * Names are deterministic (derived from uid and device id) and at most 15 bytes. A device is ours when its alias says so
 * (`liquidmetal:<platform>:<uid>/<deviceId>`); a device of the same name without it belongs to someone else: NETWORK_DEVICE_TAKEN, never touched.
 */
import type { PlatformError, Result } from "@liquidmetal/foundation";
import type { MadeInterface } from "../record.ts";
import type { NetworkInterface } from "../spec.ts";

export interface NetworkCallOptions {
  readonly signal?: AbortSignal;
}

export interface InterfaceRequest {
  readonly uid: string;
  readonly interface: NetworkInterface;
  /** User that may open the tap without being root. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** `<name>.<namespace>` of the microVM: in the embedded network it resolves, with the domain after it. Absent = no name. */
  readonly hostName?: string;
  /** Where the host isolates groups, the guest meets guests of the same group only. Absent = those without a group. */
  readonly isolationGroup?: string;
}

export interface HostNetwork {
  /** Network namespace in which devices live and VMMs must run; absent = the host's own. */
  readonly networkNamespace?: string;
  /** Makes sure that the embedded network (bridge, DHCP, DNS, NAT) is there and as configured, where one is configured. Idempotent. */
  ensureEmbedded(options?: NetworkCallOptions): Promise<Result<void, PlatformError>>;
  /**
   * Chooses names, MAC and addresses and makes nothing: what it returns is committed before `create`.
   * Errors: BRIDGE_MISSING, CAPABILITY_MISSING (macvtap without kernel support), ADDRESS_EXHAUSTED, ADDRESS_TAKEN.
   */
  allocate(request: InterfaceRequest, options?: NetworkCallOptions): Promise<Result<MadeInterface, PlatformError>>;
  /** Tells, at start, of what records hold: addresses that are taken, and which group the guest is in. */
  reserve(uid: string, made: MadeInterface, isolationGroup?: string): void;
  /** Makes the device, attaches it, sets anti-spoofing and the DHCP reservation. Returns it with its index and MAC. Idempotent. */
  create(
    request: InterfaceRequest,
    made: MadeInterface,
    options?: NetworkCallOptions,
  ): Promise<Result<MadeInterface, PlatformError>>;
  exists(uid: string, made: MadeInterface): Promise<boolean>;
  /** Removes the device, its filter rules and reservation, and frees its addresses. Succeeds when it is gone; leaves foreign devices alone. */
  release(uid: string, made: MadeInterface, options?: NetworkCallOptions): Promise<Result<void, PlatformError>>;
  /** Every device of this platform on the host: for the orphan sweep. */
  list(options?: NetworkCallOptions): Promise<Result<readonly OwnedDevice[], PlatformError>>;
  removeDevice(device: OwnedDevice, options?: NetworkCallOptions): Promise<Result<void, PlatformError>>;
  /** What this host can do. */
  features(): Promise<NetworkFeatures>;
  /** Takes down the embedded network: bridge, DHCP, rules, namespace if it was made by us. */
  removeEmbedded(options?: NetworkCallOptions): Promise<Result<void, PlatformError>>;
  close(): Promise<void>;
}

export interface OwnedDevice {
  readonly name: string;
  readonly uid: string;
  readonly deviceId: string;
}

export interface NetworkFeatures {
  readonly tap: boolean;
  readonly macvtap: boolean;
  readonly bridge: boolean;
  readonly nftables: boolean;
  readonly dnsmasq: boolean;
  /** Subnet of the embedded network, CIDR; absent = none. */
  readonly subnet?: string;
  readonly bridgeName?: string;
}
