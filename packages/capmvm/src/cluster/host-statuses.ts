/**
 * status.hosts: what is known of each host of the pool. Pure, but for the memory of when the numbers were last written.
 *
 * A change of state is told at once. Numbers that change all the time (what is allocated, how many microVMs) are told at most every 30 s: with a thousand
 * machines coming up they would otherwise be most of what is written.
 */
import { isDeepStrictEqual } from "node:util";
import type { HostAmounts, MicrovmCluster, MicrovmHostStatus } from "../api/index.ts";
import type { HostHealth, HostResources } from "../hosts/host.ts";
import type { PoolHost } from "./pool-hosts.ts";

export const numbersEveryMs = 30_000;

export interface HostStatusesNow {
  readonly hosts: readonly MicrovmHostStatus[];
  /** True if the numbers in `hosts` are new: then remember when they were written. */
  readonly fresh: boolean;
  /** When newer numbers may be told. */
  readonly changesAfterMs?: number;
}

/** `microVms`: of this cluster, by endpoint. `toldMs`: when numbers were last written, in monotonic time; undefined = not by this process. */
export function hostStatusesOf(
  cluster: MicrovmCluster,
  hosts: readonly PoolHost[],
  microVms: ReadonlyMap<string, number>,
  toldMs: number | undefined,
  monotonicMs: number,
): HostStatusesNow {
  const before = cluster.status?.hosts ?? [];
  const now = hosts.map((host) => statusOf(host, microVms.get(host.spec.endpoint) ?? 0));
  if (isDeepStrictEqual(before.map(withoutNumbers), now.map(withoutNumbers))) {
    if (isDeepStrictEqual(before, now)) return { hosts: now, fresh: false };
    const waitMs = toldMs === undefined ? 0 : toldMs + numbersEveryMs - monotonicMs;
    if (waitMs > 0) return { hosts: before, fresh: false, changesAfterMs: waitMs };
  }
  return { hosts: now, fresh: true };
}

const states = {
  unknown: "Unknown",
  reachable: "Reachable",
  unreachable: "Unreachable",
  refused: "Refused",
} as const satisfies Readonly<Record<HostHealth["state"], MicrovmHostStatus["state"]>>;

function statusOf({ spec, health, facts, fault, remembered }: PoolHost, microVms: number): MicrovmHostStatus {
  if (remembered !== undefined) return { ...remembered, microVms };
  const message = (fault?.message ?? health.message).slice(0, 4_096).toWellFormed();
  return {
    endpoint: spec.endpoint,
    ...(spec.name === undefined ? {} : { name: spec.name }),
    state: states[health.state],
    ...(message === "" ? {} : { message }),
    ...(facts === undefined
      ? {}
      : {
          version: facts.version.slice(0, 128),
          platform: facts.platform.slice(0, 128),
          capacity: amounts(facts.capacity),
          allocatable: amounts(facts.allocatable),
          allocated: amounts(facts.allocated),
        }),
    microVms,
  };
}

function withoutNumbers({ allocated: _, microVms: __, ...rest }: MicrovmHostStatus): object {
  return rest;
}

const mebibyte = 1_048_576;

function amounts({ vcpu, memoryBytes, diskBytes }: HostResources): HostAmounts {
  return { vcpu, memoryMiB: Math.floor(memoryBytes / mebibyte), diskMiB: Math.floor(diskBytes / mebibyte) };
}
