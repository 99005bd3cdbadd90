/** Which networks this host uses: addresses and routes of a namespace, as `ip -json` tells. */

import type { Spawner } from "@liquidmetal/microvm";
import { parseSubnet, type Subnet } from "./ip-address.ts";
import { IpCommand } from "./ip-batch.ts";

/** `except`: devices whose networks do not count, because they are ours. */
export async function usedSubnets(
  spawner: Spawner,
  networkNamespace: string | undefined,
  except: ReadonlySet<string>,
): Promise<readonly Subnet[]> {
  const ip = new IpCommand(spawner, networkNamespace);
  const addresses = JSON.parse((await ip.require("-json", "-4", "addr", "show")) || "[]") as unknown;
  const routes = JSON.parse((await ip.require("-json", "-4", "route", "show", "table", "all")) || "[]") as unknown;
  const texts: string[] = [];
  for (const link of entries(addresses)) {
    if (except.has(String(link["ifname"]))) continue;
    for (const address of entries(link["addr_info"]))
      texts.push(`${String(address["local"])}/${String(address["prefixlen"])}`);
  }
  for (const route of entries(routes)) {
    if (!except.has(String(route["dev"]))) texts.push(String(route["dst"]));
  }
  return texts.map(parseSubnet).filter((subnet) => subnet !== undefined);
}

function entries(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "object" && entry !== null) : [];
}
