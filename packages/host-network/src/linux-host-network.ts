/**
 * The host's network by iproute2, nftables and dnsmasq: the adapter of the `HostNetwork` port.
 *
 * Two ways. *Embedded*: a bridge of our own with addresses, DHCP and DNS. *Bridge*: a bridge that the user runs (upstream's `--bridge-name`); there are only
 * taps, and addresses are the user's business. An interface may name another bridge than the default in both.
 */
import { attempt, type Clock, PlatformError, type Result } from "@liquidmetal/foundation";
import type {
  HostNetwork,
  InterfaceRequest,
  MadeInterface,
  NetworkCallOptions,
  NetworkFeatures,
  OwnedDevice,
  Spawner,
} from "@liquidmetal/microvm";
import type { GuestPort } from "./anti-spoofing.ts";
import { requireTool, runTool } from "./command.ts";
import { aliasOf, checkPlatform } from "./device-identity.ts";
import { Dnsmasq } from "./dnsmasq.ts";
import {
  checkConfiguration,
  defaultBridgeName,
  type EmbeddedLayout,
  type EmbeddedNetworkConfiguration,
  layoutSubnet,
} from "./embedded-configuration.ts";
import { EmbeddedNetwork } from "./embedded-network.ts";
import { HostDevices } from "./host-devices.ts";
import { InterfaceAllocation } from "./interface-allocation.ts";
import { familyOf } from "./ip-address.ts";
import type { NetworkEvent } from "./network-event.ts";
import { type DetectedFeatures, detectFeatures } from "./network-features.ts";
import { PacketFilter } from "./packet-filter.ts";
import type { NetworkSettings } from "./settings.ts";

export interface LinuxHostNetworkOptions {
  /** Keeps platforms on one host apart: part of every name, alias, table and token. 1 to 32 of `a-z0-9-`. */
  readonly platform: string;
  readonly spawner: Spawner;
  readonly clock: Clock;
  readonly settings: NetworkSettings;
  /** Devices and VMMs live in this namespace (`ip netns`). Made when missing, if the embedded network is configured. Default: the host's own. */
  readonly networkNamespace?: string;
  /** Bridge for taps that name none. Default: the embedded network's. */
  readonly bridgeName?: string;
  /** Parent of macvtaps. */
  readonly parentInterface?: string;
  readonly embedded?: EmbeddedNetworkConfiguration;
  /** Holds guests to their addresses. Default true. */
  readonly antiSpoofing?: boolean;
  /**
   * Networks (CIDR) from which every guest may send beside its own addresses. Needed where guests route for others without hiding them: the pod network of
   * Kubernetes nodes whose network plug-in neither encapsulates nor masquerades. Default none.
   */
  readonly sharedNetworks?: readonly string[];
  /**
   * Guests exchange frames with guests of their own group (`isolationGroup` of the request) and with ports that are not ours, never with guests of another
   * group; those without a group are one of their own. On every bridge with taps of ours. Needs `antiSpoofing`. Default false.
   */
  readonly isolation?: boolean;
  readonly report?: (event: NetworkEvent) => void;
}

export class LinuxHostNetwork implements HostNetwork {
  readonly networkNamespace?: string;
  readonly #options: LinuxHostNetworkOptions;
  readonly #devices: HostDevices;
  readonly #filter: PacketFilter;
  readonly #allocation: InterfaceAllocation;
  readonly #embedded: EmbeddedNetwork | undefined;
  #layout: EmbeddedLayout | undefined;
  #dnsmasq: Dnsmasq | undefined;
  #ensuring: Promise<void> | undefined;
  #restoring: Promise<void> | undefined;
  #features: Promise<DetectedFeatures> | undefined;

  /** Throws CONFIG_INVALID. */
  constructor(options: LinuxHostNetworkOptions) {
    const { spawner, networkNamespace, embedded, settings } = options;
    const platform = checkPlatform(options.platform);
    if (embedded !== undefined) checkConfiguration(embedded);
    if (networkNamespace !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(networkNamespace)) {
      throw new PlatformError(
        "CONFIG_INVALID",
        `network namespace ${JSON.stringify(networkNamespace)}: letters, digits, dots and hyphens are wanted`,
      );
    }
    if (networkNamespace !== undefined) this.networkNamespace = networkNamespace;
    this.#options = options;
    this.#devices = new HostDevices(platform, spawner, networkNamespace);
    const { sharedNetworks = [] } = options;
    for (const cidr of sharedNetworks) checkNetwork(cidr);
    const { isolation = false } = options;
    this.#filter = new PacketFilter({ platform, spawner, networkNamespace, sharedNetworks, isolation });
    const embeddedBridge = embedded === undefined ? undefined : (embedded.bridgeName ?? defaultBridgeName(platform));
    this.#allocation = new InterfaceAllocation({
      platform,
      defaultBridge: options.bridgeName ?? embeddedBridge,
      embeddedBridge,
      parentInterface: options.parentInterface,
    });
    if (embedded !== undefined) {
      this.#embedded = new EmbeddedNetwork({
        platform,
        configuration: embedded,
        spawner,
        settings,
        filter: this.#filter,
        networkNamespace,
      });
    }
  }

  ensureEmbedded(options: NetworkCallOptions = {}): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      options.signal?.throwIfAborted();
      this.#ensuring ??= this.#ensure().finally(() => {
        this.#ensuring = undefined;
      });
      await this.#ensuring;
    });
  }

  allocate(request: InterfaceRequest, options: NetworkCallOptions = {}): Promise<Result<MadeInterface, PlatformError>> {
    return attempt(async () => {
      options.signal?.throwIfAborted();
      const { type } = request.interface;
      const attachTo = this.#allocation.attachment(request);
      if (this.#embedded !== undefined && attachTo === this.#allocation.embeddedBridge) await this.#requireLayout();
      else if (!(await this.#devices.links()).has(attachTo)) {
        const role = type === "tap" ? "bridge" : "parent interface";
        throw new PlatformError("BRIDGE_MISSING", `${role} ${attachTo} does not exist`, {
          details: { device: attachTo },
        });
      }
      if (type === "macvtap" && !(await this.#detected()).macvtap) {
        throw new PlatformError("CAPABILITY_MISSING", "this host's kernel has no macvtap devices");
      }
      return this.#allocation.choose(request, attachTo);
    });
  }

  reserve(uid: string, made: MadeInterface, isolationGroup?: string): void {
    this.#allocation.reserve(uid, made);
    const { antiSpoofing = true } = this.#options;
    if (!antiSpoofing || made.type !== "tap") return;
    this.#filter.remember(port(made, isolationGroup));
    // Once for all records, which are told of in one go; what fails is done by the next create, or the next look at everything.
    this.#restoring ??= Promise.resolve()
      .then(() => this.#restore())
      .catch((error: unknown) => {
        this.#options.report?.({
          event: "network.filter_not_restored",
          fields: { reason: PlatformError.from(error).message },
        });
      })
      .finally(() => {
        this.#restoring = undefined;
      });
  }

  create(
    request: InterfaceRequest,
    made: MadeInterface,
    options: NetworkCallOptions = {},
  ): Promise<Result<MadeInterface, PlatformError>> {
    return attempt(async () => {
      options.signal?.throwIfAborted();
      const { platform, embedded, antiSpoofing = true } = this.#options;
      const inEmbedded = made.bridge === this.#allocation.embeddedBridge;
      if (inEmbedded) await this.#requireLayout();
      const device = this.#devices.create({
        name: made.hostDevice,
        type: made.type,
        alias: aliasOf(platform, request.uid, made.deviceId),
        attachTo: made.bridge,
        mac: made.guestMac,
        owner: request.owner,
        isolated: inEmbedded && (embedded?.isolateGuests ?? false),
      });
      // All of them are let finish, so that nothing is made after a failure has been undone.
      const filtered =
        antiSpoofing && made.type === "tap"
          ? this.#filter.admit(port(made, request.isolationGroup))
          : Promise.resolve();
      const reserved = inEmbedded ? this.#reserveLease(request, made) : Promise.resolve();
      const [outcome, ...others] = await Promise.allSettled([device, filtered, reserved]);
      const failure = [outcome, ...others].find((settled) => settled.status === "rejected");
      if (failure !== undefined || outcome.status === "rejected") {
        if (outcome.status === "rejected" || outcome.value.fresh) await this.#takeDown(request.uid, made);
        throw failure?.reason;
      }
      const { link } = outcome.value;
      if (made.type === "macvtap" && request.owner !== undefined) await this.#handOver(link.index, request.owner);
      return { ...made, hostIndex: link.index, hostMac: link.mac.toUpperCase() };
    });
  }

  async exists(uid: string, made: MadeInterface): Promise<boolean> {
    try {
      const link = (await this.#devices.links()).get(made.hostDevice);
      return link !== undefined && link.alias === aliasOf(this.#options.platform, uid, made.deviceId);
    } catch {
      return false;
    }
  }

  release(uid: string, made: MadeInterface, options: NetworkCallOptions = {}): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      options.signal?.throwIfAborted();
      if (await this.#reachable()) await this.#takeDown(uid, made);
      this.#allocation.release(uid, made.deviceId);
    });
  }

  list(options: NetworkCallOptions = {}): Promise<Result<readonly OwnedDevice[], PlatformError>> {
    return attempt(async () => {
      options.signal?.throwIfAborted();
      return (await this.#reachable()) ? await this.#devices.list() : [];
    });
  }

  removeDevice(device: OwnedDevice, options: NetworkCallOptions = {}): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      options.signal?.throwIfAborted();
      await this.#devices.remove(device.name, aliasOf(this.#options.platform, device.uid, device.deviceId));
      await this.#filter.dismissStray(device.name);
      await this.#dnsmasq?.dismiss(device.name);
      this.#allocation.release(device.uid, device.deviceId);
    });
  }

  async features(): Promise<NetworkFeatures> {
    const detected = await this.#detected();
    const bridgeName = this.#allocation.defaultBridge;
    return {
      ...detected,
      ...(this.#layout === undefined ? {} : { subnet: layoutSubnet(this.#layout) }),
      ...(bridgeName === undefined ? {} : { bridgeName }),
    };
  }

  removeEmbedded(options: NetworkCallOptions = {}): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      options.signal?.throwIfAborted();
      if (this.#embedded === undefined) return;
      await (this.#dnsmasq ?? this.#dnsmasqOf(this.#embedded.keptLayout())).remove();
      this.#dnsmasq = undefined;
      this.#layout = undefined;
      await this.#embedded.remove();
    });
  }

  async close(): Promise<void> {
    await this.#restoring;
    await this.#dnsmasq?.detach();
  }

  async #ensure(): Promise<void> {
    if (this.#embedded === undefined) return await this.#filter.restore();
    const layout = await this.#embedded.ensure();
    await this.#filter.restore();
    this.#dnsmasq ??= this.#dnsmasqOf(layout);
    await this.#dnsmasq.ensure();
    this.#layout = layout;
    this.#features = undefined;
    this.#allocation.embeddedSubnet = layout.subnet;
    this.#allocation.floatingAddresses = layout.floatingAddresses;
  }

  async #restore(): Promise<void> {
    if (await this.#reachable()) await this.#filter.restore();
  }

  #dnsmasqOf(layout: EmbeddedLayout): Dnsmasq {
    const { spawner, clock, report = () => undefined } = this.#options;
    return new Dnsmasq(layout, spawner, clock, report);
  }

  /** The embedded network, made if nobody has asked for it yet. */
  async #requireLayout(): Promise<void> {
    if (this.#layout !== undefined) return;
    const ensured = await this.ensureEmbedded();
    if (!ensured.ok) throw ensured.error;
  }

  async #reserveLease(request: InterfaceRequest, made: MadeInterface): Promise<void> {
    const address = made.addresses.find((candidate) => familyOf(candidate) === 4);
    if (address === undefined) return;
    await this.#dnsmasq?.reserve({
      device: made.hostDevice,
      mac: made.guestMac,
      address,
      ...(request.hostName === undefined ? {} : { hostName: request.hostName }),
    });
  }

  /** Device first: when it is gone nothing can come through it any more. */
  async #takeDown(uid: string, made: MadeInterface): Promise<void> {
    await this.#devices.remove(made.hostDevice, aliasOf(this.#options.platform, uid, made.deviceId));
    const { antiSpoofing = true } = this.#options;
    await Promise.all([
      antiSpoofing && made.type === "tap" ? this.#filter.dismiss(port(made)) : undefined,
      this.#dnsmasq?.dismiss(made.hostDevice),
    ]);
  }

  /** Gives the character device of a macvtap to the VMM's user. */
  async #handOver(index: number, owner: { readonly uid: number; readonly gid: number }): Promise<void> {
    const path = `/dev/tap${index}`;
    await requireTool(this.#options.spawner, "chown", [`${owner.uid}:${owner.gid}`, path]);
  }

  /** False when our namespace is gone (the host was rebooted): then everything in it is gone as well. */
  async #reachable(): Promise<boolean> {
    const { networkNamespace, spawner } = this.#options;
    if (networkNamespace === undefined) return true;
    const shown = await runTool(spawner, "ip", ["-n", networkNamespace, "link", "show", "dev", "lo"]);
    return shown.code === 0 || !/cannot open network namespace/i.test(shown.stderr);
  }

  #detected(): Promise<DetectedFeatures> {
    const { spawner, embedded } = this.#options;
    this.#features ??= detectFeatures(spawner, this.#filter, embedded?.dnsmasqProgram ?? "dnsmasq").catch(
      (error: unknown) => {
        this.#features = undefined;
        throw error;
      },
    );
    return this.#features;
  }
}

function checkNetwork(cidr: string): void {
  if (familyOf(cidr) === undefined || !/^[0-9A-Fa-f.:]+\/\d{1,3}$/.test(cidr)) {
    throw new PlatformError("CONFIG_INVALID", `shared network ${JSON.stringify(cidr)} is no CIDR`);
  }
}

function port(made: MadeInterface, group?: string): GuestPort {
  const { hostDevice: tap, guestMac: mac, addresses } = made;
  return { tap, mac, addresses, ...(group === undefined ? {} : { group }) };
}
