/**
 * The hosts of a pool as they are at this moment: which of them answer, why the others do not, what they have.
 *
 * A host whose access cannot be resolved (a secret is missing or cannot be used) is not asked; its fault stands in its place.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { MicrovmCluster, MicrovmHost } from "../api/index.ts";
import type { Host, HostAccess, HostFacts, HostHealth, Hosts } from "../hosts/host.ts";

/** Why the way to a host is not known. */
export interface AccessFault {
  readonly reason: "AccessSecretMissing" | "AccessSecretInvalid";
  /** What is wrong and what to do. */
  readonly message: string;
}

/**
 * How a host is reached with what a MicrovmCluster says: reads the secrets that `hostAccess` names.
 * Throws HOST_ACCESS_INVALID when one is missing or cannot be used.
 */
export type AccessOf = (
  cluster: MicrovmCluster | undefined,
  endpoint: string,
  options: { readonly signal: AbortSignal },
) => Promise<HostAccess>;

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
  accessOf: AccessOf,
  signal: AbortSignal,
): Promise<readonly PoolHost[]> {
  return await Promise.all(
    cluster.spec.placement.staticPool.hosts.map(async (spec): Promise<PoolHost> => {
      try {
        const host: Host = hosts.host(await accessOf(cluster, spec.endpoint, { signal }));
        return { spec, health: host.health(), facts: host.facts() };
      } catch (error) {
        const fault = faultOf(error);
        if (fault === undefined) throw error;
        return { spec, health: notAsked(fault), facts: undefined, fault };
      }
    }),
  );
}

function faultOf(error: unknown): AccessFault | undefined {
  if (!(error instanceof PlatformError) || error.code !== "HOST_ACCESS_INVALID") return undefined;
  const missing = error.details["problem"] === "missing";
  return { reason: missing ? "AccessSecretMissing" : "AccessSecretInvalid", message: error.message };
}

function notAsked({ message }: AccessFault): HostHealth {
  return { state: "unknown", sinceMs: 0, message };
}

/** How people know a host: "rack-1 (10.0.0.1:9090)". */
export function titleOf({ endpoint, name }: Pick<MicrovmHost, "endpoint" | "name">): string {
  return name === undefined || name === "" ? endpoint : `${name} (${endpoint})`;
}
