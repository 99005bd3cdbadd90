/**
 * Failure domains: one for each host of the pool, whatever state it is in. Pure.
 *
 * A domain does not go while its host is down: machines are there. But a host that has been down for a while takes no new control plane
 * (`controlPlane: false`), as long as another host may: the control-plane provider chooses the domain with the fewest machines, so it would choose the
 * dead one for every replacement, and a control plane that lost a host would never be whole again. It is offered again as soon as it answers.
 * Health itself is not told here, because every change would be copied to the Cluster; status.hosts has it.
 */
import type { FailureDomain } from "../api/index.ts";
import type { PoolHost } from "./pool-hosts.ts";

/** How long a host must have been down before it is no longer offered: longer than a restart of flintlockd or of a switch. */
export const downGraceMs = 60_000;

export interface FailureDomainsNow {
  readonly failureDomains: readonly FailureDomain[];
  /** When a host that is down will be offered no more; undefined = nothing changes by time alone. */
  readonly changesAfterMs?: number;
}

export function failureDomainsOf(hosts: readonly PoolHost[], nowMs: number): FailureDomainsNow {
  const anotherAnswers = hosts.some(({ spec, health }) => allows(spec) && health.state === "reachable");
  const waits: number[] = [];
  const failureDomains = hosts.map((host): FailureDomain => {
    const left = anotherAnswers ? graceLeftMs(host, nowMs) : Number.POSITIVE_INFINITY;
    if (allows(host.spec) && left > 0 && Number.isFinite(left)) waits.push(left);
    const attributes = attributesOf(host);
    return {
      name: host.spec.endpoint,
      controlPlane: allows(host.spec) && left > 0,
      ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
    };
  });
  return waits.length === 0 ? { failureDomains } : { failureDomains, changesAfterMs: Math.min(...waits) };
}

function allows({ controlPlaneAllowed }: PoolHost["spec"]): boolean {
  return controlPlaneAllowed !== false;
}

/** Infinite for a host that is not down. */
function graceLeftMs({ health }: PoolHost, nowMs: number): number {
  if (health.state !== "unreachable" && health.state !== "refused") return Number.POSITIVE_INFINITY;
  return Math.max(0, health.sinceMs + downGraceMs - nowMs);
}

/** The user's name and labels of the host; what the host reports may change and is left out. */
function attributesOf({ spec }: PoolHost): Readonly<Record<string, string>> {
  const labels = Object.entries(spec.labels ?? {}).map(([key, value]) => [`label/${key}`, value]);
  return { ...(spec.name === undefined ? {} : { name: spec.name }), ...Object.fromEntries(labels) };
}
