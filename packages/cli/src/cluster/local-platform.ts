/** What the local platform gives to a cluster by itself: its host, addresses for control planes, and the images that are there. */
import { readFile } from "node:fs/promises";
import { BlockList, isIP } from "node:net";
import { join } from "node:path";
import { clusterNetworkSettings, readConfiguration } from "@liquidmetal/platform";
import { localPlatform } from "../client/open.ts";
import type { Session } from "../program/session.ts";

/** Where the plane's gateway has flintlockd inside of the platform's network namespace. */
const usualAgentPort = 9_090;

/** `host:port` by which capmvm of the local platform reaches flintlockd. */
export async function localHostEndpoint(session: Session): Promise<string> {
  const file = join(localPlatform(session).managementDirectory, "ports.json");
  const text = await readFile(file, "utf8").catch(() => "{}");
  const ports: Readonly<Record<string, unknown>> = Object(JSON.parse(text));
  const agent = ports["agent"];
  return `127.0.0.1:${typeof agent === "number" ? agent : usualAgentPort}`;
}

export interface ControlPlaneAddresses {
  readonly addresses: readonly string[];
  /** The platform lets guests use them; else its hosts drop what comes from them. */
  readonly shared: boolean;
}

/**
 * Addresses of the guests' subnet of which a control plane may hold one: those that the platform keeps for that (`network-floating`), or shares between guests
 * (`network-shared`), else the last fourteen, which guests get last. `undefined` where the platform has no subnet.
 */
export async function localControlPlaneAddresses(session: Session): Promise<ControlPlaneAddresses | undefined> {
  const host = await session.host();
  const { subnet } = await host.host({ signal: session.signal });
  if (subnet === "") return undefined;
  const configuration = await readConfiguration(localPlatform(session)).catch(() => undefined);
  const settings = configuration === undefined ? undefined : clusterNetworkSettings(configuration);
  const shared = (settings?.["network-shared"] ?? "").split(",").map((each) => each.trim());
  return controlPlaneAddresses(subnet, shared, Number(settings?.["network-floating"] ?? 0));
}

export function controlPlaneAddresses(
  subnet: string,
  shared: readonly string[],
  floating = 0,
): ControlPlaneAddresses | undefined {
  const [base = "", length = ""] = subnet.split("/");
  const family = isIP(base);
  if (family === 0) return undefined;
  if (family === 4 && floating > 0) {
    const last = lastAddress(base, Number(length)) - 1;
    const count = Math.min(floating, 2 ** (31 - Number(length)));
    return { addresses: [`${text(last - count + 1)}-${text(last)}`], shared: true };
  }
  const own = new BlockList();
  own.addSubnet(base, Number(length), family === 4 ? "ipv4" : "ipv6");
  const inside = shared.filter((each) => {
    const [address = "", bits = ""] = each.split("/");
    return (
      isIP(address) === family && Number(bits) >= Number(length) && own.check(address, family === 4 ? "ipv4" : "ipv6")
    );
  });
  // A single address needs no mask.
  const addresses = inside.map((each) => each.replace(family === 4 ? /\/32$/ : /\/128$/, ""));
  if (addresses.length > 0) return { addresses, shared: true };
  if (family !== 4 || Number(length) > 27) return undefined;
  const last = lastAddress(base, Number(length));
  return { addresses: [`${text(last - 15)}-${text(last - 1)}`], shared: false };
}

function lastAddress(base: string, length: number): number {
  const number = base.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - length);
  return Math.floor(number / size) * size + size - 1;
}

const text = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
