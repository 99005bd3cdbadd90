/**
 * Choosing a host: filter, score, break the tie. Pure: the same workload and the same hosts give the same answer, in whatever order the hosts come.
 */
import { err, ok, type Result } from "@liquidmetal/foundation";
import { crc32 } from "./checksum.ts";
import { type Filter, standardFilters } from "./filter.ts";
import type { HostCandidate } from "./host-candidate.ts";
import { type Scorer, type ScoreWorld, standardScorers } from "./score.ts";
import type { Workload } from "./workload.ts";

export interface Placement {
  readonly host: HostCandidate;
  /** Hosts that could have taken it, the chosen one included. */
  readonly feasible: number;
  /** Hosts with the same highest score, the chosen one included; above 1 the name decided. */
  readonly tied: number;
  /** Weighted sum of the chosen one. */
  readonly score: number;
}

/** Nobody may take it. */
export interface Shortage {
  /** Hosts that were asked. */
  readonly hosts: number;
  /** How many fell out at each filter, in the order of the filters; filters that refused nobody are left out. */
  readonly refusals: readonly { readonly filter: string; readonly count: number }[];
  /** "2 of 3 hosts lack 4096 MiB memory (most free: b, 2048 MiB memory); 1 is unreachable (c)". */
  readonly summary: string;
}

export interface PlaceOptions {
  readonly filters?: readonly Filter[];
  readonly scorers?: readonly Scorer[];
}

/**
 * The best host for `workload`. Among equals: the CRC-32 of the workload's name, modulo the equals in the bytewise order of their ids, as upstream's provider
 * chooses among all hosts; so hosts that tell nothing about themselves are chosen exactly as there.
 */
export function place(
  workload: Workload,
  hosts: readonly HostCandidate[],
  options: PlaceOptions = {},
): Result<Placement, Shortage> {
  const { filters = standardFilters, scorers = standardScorers } = options;
  const feasible = hosts.filter((host) => filters.every((filter) => filter.passes(host, workload)));
  if (feasible.length === 0) return err(shortage(workload, hosts, filters));
  const world = scoreWorld(workload, hosts);
  let best = Number.NEGATIVE_INFINITY;
  let tied: HostCandidate[] = [];
  for (const host of feasible) {
    let sum = 0;
    for (const scorer of scorers) sum += scorer.weight * scorer.score(host, workload, world);
    const score = Math.round(sum * 1_000_000);
    if (score > best) {
      best = score;
      tied = [host];
    } else if (score === best) tied.push(host);
  }
  const host = choose(workload.name, tied);
  return host === undefined
    ? err(shortage(workload, hosts, filters))
    : ok({ host, feasible: feasible.length, tied: tied.length, score: best / 1_000_000 });
}

/** Upstream's choice: checksum of the name modulo the hosts, sorted bytewise. Undefined only without hosts. */
export function choose<T extends { readonly id: string }>(name: string, hosts: readonly T[]): T | undefined {
  return hosts.length <= 1 ? hosts[0] : [...hosts].sort(byId)[crc32(name) % hosts.length];
}

const byId = (a: { readonly id: string }, b: { readonly id: string }): number =>
  a.id < b.id ? -1 : a.id > b.id ? 1 : 0;

function scoreWorld(workload: Workload, hosts: readonly HostCandidate[]): ScoreWorld {
  const { spread } = workload;
  const members = new Map<string, number>();
  if (spread !== undefined) {
    for (const host of hosts) {
      const here = host.members?.get(spread.name) ?? 0;
      if (here > 0) members.set(host.failureDomain, (members.get(host.failureDomain) ?? 0) + here);
    }
  }
  let membersMost = 1;
  for (const count of members.values()) membersMost = Math.max(membersMost, count);
  return { membersIn: (failureDomain) => members.get(failureDomain) ?? 0, membersMost };
}

function shortage(workload: Workload, hosts: readonly HostCandidate[], filters: readonly Filter[]): Shortage {
  if (hosts.length === 0) return { hosts: 0, refusals: [], summary: "there are no hosts" };
  let left = [...hosts].sort(byId);
  const refusals: { filter: string; count: number }[] = [];
  const clauses: string[] = [];
  for (const filter of filters) {
    const refused = left.filter((host) => !filter.passes(host, workload));
    if (refused.length === 0) continue;
    left = left.filter((host) => filter.passes(host, workload));
    refusals.push({ filter: filter.name, count: refused.length });
    for (const { count, one, many } of filter.reasons(refused, workload)) {
      const subject = clauses.length === 0 ? `${count} of ${hosts.length} host${hosts.length === 1 ? "" : "s"}` : count;
      clauses.push(`${subject} ${count === 1 ? one : many}`);
    }
  }
  return { hosts: hosts.length, refusals, summary: clauses.join("; ") };
}
