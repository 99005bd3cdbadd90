/** HostsAvailable: whether the hosts of the pool answer; for each that does not, why and what to do. Pure. */
import type { Said } from "./cluster-findings.ts";
import { said } from "./cluster-findings.ts";
import { type PoolHost, titleOf } from "./pool-hosts.ts";

/** `stranded`: machines on hosts that are in no pool any more, by endpoint. */
export function hostsCondition(
  hosts: readonly PoolHost[],
  stranded: ReadonlyMap<string, readonly string[]>,
): Said<"HostsAvailable"> {
  const trouble = [
    ...hosts.filter(({ health }) => health.state !== "reachable").map(troubleOf),
    ...[...stranded].map(([endpoint, machines]) => strandedWords(endpoint, machines)),
  ];
  const message = few(trouble, 10, "; ");
  if (hosts.length === 0) return said("False", "NoHosts", "placement.staticPool.hosts is empty: add a host");
  const fault = hosts.find((host) => host.fault !== undefined)?.fault;
  if (fault !== undefined) return said("False", fault.reason, message);
  const down = hosts.filter(({ health }) => health.state === "unreachable" || health.state === "refused");
  if (down.length === hosts.length) return said("False", "NoneAvailable", message);
  if (down.length > 0) return said("False", "SomeUnavailable", message);
  if (hosts.some(({ health }) => health.state === "unknown")) return said("Unknown", "Probing", message);
  return said("True", "Available", message);
}

function troubleOf({ spec, health, fault }: PoolHost): string {
  const words = {
    unknown: "has not answered yet",
    reachable: "answers",
    unreachable: "does not answer",
    refused: "refuses our credentials: check the secrets that hostAccess names",
  };
  const why = fault?.message ?? health.message;
  return `${titleOf(spec)} ${fault === undefined ? words[health.state] : "was not asked"}${why === "" ? "" : `: ${why}`}`;
}

function strandedWords(endpoint: string, machines: readonly string[]): string {
  const subject = machines.length === 1 ? "1 machine is" : `${machines.length} machines are`;
  return `${subject} on ${endpoint}, which is no longer in the pool (${few(machines, 5, ", ")}): put it back, or delete them`;
}

export function few(texts: readonly string[], most: number, separator: string): string {
  const more = texts.length - most;
  return texts.slice(0, most).join(separator) + (more > 0 ? `${separator}and ${more} more` : "");
}
