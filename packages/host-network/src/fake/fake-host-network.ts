/**
 * A host network in memory: passes the same conformance suite as the real one.
 *
 * `FakeHost` is the host: it outlives the network, as a kernel outlives the agent, so that tests can restart the one over the other.
 */
import { attempt, PlatformError, type Result } from "@liquidmetal/foundation";
import type {
  HostNetwork,
  InterfaceRequest,
  MadeInterface,
  NetworkCallOptions,
  NetworkFeatures,
  OwnedDevice,
} from "@liquidmetal/microvm";
import { aliasOf, checkPlatform, ownedDevice } from "../device-identity.ts";
import { InterfaceAllocation } from "../interface-allocation.ts";
import { parseSubnet, type Subnet } from "../ip-address.ts";

/** What the kernel knows: bridges, and devices with their aliases. */
export class FakeHost {
  readonly bridges: Set<string> = new Set();
  readonly devices: Map<string, { readonly index: number; readonly alias: string }> = new Map();
  #index = 2;

  add(name: string, alias: string): number {
    const index = this.#index++;
    this.devices.set(name, { index, alias });
    return index;
  }
}

export interface FakeHostNetworkOptions {
  readonly platform?: string;
  readonly host?: FakeHost;
  /** Default bridge; made by the fake. Default `lmbr0`. */
  readonly bridgeName?: string;
  /** Subnet of the embedded network, CIDR; `null` = a bridge without one. Default 172.30.0.0/24. */
  readonly subnet?: string | null;
  readonly macvtap?: boolean;
  readonly networkNamespace?: string;
  /** Called before each side effect; throw a PlatformError to make it fail, or await to make it slow. */
  readonly onCall?: (
    call: "ensureEmbedded" | "create" | "release" | "list",
    deviceName: string,
  ) => Promise<void> | void;
}

export class FakeHostNetwork implements HostNetwork {
  readonly networkNamespace?: string;
  readonly host: FakeHost;
  readonly #options: FakeHostNetworkOptions;
  readonly #platform: string;
  readonly #bridge: string;
  readonly #subnet: Subnet | undefined;
  readonly #allocation: InterfaceAllocation;

  constructor(options: FakeHostNetworkOptions = {}) {
    const { platform = "fake", host = new FakeHost(), bridgeName = "lmbr0", subnet = "172.30.0.0/24" } = options;
    if (options.networkNamespace !== undefined) this.networkNamespace = options.networkNamespace;
    this.host = host;
    this.#options = options;
    this.#platform = checkPlatform(platform);
    this.#bridge = bridgeName;
    this.#subnet = subnet === null ? undefined : parseSubnet(subnet);
    this.#allocation = new InterfaceAllocation({
      platform,
      defaultBridge: bridgeName,
      embeddedBridge: this.#subnet === undefined ? undefined : bridgeName,
      parentInterface: options.macvtap === true ? "eth0" : undefined,
    });
    this.#allocation.embeddedSubnet = this.#subnet;
    host.bridges.add(bridgeName);
  }

  ensureEmbedded(options: NetworkCallOptions = {}): Promise<Result<void, PlatformError>> {
    return this.#act(options, "ensureEmbedded", "", () => {
      this.host.bridges.add(this.#bridge);
    });
  }

  allocate(request: InterfaceRequest, options: NetworkCallOptions = {}): Promise<Result<MadeInterface, PlatformError>> {
    return attempt(async () => {
      options.signal?.throwIfAborted();
      const attachTo = this.#allocation.attachment(request);
      if (request.interface.type === "tap" && !this.host.bridges.has(attachTo)) throw bridgeMissing(attachTo);
      return this.#allocation.choose(request, attachTo);
    });
  }

  reserve(uid: string, made: MadeInterface): void {
    this.#allocation.reserve(uid, made);
  }

  create(
    request: InterfaceRequest,
    made: MadeInterface,
    options: NetworkCallOptions = {},
  ): Promise<Result<MadeInterface, PlatformError>> {
    return this.#act(options, "create", made.hostDevice, () => {
      const alias = aliasOf(this.#platform, request.uid, made.deviceId);
      const there = this.host.devices.get(made.hostDevice);
      if (there !== undefined && there.alias !== alias) {
        throw new PlatformError("NETWORK_DEVICE_TAKEN", `device ${made.hostDevice} exists and belongs to someone else`);
      }
      if (made.type === "tap" && !this.host.bridges.has(made.bridge)) throw bridgeMissing(made.bridge);
      const hostIndex = there?.index ?? this.host.add(made.hostDevice, alias);
      return { ...made, hostIndex, hostMac: made.guestMac.toUpperCase() };
    });
  }

  async exists(uid: string, made: MadeInterface): Promise<boolean> {
    return this.host.devices.get(made.hostDevice)?.alias === aliasOf(this.#platform, uid, made.deviceId);
  }

  release(uid: string, made: MadeInterface, options: NetworkCallOptions = {}): Promise<Result<void, PlatformError>> {
    return this.#act(options, "release", made.hostDevice, () => {
      this.#remove({ name: made.hostDevice, uid, deviceId: made.deviceId });
    });
  }

  list(options: NetworkCallOptions = {}): Promise<Result<readonly OwnedDevice[], PlatformError>> {
    return this.#act(options, "list", "", () =>
      [...this.host.devices]
        .map(([name, { alias }]) => ownedDevice(this.#platform, name, alias))
        .filter((device) => device !== undefined),
    );
  }

  removeDevice(device: OwnedDevice, options: NetworkCallOptions = {}): Promise<Result<void, PlatformError>> {
    return this.#act(options, "release", device.name, () => this.#remove(device));
  }

  async features(): Promise<NetworkFeatures> {
    const { subnet = "172.30.0.0/24", macvtap = false } = this.#options;
    const embedded = this.#subnet !== undefined;
    return {
      tap: true,
      macvtap,
      bridge: true,
      nftables: embedded,
      dnsmasq: embedded,
      bridgeName: this.#bridge,
      ...(subnet === null ? {} : { subnet }),
    };
  }

  removeEmbedded(options: NetworkCallOptions = {}): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      options.signal?.throwIfAborted();
      this.host.bridges.delete(this.#bridge);
    });
  }

  async close(): Promise<void> {}

  #remove({ name, uid, deviceId }: OwnedDevice): void {
    if (this.host.devices.get(name)?.alias === aliasOf(this.#platform, uid, deviceId)) this.host.devices.delete(name);
    this.#allocation.release(uid, deviceId);
  }

  #act<T>(
    options: NetworkCallOptions,
    call: Parameters<NonNullable<FakeHostNetworkOptions["onCall"]>>[0],
    deviceName: string,
    effect: () => T,
  ): Promise<Result<T, PlatformError>> {
    return attempt(async () => {
      options.signal?.throwIfAborted();
      await this.#options.onCall?.(call, deviceName);
      return effect();
    });
  }
}

function bridgeMissing(name: string): PlatformError {
  return new PlatformError("BRIDGE_MISSING", `bridge ${name} does not exist`);
}
