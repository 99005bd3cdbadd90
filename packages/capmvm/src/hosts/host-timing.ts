/** The numbers by which hosts are followed, all in milliseconds. */
export interface HostTiming {
  /** Deadline of create, get, list and delete. */
  readonly callMs: number;
  /** Deadline of each stage of dialling (connection, proxy, TLS, first word). */
  readonly dialMs: number;
  /** A silent connection is asked for a sign of life after `keepaliveMs`, and is dead `keepaliveTimeoutMs` later. Not for upstream's hosts. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  /** A connection that broke and is not back after so long is told as lost. */
  readonly graceMs: number;
  /** Pause before trying again what failed: from the first to the longest, doubling, jittered. */
  readonly retry: { readonly baseMs: number; readonly capMs: number };
  /** Longest pause for a host that refuses our token or certificate. */
  readonly refusedMs: number;
  /** Hosts without Watch: pause between two lists of a namespace, and while something is changing there. Jittered. */
  readonly pollMs: number;
  readonly pollBusyMs: number;
  /** Facts are asked for again after so long, and so long after a change (changes meanwhile ask once). */
  readonly factsMs: number;
  readonly factsDebounceMs: number;
  /** A connection that nobody asked for is let go of after so long. */
  readonly idleMs: number;
  /** Calls in progress on a connection that was replaced have so long to end. */
  readonly drainMs: number;
}

export const defaultTiming: HostTiming = {
  callMs: 30_000,
  dialMs: 5_000,
  keepaliveMs: 5_000,
  keepaliveTimeoutMs: 5_000,
  graceMs: 1_000,
  retry: { baseMs: 200, capMs: 5_000 },
  refusedMs: 30_000,
  pollMs: 4_000,
  pollBusyMs: 1_000,
  factsMs: 60_000,
  factsDebounceMs: 2_000,
  idleMs: 600_000,
  drainMs: 30_000,
};
