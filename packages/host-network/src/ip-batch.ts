/**
 * `ip -batch -force -`: many netlink requests in one process, each failing for itself.
 *
 * With `-force` the tool goes on after a failed line and prints `Command failed -:<line>` after the reason (iproute2, `ip/ip.c: batch`).
 * Every `show` line prints one JSON array on a line of its own.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { Spawner } from "@liquidmetal/microvm";
import { runTool, toolFailure } from "./command.ts";

export interface LinkState {
  readonly name: string;
  readonly index: number;
  /** Lower case. */
  readonly mac: string;
  readonly alias: string;
  /** Bridge it is attached to; empty = none. */
  readonly master: string;
  readonly up: boolean;
}

export interface BatchOutcome {
  /** Reason of failure by line, counted from 0. */
  readonly failures: ReadonlyMap<number, string>;
  /** Devices that `show` lines found, by name. */
  readonly links: ReadonlyMap<string, LinkState>;
  /** Reason why the tool gave up half way: an argument that names a device that is not there ends `ip` in spite of `-force`. */
  readonly aborted?: string;
}

export class IpCommand {
  readonly #spawner: Spawner;
  readonly #scope: readonly string[];

  /** Works in the named network namespace, or in the host's own. */
  constructor(spawner: Spawner, networkNamespace: string | undefined) {
    this.#spawner = spawner;
    this.#scope = networkNamespace === undefined ? [] : ["-n", networkNamespace];
  }

  async batch(lines: readonly string[], signal?: AbortSignal): Promise<BatchOutcome> {
    const args = [...this.#scope, "-json", "-force", "-batch", "-"];
    const result = await runTool(this.#spawner, "ip", args, { stdin: `${lines.join("\n")}\n`, signal });
    const outcome = { failures: parseFailures(result.stderr), links: parseLinks(result.stdout) };
    const abort = /^Error: (.*)$/m.exec(result.stderr)?.[1];
    if (abort !== undefined && result.code > 1) return { ...outcome, aborted: abort };
    if (result.code !== 0 && outcome.failures.size === 0) throw toolFailure("ip -batch", result);
    return outcome;
  }

  /** Every link there is, by name. */
  async links(signal?: AbortSignal): Promise<ReadonlyMap<string, LinkState>> {
    const result = await runTool(this.#spawner, "ip", [...this.#scope, "-json", "link", "show"], { signal });
    if (result.code !== 0) throw toolFailure("ip link show", result);
    return parseLinks(result.stdout);
  }

  /** One line that has to succeed. */
  async require(...words: readonly string[]): Promise<string> {
    const result = await runTool(this.#spawner, "ip", [...this.#scope, ...words]);
    if (result.code !== 0) throw toolFailure(`ip ${words.slice(0, 6).join(" ")}`, result);
    return result.stdout;
  }

  async succeeds(...words: readonly string[]): Promise<boolean> {
    return (await runTool(this.#spawner, "ip", [...this.#scope, ...words])).code === 0;
  }
}

export function parseFailures(stderr: string): ReadonlyMap<number, string> {
  const failures = new Map<number, string>();
  let reason: string[] = [];
  for (const line of stderr.split("\n")) {
    const failed = /^Command failed .*:(\d+)$/.exec(line);
    if (failed === null) {
      if (line.trim() !== "") reason.push(line.trim());
      continue;
    }
    failures.set(Number(failed[1]) - 1, reason.join("; ").slice(0, 300) || "no reason given");
    reason = [];
  }
  return failures;
}

export function parseLinks(stdout: string): ReadonlyMap<string, LinkState> {
  const links = new Map<string, LinkState>();
  for (const line of stdout.split("\n")) {
    if (!line.startsWith("[")) continue;
    for (const entry of parseArray(line)) {
      const link = linkState(entry);
      if (link !== undefined) links.set(link.name, link);
    }
  }
  return links;
}

function parseArray(line: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(line);
    return Array.isArray(parsed) ? parsed : [];
  } catch (error) {
    throw new PlatformError(
      "NETWORK_FAILED",
      "the output of 'ip -json' cannot be read; there may be too many devices for it",
      {
        cause: error,
      },
    );
  }
}

function linkState(entry: unknown): LinkState | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const { ifname, ifindex, address, ifalias, master, flags } = entry as Record<string, unknown>;
  if (typeof ifname !== "string" || typeof ifindex !== "number") return undefined;
  return {
    name: ifname,
    index: ifindex,
    mac: typeof address === "string" ? address.toLowerCase() : "",
    alias: typeof ifalias === "string" ? ifalias : "",
    master: typeof master === "string" ? master : "",
    up: Array.isArray(flags) && flags.includes("UP"),
  };
}
