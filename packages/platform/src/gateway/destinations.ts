/** Where the gateway connects to: certain ports of loopback, and the machines on the platform's own bridge. Nothing else, and no names: only addresses. */
import { BlockList, isIPv4 } from "node:net";
import type { NetworkInterfaceInfo } from "node:os";

export interface Destination {
  readonly host: string;
  readonly port: number;
}

export interface DestinationRules {
  /** Ports of 127.0.0.1. */
  readonly loopbackPorts: readonly number[];
  /** Name of the bridge whose subnet may be reached; absent = none. */
  readonly bridge?: string;
}

/** `10.1.2.3:6443`, as it stands in a CONNECT request; undefined for anything else. */
export function parseDestination(text: string): Destination | undefined {
  const match = /^([0-9.]{7,15}):([0-9]{1,5})$/.exec(text);
  const [host = "", port = 0] = [match?.[1], Number(match?.[2])];
  return isIPv4(host) && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** `interfaces`: of the namespace in which the connection is made, as they are now: bridges come and go. */
export function isAllowed(
  destination: Destination,
  rules: DestinationRules,
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>,
): boolean {
  if (destination.host === "127.0.0.1") return rules.loopbackPorts.includes(destination.port);
  if (rules.bridge === undefined) return false;
  return (interfaces[rules.bridge] ?? []).some((own) => {
    // The bridge's own address is the host's, not a guest's.
    if (own.family !== "IPv4" || own.address === destination.host) return false;
    const subnet = new BlockList();
    subnet.addSubnet(own.address, Number(own.cidr?.split("/")[1] ?? 32), "ipv4");
    return subnet.check(destination.host, "ipv4");
  });
}
