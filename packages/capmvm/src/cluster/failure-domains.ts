/**
 * Failure domains: one for each host of the pool, whatever state it is in. Pure.
 *
 * A domain does not go while its host is down: machines are there. But a host that has been down for a while takes no new control plane
 * (`controlPlane: false`), as long as another host may: the control-plane provider chooses the domain with the fewest machines, so it would choose the
 * dead one for every replacement, and a control plane that lost a host would never be whole again. It is offered again as soon as it answers.
 * The same goes for a host that has had no room for one more for half a minute, as long as another one answers and has room: who was sent to a full host would
 * wait there. Control planes that run are not touched: the provider looks at domains when it makes one, and takes those out of the offer first when it has to
 * remove one anyway; a domain is no reason to replace a machine (Cluster API 1.13, controlplane/kubeadm/internal: control_plane.go, filters.go).
 * Health itself is not told here, because every change would be copied to the Cluster; status.hosts has it.
 */
import type { FailureDomain } from "../api/index.ts";
import type { PoolHost } from "./pool-hosts.ts";

/** How long a host must have been down before it is no longer offered: longer than a restart of flintlockd or of a switch. */
export const downGraceMs = 60_000;

/** How long a host that was offered must have been full: machines that come and go do not turn it each time. With room it is offered at once. */
export const fullGraceMs = 30_000;

export interface FailureDomainsNow {
  readonly failureDomains: readonly FailureDomain[];
  /** When a host that is down or full will be offered no more; undefined = nothing changes by time alone. */
  readonly changesAfterMs?: number;
}

/** `fullSince`: hosts without room for a control plane, by endpoint; milliseconds since the epoch. */
export function failureDomainsOf(
  hosts: readonly PoolHost[],
  nowMs: number,
  fullSince: ReadonlyMap<string, number>,
): FailureDomainsNow {
  const answering = hosts.filter(({ spec, health }) => allows(spec) && health.state === "reachable");
  const anotherAnswers = answering.length > 0;
  const roomLeftMs = ({ spec }: PoolHost): number => {
    const sinceMs = fullSince.get(spec.endpoint);
    return sinceMs === undefined ? Number.POSITIVE_INFINITY : Math.max(0, sinceMs + fullGraceMs - nowMs);
  };
  const anotherHasRoom = answering.some((host) => roomLeftMs(host) > 0);
  const waits: number[] = [];
  const failureDomains = hosts.map((host): FailureDomain => {
    const left = Math.min(
      anotherAnswers ? graceLeftMs(host, nowMs) : Number.POSITIVE_INFINITY,
      anotherHasRoom ? roomLeftMs(host) : Number.POSITIVE_INFINITY,
    );
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
