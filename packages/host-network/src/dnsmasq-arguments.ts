/**
 * The command line of our dnsmasq: everything explicit, nothing from /etc.
 *
 * Only guests with a reservation get an address (`static` range). Guests' own wishes for a name are ignored, or any guest could become any name:
 * names come from files that we write. With egress denied there is no upstream resolver, so DNS is no way out either.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { EmbeddedLayout } from "./embedded-configuration.ts";
import { ipv4Text, subnetSize } from "./ip-address.ts";

export interface DnsmasqPaths {
  /** One file per interface: `mac,address`. */
  readonly reservations: string;
  /** One file per interface, in the format of /etc/hosts. */
  readonly names: string;
  readonly leases: string;
}

export interface DnsmasqCommand {
  readonly args: readonly string[];
  /** Names platform and arguments: a process with this token runs exactly this configuration. */
  readonly token: string;
  readonly pidPath: string;
}

/** Prefix of the tokens of this platform's dnsmasq processes, of any configuration. A platform's name has no underscore, so prefixes never overlap. */
export function dnsmasqTokenPrefix(platform: string): string {
  return `lmdns_${platform}_`;
}

export function dnsmasqPaths(layout: EmbeddedLayout): DnsmasqPaths {
  return {
    reservations: join(layout.stateDirectory, "reservations"),
    names: join(layout.stateDirectory, "names"),
    leases: join(layout.stateDirectory, "leases"),
  };
}

/** `resolvPath`: where upstream resolvers stand; used only with egress allowed. */
export function dnsmasqCommand(layout: EmbeddedLayout, user: string, resolvPath: string): DnsmasqCommand {
  const { subnet, gateway, domain, bridgeName, egress } = layout;
  const paths = dnsmasqPaths(layout);
  const guestsMax = Math.min(subnetSize(subnet), 65_536);
  const netmask = ipv4Text((0xffffffff << (32 - subnet.prefixLength)) >>> 0);
  const args = [
    "--keep-in-foreground",
    "--conf-file=/dev/null",
    `--user=${user}`,
    "--group=nogroup",
    `--interface=${bridgeName}`,
    "--except-interface=lo",
    "--bind-dynamic",
    "--no-hosts",
    egress ? `--resolv-file=${resolvPath}` : "--no-resolv",
    "--no-poll",
    "--no-ping",
    "--domain-needed",
    "--bogus-priv",
    `--domain=${domain}`,
    `--local=/${domain}/`,
    `--hostsdir=${paths.names}`,
    `--dhcp-hostsdir=${paths.reservations}`,
    `--dhcp-leasefile=${paths.leases}`,
    `--dhcp-range=${ipv4Text(subnet.base)},static,${netmask},12h`,
    `--dhcp-lease-max=${guestsMax}`,
    "--dhcp-authoritative",
    "--dhcp-ignore-names",
    `--dhcp-option=option:router,${gateway}`,
    `--dhcp-option=option:dns-server,${gateway}`,
    "--quiet-dhcp",
    // Standard error, a file of ours. Never a device: dnsmasq makes its log file its own user's, /dev/null included.
    "--log-facility=-",
  ];
  const token = `${dnsmasqTokenPrefix(layout.platform)}${createHash("sha256").update(args.join("\0")).digest("hex").slice(0, 12)}`;
  const pidPath = join(layout.stateDirectory, token);
  return { args: [...args, `--pid-file=${pidPath}`], token, pidPath };
}
