/**
 * Closes ports of this machine to others: packets to them are dropped unless they come over loopback. For programs that listen on all addresses and have no flag
 * for it, as the webhook servers of Cluster API's managers.
 *
 * The rules are in a table that belongs to an nft process (`flags owner`, Linux 5.12): when that process ends, however, the kernel removes them. Nothing is left.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { PlatformError } from "@liquidmetal/foundation";

export interface Firewall extends AsyncDisposable {
  /** Of family inet. */
  readonly table: string;
}

const answerMs = 10_000;

/** TOOL_MISSING without nft; NETWORK_FAILED with what nft says, for example that only root may do this. */
export async function closeToOthers(ports: readonly number[]): Promise<Firewall> {
  const table = `lm-plane-${randomBytes(4).toString("hex")}`;
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", "nft", "--interactive"], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C" },
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const close = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let said = "";
  const failed = (why: string): void => reject(refused(ports, `${why}: ${said.trim()}`));
  const timer = setTimeout(() => failed("nft does not answer"), answerMs);
  const listen = (chunk: Buffer): void => {
    said += chunk.toString();
    if (/\bError:/.test(said)) failed("nft refuses");
    // The table as the kernel has it, which was asked for last.
    else if (/tcp dport [^\n]* drop/.test(said)) resolve();
  };
  child.stdout.on("data", listen);
  child.stderr.on("data", listen);
  child.stdin.on("error", () => {});
  child.once("error", (error) => reject(missingTool(error)));
  child.once("close", () => failed("nft ended"));
  child.stdin.write(rules(table, ports));
  try {
    await promise;
  } catch (error) {
    await close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return { table, [Symbol.asyncDispose]: close };
}

function rules(table: string, ports: readonly number[]): string {
  return [
    `add table inet ${table} { flags owner; }`,
    `add chain inet ${table} input { type filter hook input priority -10; policy accept; }`,
    `add rule inet ${table} input iifname != "lo" tcp dport { ${ports.join(", ")} } drop`,
    `list table inet ${table}`,
    "",
  ].join("\n");
}

function refused(ports: readonly number[], why: string): PlatformError {
  return new PlatformError("NETWORK_FAILED", `the ports ${ports.join(", ")} cannot be closed to others: ${why}`, {
    remedy: "run it as root, or give the plane a network namespace of its own",
  });
}

function missingTool(cause: Error): PlatformError {
  return new PlatformError("TOOL_MISSING", "the program setpriv is not installed", {
    cause,
    remedy: "apt-get install util-linux nftables",
    details: { tool: "setpriv", package: "util-linux" },
  });
}
