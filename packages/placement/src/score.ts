/**
 * Scores: which of the hosts that may take a workload should.
 *
 * Each scorer gives 0 (worst) to 1 (best), or is unbounded and says so; the weighted sum decides. Sums are compared in millionths, so that rounding never
 * decides between equals.
 */
import { free, type HostCandidate } from "./host-candidate.ts";
import type { Resources } from "./resources.ts";
import type { Workload } from "./workload.ts";

/** What a scorer may know besides the host. */
export interface ScoreWorld {
  /** Members of the workload's spread group in a failure domain, over all hosts, also those that fell out. */
  membersIn(failureDomain: string): number;
  /** The most members that any failure domain has; at least 1. */
  readonly membersMost: number;
}

export interface Scorer {
  /** Stable, for metrics and explanations. */
  readonly name: string;
  /** How much it counts. Negative turns it round: least allocated becomes packing. */
  readonly weight: number;
  score(host: HostCandidate, workload: Workload, world: ScoreWorld): number;
}

/** What stays free after the workload came, as a share of what the host has: vCPU and memory in equal parts. Hosts that do not tell score 0. */
export const leastAllocated: Scorer = {
  name: "least-allocated",
  weight: 1,
  score: (host, { resources }) => {
    if (host.allocatable === undefined) return 0;
    return (shareLeft(host, resources, "vcpu") + shareLeft(host, resources, "memoryMiB")) / 2;
  },
};

/** How alike vCPU and memory are used after the workload came: memory without vCPU to use it is stranded. Hosts that do not tell score 0. */
export const balance: Scorer = {
  name: "balance",
  weight: 1,
  score: (host, { resources }) => {
    if (host.allocatable === undefined) return 0;
    return 1 - Math.abs(shareLeft(host, resources, "vcpu") - shareLeft(host, resources, "memoryMiB"));
  },
};

function shareLeft(host: HostCandidate, wanted: Resources, dimension: "vcpu" | "memoryMiB"): number {
  const all = host.allocatable?.[dimension] ?? 0;
  if (all <= 0) return 0;
  return Math.min(1, Math.max(0, (free(host, dimension) - wanted[dimension]) / all));
}

/**
 * One point less for each member of the group in the same failure domain, unbounded: with this weight one member more can never be made good by the other
 * scores, so a group spreads evenly as far as there is room. Nothing for groups that only prefer to spread.
 */
export const evenSpread: Scorer = {
  name: "even-spread",
  weight: 10,
  score: (host, { spread }, world) => (spread?.mode === "even" ? -world.membersIn(host.failureDomain) : 0),
};

/** Fewer members of the group in the failure domain, from 1 (none) to 0 (as many as anywhere), for groups that prefer to spread. */
export const preferredSpread: Scorer = {
  name: "preferred-spread",
  weight: 2,
  score: (host, { spread }, world) =>
    spread?.mode === "prefer" ? 1 - world.membersIn(host.failureDomain) / world.membersMost : 0,
};

/** Fewer members of the group on the host itself, so that a domain of several hosts is spread over as well. */
export const hostSpread: Scorer = {
  name: "host-spread",
  weight: 2,
  score: (host, { spread }) => (spread === undefined ? 0 : 1 / (1 + (host.members?.get(spread.name) ?? 0))),
};

/** A scorer from the share of the workload's images (0 to 1, by bytes) that a host has already. */
export function imageLocality(shareHeld: (host: HostCandidate, workload: Workload) => number, weight = 1): Scorer {
  return {
    name: "image-locality",
    weight,
    score: (host, workload) => Math.min(1, Math.max(0, shareHeld(host, workload))),
  };
}

/** The weights of all that are bounded add up to less than that of `evenSpread`: see there. */
export const standardScorers: readonly Scorer[] = [evenSpread, preferredSpread, hostSpread, leastAllocated, balance];
