/**
 * Rules of the embedded network: what guests may reach. Text in nftables' own language, one transaction, in tables of our own.
 *
 * Guests reach DHCP, DNS and ping of the bridge, nothing else of the host. Beyond the bridge they reach nothing, or with egress allowed everything that the
 * host routes, behind the host's own address. Nobody from outside reaches a guest uninvited. Where the kernel passes bridged frames through the IP hooks
 * (`br_netfilter`), traffic from guest to guest is let through here and left to the bridge.
 */
import { tableName } from "./anti-spoofing.ts";
import { type EmbeddedLayout, layoutSubnet } from "./embedded-configuration.ts";
import { subnetText } from "./ip-address.ts";

/** Rules beside the bridge: in the namespace where there is one, else on the host. */
export function bridgeRules(layout: EmbeddedLayout): string {
  const { bridgeName: bridge, egress, link } = layout;
  const table = `inet ${tableName(layout.platform)}`;
  const nat = egress && link === undefined ? masquerade(table, layoutSubnet(layout), bridge) : "";
  return `add table ${table}
delete table ${table}
add table ${table}
add chain ${table} guests
add rule ${table} guests ct state established,related accept
add rule ${table} guests udp dport { 53, 67 } accept
add rule ${table} guests tcp dport 53 accept
add rule ${table} guests icmp type echo-request accept
add rule ${table} guests drop
add chain ${table} input { type filter hook input priority -10; policy accept; }
add rule ${table} input iifname "${bridge}" jump guests
add chain ${table} forward { type filter hook forward priority -10; policy accept; }
add rule ${table} forward iifname "${bridge}" oifname "${bridge}" accept
add rule ${table} forward iifname "${bridge}" ${egress ? "accept" : "reject with icmpx type admin-prohibited"}
add rule ${table} forward oifname "${bridge}" ct state established,related accept
add rule ${table} forward oifname "${bridge}" drop
${nat}`;
}

/** Rules on the host, where guests live in a namespace and may reach the world: the host routes for the link, and nobody comes in by it. */
export function hostRules(layout: EmbeddedLayout): string {
  if (layout.link === undefined) return "";
  const { hostDevice, subnet } = layout.link;
  const table = `inet ${tableName(layout.platform)}_link`;
  return `add table ${table}
delete table ${table}
add table ${table}
add chain ${table} input { type filter hook input priority -10; policy accept; }
add rule ${table} input iifname "${hostDevice}" ct state established,related accept
add rule ${table} input iifname "${hostDevice}" icmp type echo-request accept
add rule ${table} input iifname "${hostDevice}" drop
add chain ${table} forward { type filter hook forward priority -10; policy accept; }
add rule ${table} forward oifname "${hostDevice}" ct state established,related accept
add rule ${table} forward oifname "${hostDevice}" drop
${masquerade(table, layoutSubnet(layout), hostDevice)}add rule ${table} postrouting ip saddr ${subnetText(subnet)} oifname != "${hostDevice}" masquerade
`;
}

/** Removes a table by name, safely when it is not there. */
export function tableRemoval(table: string): string {
  return `add table ${table}\ndelete table ${table}\n`;
}

export function bridgeTable(platform: string): string {
  return `inet ${tableName(platform)}`;
}

export function hostTable(platform: string): string {
  return `inet ${tableName(platform)}_link`;
}

function masquerade(table: string, subnet: string, inside: string): string {
  return `add chain ${table} postrouting { type nat hook postrouting priority srcnat; policy accept; }
add rule ${table} postrouting ip saddr ${subnet} ip daddr != ${subnet} oifname != "${inside}" masquerade
`;
}
