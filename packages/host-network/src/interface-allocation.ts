/**
 * Chooses what one interface will be: device name, hardware address, addresses. In memory, nothing is made.
 *
 * The choice is a function of the request and of who holds what; asked again for the same interface it is the same. `reserve` brings back, at start,
 * what records say was chosen before.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { InterfaceRequest, MadeInterface } from "@liquidmetal/microvm";
import { AddressPool, key } from "./address-pool.ts";
import { derivedMac, hostDeviceName } from "./device-identity.ts";
import { familyOf, ipv4Text, type Subnet, withoutMask } from "./ip-address.ts";

export interface AllocationOptions {
  readonly platform: string;
  readonly defaultBridge: string | undefined;
  readonly embeddedBridge: string | undefined;
  readonly parentInterface: string | undefined;
}

export class InterfaceAllocation {
  readonly defaultBridge: string | undefined;
  readonly embeddedBridge: string | undefined;
  /** Set as soon as it is known. */
  embeddedSubnet: Subnet | undefined;
  /** Of its last addresses so many are given to nobody. */
  floatingAddresses: number = 0;
  readonly #platform: string;
  readonly #parentInterface: string | undefined;
  readonly #pool: AddressPool = new AddressPool();

  constructor(options: AllocationOptions) {
    this.#platform = options.platform;
    this.defaultBridge = options.defaultBridge;
    this.embeddedBridge = options.embeddedBridge;
    this.#parentInterface = options.parentInterface;
  }

  /** Bridge or parent for this interface. BRIDGE_MISSING when neither the request nor the host names one. */
  attachment(request: InterfaceRequest): string {
    const { type, bridgeName } = request.interface;
    const attachTo = type === "macvtap" ? this.#parentInterface : (bridgeName ?? this.defaultBridge);
    if (attachTo !== undefined && /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/.test(attachTo)) return attachTo;
    const role = type === "macvtap" ? "parent interface for macvtap" : "bridge";
    const trouble =
      attachTo === undefined ? `no ${role} is configured` : `${JSON.stringify(attachTo)} is no name of a ${role}`;
    throw new PlatformError("BRIDGE_MISSING", trouble);
  }

  /** ADDRESS_TAKEN, ADDRESS_EXHAUSTED. Holds what it chose until `release`; after a failure it holds nothing new. */
  choose(request: InterfaceRequest, attachTo: string): MadeInterface {
    const { uid } = request;
    const { deviceId, type } = request.interface;
    const owner = ownerKey(uid, deviceId);
    const hostDevice = hostDeviceName(this.#platform, uid, deviceId, type);
    try {
      const guestMac = this.#mac(request, attachTo, owner);
      return {
        deviceId,
        type,
        hostDevice,
        hostIndex: 0,
        hostMac: "",
        guestMac,
        bridge: attachTo,
        ...this.#addresses(request, attachTo, owner),
      };
    } catch (error) {
      this.release(uid, deviceId);
      throw error;
    }
  }

  reserve(uid: string, made: MadeInterface): void {
    const owner = ownerKey(uid, made.deviceId);
    this.#pool.reserve(key(made.bridge, made.guestMac), owner);
    for (const address of made.addresses) this.#pool.reserve(key(made.bridge, withoutMask(address)), owner);
  }

  release(uid: string, deviceId: string): void {
    this.#pool.release(ownerKey(uid, deviceId));
  }

  #mac(request: InterfaceRequest, attachTo: string, owner: string): string {
    const { guestMac, deviceId } = request.interface;
    if (guestMac !== undefined && guestMac !== "") {
      const mac = guestMac.toLowerCase();
      this.#pool.claimKey(key(attachTo, mac), owner, mac);
      return mac;
    }
    for (let attemptNumber = 0; ; attemptNumber++) {
      const mac = derivedMac(this.#platform, request.uid, deviceId, attemptNumber);
      if (!this.#pool.isFree(key(attachTo, mac), owner)) continue;
      this.#pool.claimKey(key(attachTo, mac), owner, mac);
      return mac;
    }
  }

  #addresses(
    request: InterfaceRequest,
    attachTo: string,
    owner: string,
  ): Pick<MadeInterface, "addresses" | "gateway" | "nameservers" | "dhcp"> {
    const { address: wanted, type } = request.interface;
    const subnet = type === "tap" && attachTo === this.embeddedBridge ? this.embeddedSubnet : undefined;
    if (wanted !== undefined) {
      if (familyOf(wanted.address) === undefined) {
        throw new PlatformError("SPEC_INVALID", `${JSON.stringify(wanted.address)} is no address`);
      }
      this.#pool.claim(attachTo, subnet, withoutMask(wanted.address), owner);
      const { gateway, nameservers } = wanted;
      return {
        addresses: [wanted.address],
        nameservers,
        dhcp: false,
        ...(gateway === undefined ? {} : { gateway: withoutMask(gateway) }),
      };
    }
    if (subnet === undefined) return { addresses: [], nameservers: [], dhcp: true };
    const address = this.#pool.choose(attachTo, subnet, owner, this.floatingAddresses);
    const gateway = ipv4Text(subnet.base + 1);
    return { addresses: [`${address}/${subnet.prefixLength}`], gateway, nameservers: [gateway], dhcp: true };
  }
}

function ownerKey(uid: string, deviceId: string): string {
  return `${uid}/${deviceId}`;
}
