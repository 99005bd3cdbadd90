/**
 * Closes ports of the host to other machines, where the management plane has no namespace of its own: the webhook servers of Cluster API's managers listen on all
 * addresses and have no flag for it. The table is taken away with the platform.
 */
import { spawn } from "node:child_process";
import { PlatformError } from "@liquidmetal/foundation";
import type { PlatformPaths } from "../paths.ts";

const timeoutMs = 10_000;

/** Name of the table, of family inet. */
export function planeTable(platform: string): string {
  return `lm_${platform.replaceAll("-", "_")}_plane`;
}

export async function closePlanePorts(paths: PlatformPaths, ports: readonly number[]): Promise<void> {
  await nft(planeRules(planeTable(paths.name), ports));
}

/** Replaces whatever the table held. */
export function planeRules(table: string, ports: readonly number[]): string {
  return `add table inet ${table}
delete table inet ${table}
add table inet ${table}
add chain inet ${table} input { type filter hook input priority -10; policy accept; }
add rule inet ${table} input iifname != "lo" tcp dport { ${ports.join(", ")} } drop
`;
}

function nft(rules: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("nft", ["-f", "-"], { stdio: ["pipe", "ignore", "pipe"], timeout: timeoutMs });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    const failed = (why: string): void =>
      reject(new PlatformError("NETWORK_FAILED", `the plane's ports cannot be closed to other machines: ${why}`));
    child.once("error", (error) => failed(error.message));
    child.once("close", (code) => (code === 0 ? resolve() : failed(said.trim() || `nft ended with ${code}`)));
    child.stdin.on("error", () => undefined);
    child.stdin.end(rules);
  });
}
