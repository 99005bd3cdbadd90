/**
 * The hosts of a pool as they are at this moment: which of them answer, why the others do not, what they have.
 *
 * A host whose access cannot be resolved (a secret is missing or cannot be used) is not asked; its fault stands in its place.
 */
import type { MicrovmCluster, MicrovmHost } from "../api/index.ts";
import type { Host, HostAccess, HostFacts, HostHealth, Hosts } from "../hosts/host.ts";

/** Why the way to a host is not known. */
export interface AccessFault {
  readonly reason: "AccessSecretMissing" | "AccessSecretInvalid";
  /** What is wrong and what to do. */
  readonly message: string;
}

export type ResolvedAccess =
  | { readonly ok: true; readonly access: HostAccess }
  | { readonly ok: false; readonly fault: AccessFault };

/** From a MicrovmCluster and an endpoint to the access: reads the secrets that `hostAccess` names. Rejects only when the API server cannot be asked. */
export type ResolveAccess = (cluster: MicrovmCluster, endpoint: string, signal: AbortSignal) => Promise<ResolvedAccess>;

export interface PoolHost {
  readonly spec: MicrovmHost;
  readonly health: HostHealth;
  readonly facts: HostFacts | undefined;
  readonly fault?: AccessFault;
}

/** Every host of the pool, in its order; asks for a connection to each, which is what starts watching it. */
export async function lookAtHosts(
  cluster: MicrovmCluster,
  hosts: Hosts,
  resolveAccess: ResolveAccess,
  signal: AbortSignal,
): Promise<readonly PoolHost[]> {
  return await Promise.all(
    cluster.spec.placement.staticPool.hosts.map(async (spec): Promise<PoolHost> => {
      const resolved = await resolveAccess(cluster, spec.endpoint, signal);
      if (!resolved.ok) return { spec, health: notAsked(resolved.fault), facts: undefined, fault: resolved.fault };
      const host: Host = hosts.host(resolved.access);
      return { spec, health: host.health(), facts: host.facts() };
    }),
  );
}

function notAsked({ message }: AccessFault): HostHealth {
  return { state: "unknown", sinceMs: 0, message };
}

/** How people know a host: "rack-1 (10.0.0.1:9090)". */
export function titleOf({ endpoint, name }: Pick<MicrovmHost, "endpoint" | "name">): string {
  return name === undefined || name === "" ? endpoint : `${name} (${endpoint})`;
}
