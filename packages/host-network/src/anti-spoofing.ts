/**
 * Anti-spoofing: a guest sends only as itself.
 *
 * One nftables table of our own in the `bridge` family, `lm_<platform>`, with sets keyed by tap. Frames that enter the bridge by a tap of ours must carry
 * the guest's hardware address; where we know the guest's addresses (a *pinned* tap) also one of these, in IP and in ARP, and nothing but IP and ARP.
 * A pinned guest may ask for an address by DHCP, and may use the link-local address of its hardware address; it may not play DHCP server or router.
 * Frames from any other port are not looked at, rules of others are never touched. Text in, text out: this file runs nothing.
 */
import { familyOf, linkLocalOf, withoutMask } from "./ip-address.ts";

export interface GuestPort {
  readonly tap: string;
  readonly mac: string;
  /** CIDR or plain; empty = unknown, only the hardware address is held to. */
  readonly addresses: readonly string[];
  /** Guests meet guests of their own group. Absent = without a group. */
  readonly group?: string;
}

/** Name of the platform's nftables tables. A hyphen is no letter of an nftables name. */
export function tableName(platform: string): string {
  return `lm_${platform.replaceAll("-", "_")}`;
}

/**
 * Makes the table, or puts its rules (not its sets) right. One transaction, so there is no moment without rules.
 * `sharedNetworks`: CIDRs, or ranges of IPv4 addresses, from which every guest may send beside its own addresses, for example the pod network of clusters without encapsulation, or the
 * address of a control plane that moves between its machines.
 */
export function antiSpoofingTable(platform: string, sharedNetworks: readonly string[] = []): string {
  const table = `bridge ${tableName(platform)}`;
  const shared = sharedNetworks
    .map((cidr) => {
      if (familyOf(cidr) === 6) return `add rule ${table} fixed ether type ip6 ip6 saddr ${cidr} accept\n`;
      // Addresses that move between guests are announced, and asked for, by ARP.
      return `add rule ${table} fixed ether type ip ip saddr ${cidr} accept
add rule ${table} fixed ether type arp arp saddr ip ${cidr} accept\n`;
    })
    .join("");
  return `add table ${table}
add set ${table} taps { type ifname; }
add set ${table} pinned { type ifname; }
add set ${table} macs { type ifname . ether_addr; }
add set ${table} inet4 { type ifname . ether_addr . ipv4_addr; }
add set ${table} inet6 { type ifname . ether_addr . ipv6_addr; }
add chain ${table} guest
add chain ${table} fixed
add chain ${table} ingress { type filter hook prerouting priority -300; policy accept; }
flush chain ${table} ingress
flush chain ${table} guest
flush chain ${table} fixed
add rule ${table} ingress iifname @taps jump guest
add rule ${table} guest iifname . ether saddr != @macs drop
add rule ${table} guest ether type arp iifname . arp saddr ether != @macs drop
add rule ${table} guest iifname @pinned jump fixed
add rule ${table} fixed ether type arp arp saddr ip 0.0.0.0 accept
add rule ${table} fixed ether type arp iifname . arp saddr ether . arp saddr ip @inet4 accept
add rule ${table} fixed ether type ip udp sport 67 drop
add rule ${table} fixed ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
add rule ${table} fixed ether type ip iifname . ether saddr . ip saddr @inet4 accept
add rule ${table} fixed ether type ip6 icmpv6 type nd-router-advert drop
add rule ${table} fixed ether type ip6 udp sport 547 drop
add rule ${table} fixed ether type ip6 ip6 saddr :: icmpv6 type { nd-neighbor-solicit, mld2-listener-report, mld-listener-report, nd-router-solicit } accept
add rule ${table} fixed ether type ip6 iifname . ether saddr . ip6 saddr @inet6 accept
${shared}add rule ${table} fixed drop
`;
}

/** Holds a tap to its guest. Safe to repeat. */
export function admission(platform: string, port: GuestPort): string {
  return lines(elementsOf(port), (set, element) => `add element bridge ${tableName(platform)} ${set} { ${element} }`);
}

/** Forgets a tap. Safe to repeat: `add` before `delete` makes the deletion of what is not there succeed. */
export function dismissal(platform: string, port: GuestPort): string {
  const table = `bridge ${tableName(platform)}`;
  return lines(
    elementsOf(port),
    (set, element) => `add element ${table} ${set} { ${element} }\ndelete element ${table} ${set} { ${element} }`,
  );
}

/** Removes the table with everything in it; safe when it is not there. */
export function antiSpoofingRemoval(platform: string): string {
  return `add table bridge ${tableName(platform)}\ndelete table bridge ${tableName(platform)}\n`;
}

/** Elements of a tap whose addresses nobody remembers, out of `nft -j list table bridge …`. The deletions are safe to repeat. */
export function strayElements(platform: string, tap: string, listing: string): string {
  const parsed = JSON.parse(listing) as { readonly nftables?: readonly Readonly<Record<string, unknown>>[] };
  const table = `bridge ${tableName(platform)}`;
  const deletions: string[] = [];
  for (const entry of parsed.nftables ?? []) {
    const set = (entry["set"] ?? entry["map"]) as
      | { readonly name?: string; readonly elem?: readonly unknown[] }
      | undefined;
    for (const element of set?.elem ?? []) {
      const { parts, join } = elementParts(element);
      if (!parts.includes(tap)) continue;
      const text = `${set?.name ?? ""} { ${parts.map((part) => (part === tap ? `"${tap}"` : part)).join(join)} }`;
      deletions.push(`add element ${table} ${text}`, `delete element ${table} ${text}`);
    }
  }
  return deletions.length === 0 ? "" : `${deletions.join("\n")}\n`;
}

/** Of a set a word or a concatenation of words, of a map a pair. */
function elementParts(element: unknown): { readonly parts: readonly string[]; readonly join: " . " | " : " } {
  if (typeof element === "string") return { parts: [element], join: " . " };
  if (Array.isArray(element)) return { parts: element.map(String), join: " : " };
  const concat = (element as { readonly concat?: readonly unknown[] } | null)?.concat;
  return { parts: Array.isArray(concat) ? concat.map(String) : [], join: " . " };
}

function elementsOf(port: GuestPort): readonly (readonly [set: string, element: string])[] {
  const tap = `"${port.tap}"`;
  const elements: (readonly [string, string])[] = [
    ["macs", `${tap} . ${port.mac}`],
    ["taps", tap],
  ];
  if (port.addresses.length === 0) return elements;
  for (const cidr of port.addresses) {
    const family = familyOf(cidr);
    if (family === 4) elements.push(["inet4", `${tap} . ${port.mac} . ${withoutMask(cidr)}`]);
    if (family === 6) elements.push(["inet6", `${tap} . ${port.mac} . ${withoutMask(cidr)}`]);
  }
  elements.push(["inet6", `${tap} . ${port.mac} . ${linkLocalOf(port.mac)}`], ["pinned", tap]);
  return elements;
}

function lines(
  elements: readonly (readonly [string, string])[],
  line: (set: string, element: string) => string,
): string {
  return `${elements.map(([set, element]) => line(set, element)).join("\n")}\n`;
}
