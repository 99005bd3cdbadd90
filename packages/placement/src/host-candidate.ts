/**
 * A host as placement sees it: one moment of it, never changed.
 *
 * Numbers are the host's own word (`allocatable`, `allocated`) plus what we have promised and it does not count yet (`reserved`).
 * A host that tells no numbers is taken to have room: refusing it would make hosts of older agents useless.
 */
import { type Dimension, noResources, type Resources } from "./resources.ts";

export type HostHealth = "reachable" | "unknown" | "unreachable" | "refused";

export interface HostCandidate {
  /** Unique among the candidates: the endpoint of a pool's host. Ties are broken in the order of ids. */
  readonly id: string;
  /** For people. Default: the id. */
  readonly name?: string;
  /** What fails together: a rack, a zone, or the host itself. */
  readonly failureDomain: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Keeps away every workload that does not tolerate all of them, for example "no-control-plane" or "cordoned". */
  readonly taints: readonly string[];
  readonly health: HostHealth;
  /** What this host can do that not every host can: "macvtap", "virtiofs", "vfio". Undefined = it does not tell; then any is believed. */
  readonly capabilities?: readonly string[];
  /** OCI platform, as in linux/amd64. Undefined = it does not tell. */
  readonly platform?: string;
  /** All that may be given away, over-commit included. Undefined = it does not tell. */
  readonly allocatable?: Resources;
  /** Given away, by the host's own count. Default none. */
  readonly allocated?: Resources;
  /** Promised, and not in `allocated` yet. Default none. */
  readonly reserved?: Resources;
  /** How many workloads of each spread group are here, reserved ones included. */
  readonly members?: ReadonlyMap<string, number>;
}

/** What is left of one dimension; infinite for a host that does not tell; below zero for one that has promised too much. */
export function free(host: HostCandidate, dimension: Dimension): number {
  if (host.allocatable === undefined) return Number.POSITIVE_INFINITY;
  const { allocated = noResources, reserved = noResources } = host;
  return host.allocatable[dimension] - allocated[dimension] - reserved[dimension];
}

/** How people know the host: "rack-1 (10.0.0.1:9090)", or its id alone. */
export function hostTitle(host: Pick<HostCandidate, "id" | "name">): string {
  return host.name === undefined || host.name === host.id ? host.id : `${host.name} (${host.id})`;
}
