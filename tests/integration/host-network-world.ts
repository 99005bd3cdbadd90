/** A real network in a namespace of the test's own, taken down whatever happens. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@liquidmetal/foundation";
import { LinuxHostNetwork, type LinuxHostNetworkOptions } from "@liquidmetal/host-network";
import { DirectSpawner } from "./host-network-spawner.ts";

export interface RealWorld {
  readonly platform: string;
  readonly namespace: string;
  readonly directory: string;
  readonly network: LinuxHostNetwork;
  readonly spawner: DirectSpawner;
  readonly settings: Map<string, string>;
  /** Another agent over the same host, that knows nothing yet; with other options where they are given. */
  restarted(options?: Partial<LinuxHostNetworkOptions>): LinuxHostNetwork;
  /** Runs `ip` in the namespace. */
  ip(...args: readonly string[]): string;
  close(): Promise<void>;
}

/** Why real networks cannot be had here; undefined when they can. Tests skip with this line. */
export function whyNotHere(): string | undefined {
  if (process.getuid?.() !== 0) return "not root: host networks cannot be made";
  for (const program of ["ip", "nft", "dnsmasq", "unshare"]) {
    if (!succeeds(program, program === "ip" ? "-V" : "--version")) return `${program} is not installed`;
  }
  return undefined;
}

export function realWorld(
  options: Partial<LinuxHostNetworkOptions> = {},
  egress: "allow" | "deny" = "deny",
  floatingAddresses = 0,
): RealWorld {
  const platform = `t${randomBytes(4).toString("hex")}`;
  const namespace = options.networkNamespace ?? `lm-${platform}`;
  const directory = mkdtempSync(join(tmpdir(), "lm-network-"));
  chmodSync(directory, 0o755);
  const settings = new Map<string, string>();
  const spawner = new DirectSpawner();
  const open = (others: Partial<LinuxHostNetworkOptions>): LinuxHostNetwork =>
    new LinuxHostNetwork({
      platform,
      spawner,
      clock: systemClock,
      settings: { get: (key) => settings.get(key), set: (key, value) => void settings.set(key, value) },
      networkNamespace: namespace,
      embedded: { egress, floatingAddresses, stateDirectory: join(directory, "dns") },
      ...options,
      ...others,
    });
  const opened: LinuxHostNetwork[] = [];
  const restarted = (others: Partial<LinuxHostNetworkOptions> = {}): LinuxHostNetwork => {
    const network = open(others);
    opened.push(network);
    return network;
  };
  return {
    platform,
    namespace,
    directory,
    network: restarted(),
    spawner,
    settings,
    restarted,
    ip: (...args) =>
      execFileSync("ip", ["-n", namespace, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }),
    close: async () => {
      for (const network of opened) await network.close();
      for (const network of opened) await network.removeEmbedded();
      if (options.networkNamespace === undefined) succeeds("ip", "netns", "delete", namespace);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export function succeeds(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
