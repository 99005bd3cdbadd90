/**
 * The hosts of a pool as they are at this moment: which of them answer, why the others do not, what they have.
 *
 * A host whose access cannot be resolved (a secret is missing or cannot be used) is not asked; its fault stands in its place. A host that has not been heard of
 * yet, because this process has just started, is as it was last said to be: a restart of capmvm is no news of the hosts.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { MicrovmCluster, MicrovmHost, MicrovmHostStatus } from "../api/index.ts";
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
  /** What status.hosts says, as long as the host has not been heard of. */
  readonly remembered?: MicrovmHostStatus;
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
        const health = host.health();
        return health.state === "unknown" ? unheard(cluster, spec, health) : { spec, health, facts: host.facts() };
      } catch (error) {
        const fault = faultOf(error);
        if (fault === undefined) throw error;
        return { spec, health: notAsked(fault), facts: undefined, fault };
      }
    }),
  );
}

function unheard(cluster: MicrovmCluster, spec: MicrovmHost, health: HostHealth): PoolHost {
  const remembered = cluster.status?.hosts?.find(({ endpoint }) => endpoint === spec.endpoint);
  const state = states.find((one) => one === remembered?.state.toLowerCase());
  if (remembered === undefined || state === undefined) return { spec, health, facts: undefined };
  return { spec, health: { state, sinceMs: 0, message: remembered.message ?? "" }, facts: undefined, remembered };
}

const states: readonly HostHealth["state"][] = ["reachable", "unreachable", "refused"];

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
