/**
 * Before the controllers of a new leader begin, the hosts of all clusters are connected and asked what they have, for a bounded time.
 *
 * Without it every machine would be told to be on a host that is not known yet, and a second later on one that is: two writes for each, at every restart, and
 * all Machines of the management cluster not ready in between. Hosts that do not answer in time are the controllers' business.
 */
import { type Clock, PlatformError, withDeadline } from "@liquidmetal/foundation";
import type { Logger } from "@liquidmetal/kubernetes";
import type { MicrovmCluster } from "../api/index.ts";
import type { Host, HostAccesses, Hosts } from "../hosts/index.ts";

export interface MeetHostsOptions {
  readonly clusters: readonly MicrovmCluster[];
  readonly hosts: Pick<Hosts, "host" | "onChange">;
  readonly accessOf: HostAccesses["accessOf"];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Milliseconds. Default 5,000. */
  readonly timeoutMs?: number;
}

/** Never rejects but by `signal`. */
export async function meetHosts(options: MeetHostsOptions): Promise<void> {
  const { clusters, hosts, clock, logger, signal, timeoutMs = 5_000 } = options;
  const startMs = clock.monotonicMs();
  const open = new Set<Host>();
  const met = Promise.withResolvers<void>();
  const look = (): void => {
    for (const host of open) if (isMet(host)) open.delete(host);
    if (open.size === 0) met.resolve();
  };
  using _ = hosts.onChange(look);
  try {
    await withDeadline({ clock, timeoutMs, waitingFor: "the hosts", signal }, async (until) => {
      for (const host of await connected(options, until)) open.add(host);
      look();
      await met.promise;
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof PlatformError)) throw error;
  }
  const unmet = [...open].map(({ endpoint }) => endpoint);
  logger.info("hosts.met", { clusters: clusters.length, unmet, durationMs: Math.round(clock.monotonicMs() - startMs) });
}

/** Each host of each cluster once; those whose Secrets are missing are left out. */
async function connected({ clusters, hosts, accessOf }: MeetHostsOptions, signal: AbortSignal): Promise<Set<Host>> {
  const pools = clusters.flatMap((cluster) =>
    cluster.spec.placement.staticPool.hosts.map(async ({ endpoint }) => {
      const access = await accessOf(cluster, endpoint, { signal }).catch(() => undefined);
      return access === undefined ? undefined : hosts.host(access);
    }),
  );
  return new Set((await Promise.all(pools)).filter((host) => host !== undefined));
}

/** It has answered whatever it answers: with its facts and microVMs, or that it will not. */
function isMet(host: Host): boolean {
  const { state } = host.health();
  if (state === "unknown") return false;
  return state !== "reachable" || (host.synced && host.facts() !== undefined);
}
