/**
 * Which microVM holds which address. In memory only: records are the truth, and `reserve` tells the pool of them at start.
 *
 * A free address is found from a place that the owner's identity decides, going round: stable for one microVM, and an address that
 * has just been freed is not handed out at once to the next (whose guest would meet stale ARP entries and ssh host keys).
 */
import { createHash } from "node:crypto";
import { PlatformError } from "@liquidmetal/foundation";
import { ipv4Number, ipv4Text, type Subnet, subnetContains, subnetSize, subnetText } from "./ip-address.ts";

export class AddressPool {
  /** Owner by `<network>|<address>`: one network is one bridge. */
  readonly #owners: Map<string, string> = new Map();
  readonly #held: Map<string, Set<string>> = new Map();

  /**
   * The owner's own free address in `subnet`. Network, gateway (the first address) and broadcast are never given, nor the `kept` last ones before it.
   * ADDRESS_EXHAUSTED.
   */
  choose(network: string, subnet: Subnet, owner: string, kept = 0): string {
    const held = this.#heldIn(network, subnet, owner);
    if (held !== undefined) return held;
    const usable = subnetSize(subnet) - 3 - kept;
    const start = createHash("sha256").update(owner).digest().readUInt32BE(0);
    for (let step = 0; step < usable; step++) {
      const address = ipv4Text(subnet.base + 2 + ((start + step) % usable));
      if (!this.#owners.has(key(network, address))) {
        this.#hold(key(network, address), owner);
        return address;
      }
    }
    throw new PlatformError(
      "ADDRESS_EXHAUSTED",
      `all ${Math.max(usable, 0)} addresses of ${subnetText(subnet)} are in use`,
    );
  }

  /** Holds an address that the user chose (IPv4 or IPv6, without mask). ADDRESS_TAKEN. */
  claim(network: string, subnet: Subnet | undefined, address: string, owner: string): void {
    const number = ipv4Number(address);
    if (subnet !== undefined && number !== undefined && subnetContains(subnet, number)) {
      const offset = number - subnet.base;
      const size = subnetSize(subnet);
      if (offset === 0 || offset === size - 1 || offset === 1) {
        throw new PlatformError(
          "ADDRESS_TAKEN",
          `${address} is the network's own address, its gateway's or its broadcast address`,
        );
      }
    }
    this.claimKey(key(network, address), owner, address);
  }

  /** Holds anything else that must be unique in a network, for example a hardware address. ADDRESS_TAKEN. */
  claimKey(name: string, owner: string, shown: string): void {
    const other = this.#owners.get(name);
    if (other !== undefined && other !== owner) {
      throw new PlatformError("ADDRESS_TAKEN", `${shown} belongs to another microVM of this host`, {
        details: { owner: other },
      });
    }
    this.#hold(name, owner);
  }

  isFree(name: string, owner: string): boolean {
    const other = this.#owners.get(name);
    return other === undefined || other === owner;
  }

  /** Like `claim`, for what a record holds already: the first record wins, nothing fails. */
  reserve(name: string, owner: string): void {
    if (!this.#owners.has(name)) this.#hold(name, owner);
  }

  release(owner: string): void {
    for (const name of this.#held.get(owner) ?? []) this.#owners.delete(name);
    this.#held.delete(owner);
  }

  /** What this owner was given before. */
  #heldIn(network: string, subnet: Subnet, owner: string): string | undefined {
    for (const name of this.#held.get(owner) ?? []) {
      const address = name.startsWith(`${network}|`) ? name.slice(network.length + 1) : "";
      const number = ipv4Number(address);
      if (number !== undefined && subnetContains(subnet, number)) return address;
    }
    return undefined;
  }

  #hold(name: string, owner: string): void {
    this.#owners.set(name, owner);
    const held = this.#held.get(owner);
    if (held === undefined) this.#held.set(owner, new Set([name]));
    else held.add(name);
  }
}

/** Name under which an address, or a hardware address, is held in a network. */
export function key(network: string, address: string): string {
  return `${network}|${address.toLowerCase()}`;
}
