/** What stays true of this host while the agent runs. */
import { readFile } from "node:fs/promises";
import { arch, availableParallelism, hostname, release, totalmem } from "node:os";
import type { Entropy } from "@liquidmetal/foundation";
import type { HostNetwork, Journal } from "@liquidmetal/microvm";
import type { HostDescription } from "../engine/dependencies.ts";
import { detectHostFeatures } from "./host-features.ts";

export interface HostDescriptionOptions {
  readonly hostId: string;
  readonly version: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly network: HostNetwork;
}

/** The state directory's own identity: made once, kept in the journal. 32 hex digits. */
export function hostIdentity(journal: Journal, entropy: Entropy): string {
  const known = journal.setting("host.id");
  if (known !== undefined) return known;
  const fresh = Buffer.from(entropy.bytes(16)).toString("hex");
  journal.setSetting("host.id", fresh);
  return fresh;
}

export async function describeHost(options: HostDescriptionOptions): Promise<HostDescription> {
  const { hostId, version, labels, network } = options;
  const features = await network.features();
  return {
    name: hostname(),
    version,
    hostId,
    bootId: (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim(),
    operatingSystem: await operatingSystem(),
    kernelVersion: release(),
    platform: `linux/${arch() === "x64" ? "amd64" : arch()}`,
    capacity: { vcpu: availableParallelism(), memoryMiB: Math.floor(totalmem() / 1_048_576) },
    features: {
      ...(await detectHostFeatures()),
      tap: features.tap,
      macvtap: features.macvtap,
      bridge: features.bridge,
      nftables: features.nftables,
      dnsmasq: features.dnsmasq,
    },
    labels,
  };
}

/** `PRETTY_NAME` of os-release(5). */
async function operatingSystem(): Promise<string> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text)?.[1] ?? "Linux";
}
