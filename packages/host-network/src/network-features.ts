/** What this host can do, found out by doing it in a namespace that lives for the moment of the question. */
import type { Spawner } from "@liquidmetal/microvm";
import { runTool } from "./command.ts";
import { parseFailures } from "./ip-batch.ts";
import type { PacketFilter } from "./packet-filter.ts";

export interface DetectedFeatures {
  readonly tap: boolean;
  readonly macvtap: boolean;
  readonly bridge: boolean;
  /** Anti-spoofing works: `nft` is there and the kernel has the bridge family. */
  readonly nftables: boolean;
  readonly dnsmasq: boolean;
}

const trials = [
  "link add name lmtry0 type bridge",
  "tuntap add dev lmtry1 mode tap",
  "link add name lmtry2 type veth peer name lmtry3",
  "link add link lmtry2 name lmtry4 type macvtap mode bridge",
];

export async function detectFeatures(
  spawner: Spawner,
  filter: PacketFilter,
  dnsmasqProgram: string,
): Promise<DetectedFeatures> {
  const [made, nftables, dnsmasq] = await Promise.all([
    tryDevices(spawner),
    filter.supported(),
    answers(spawner, dnsmasqProgram),
  ]);
  return { ...made, nftables, dnsmasq };
}

/** In a network namespace of the command's own (`unshare --net`), which takes everything with it when the command ends. */
async function tryDevices(
  spawner: Spawner,
): Promise<{ readonly tap: boolean; readonly macvtap: boolean; readonly bridge: boolean }> {
  const result = await spawner.run({
    program: "unshare",
    args: ["--net", "ip", "-force", "-batch", "-"],
    stdin: `${trials.join("\n")}\n`,
  });
  if (!result.ok) throw result.error;
  const failures = parseFailures(result.value.stderr);
  const ran = result.value.code === 0 || failures.size > 0;
  return { bridge: ran && !failures.has(0), tap: ran && !failures.has(1), macvtap: ran && !failures.has(3) };
}

async function answers(spawner: Spawner, program: string): Promise<boolean> {
  return await runTool(spawner, program, ["--version"]).then(
    ({ code }) => code === 0,
    () => false,
  );
}
