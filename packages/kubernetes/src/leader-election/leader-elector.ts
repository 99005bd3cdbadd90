/**
 * Leader election on a Lease, with client-go's record and rules.
 *
 * Invariant: two electors never both lead. It rests on this, and on nothing that wall clocks say:
 * - Whoever leads stops `renewDeadlineMs` after the *beginning* of its last successful renewal, on its own monotonic clock.
 * - Whoever waits takes over only when it has seen the same record for the record's lease duration, on its own monotonic clock, beginning when the read that
 *   showed it ended. The write that made the record came before that; so the old leader stopped `leaseDuration - renewDeadline` earlier.
 * - Writes are optimistic: of two that take over at once, one gets a conflict.
 *
 * Assumed: monotonic clocks whose rates differ by less than the margin between the two durations (a third of the lease by default), and that code of a leader
 * which was stopped for longer than the margin (SIGSTOP, a frozen machine) does not get a write through between waking up and its timer: writes that must not
 * happen twice are guarded by versions and identities besides. Deleting the lease by hand suspends the invariant for one retry period.
 *
 * Source: client-go tools/leaderelection, tools/leaderelection/resourcelock/leaselock.go.
 */
import { type Clock, type Entropy, PlatformError, sleep, withDeadline } from "@liquidmetal/foundation";
import { isAlreadyExists, isConflict } from "../client/api-error.ts";
import type { KubernetesClient } from "../client/client.ts";
import { type Logger, silentLogger } from "../logger.ts";
import { keyText, type ObjectKey } from "../object.ts";
import { equal } from "../write/owned-fields.ts";
import { type Lease, type LeaseSpec, leases, microTime } from "./lease.ts";

export interface LeaderElectionOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger?: Logger;
  /** The lease: "capmvm-system", "controller-leader-elect-capmvm". Made if it is not there. */
  readonly lease: ObjectKey;
  /** Unlike that of any other process, also of the next life of this one: host name and something random. */
  readonly identity: string;
  /** How long others wait for a silent leader; whole seconds, in milliseconds. Default 15,000. */
  readonly leaseDurationMs?: number;
  /** How long a leader goes on without a successful renewal. Less than the lease. Default 10,000. */
  readonly renewDeadlineMs?: number;
  /** Between two tries. Less than the renew deadline. Default 2,000. */
  readonly retryPeriodMs?: number;
  /** Called with true when leading begins, with false when it ends. */
  readonly onLeading?: (leading: boolean) => void;
}

/** Name for a process: its host's name and random digits, as client-go's electors call themselves. */
export function leaderIdentity(hostname: string, entropy: Entropy): string {
  return `${hostname}_${Buffer.from(entropy.bytes(16)).toString("hex")}`;
}

/**
 * Waits to become the leader, runs `work`, and releases the lease when `work` has ended: another takes over at once. The lease is renewed until then.
 *
 * `lost` is aborted when leadership is: everything has to stop at once, and this throws `LEADERSHIP_LOST` without waiting for `work`.
 * Returns when `work` has ended, or when `stop` was aborted before this process led.
 */
export async function runAsLeader(
  options: LeaderElectionOptions,
  work: (lost: AbortSignal) => Promise<void>,
  stop: AbortSignal,
): Promise<void> {
  const elector = new LeaderElector(options);
  if (!(await elector.acquire(stop))) return;
  const lost = new AbortController();
  const done = new AbortController();
  const { promise: failed, reject } = Promise.withResolvers<never>();
  const lose = (reason: PlatformError): void => {
    options.onLeading?.(false);
    lost.abort(reason);
    reject(reason);
  };
  options.onLeading?.(true);
  // The renewal ends with `done`, or by losing.
  const renewal = elector.keep(done.signal, lose);
  try {
    await Promise.race([work(lost.signal), failed]);
  } finally {
    done.abort();
    await renewal;
    if (!lost.signal.aborted) {
      options.onLeading?.(false);
      await elector.release();
    }
  }
}

class LeaderElector {
  readonly #options: Required<LeaderElectionOptions>;
  /** What was last read or written, and when by the local clock. */
  #observed: { readonly lease: Lease; readonly atMs: number } | undefined;

  constructor(options: LeaderElectionOptions) {
    const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2_000 } = options;
    if (!(leaseDurationMs > renewDeadlineMs && renewDeadlineMs > retryPeriodMs * 1.2 && retryPeriodMs > 0)) {
      throw new PlatformError(
        "CONFIG_INVALID",
        `a lease of ${leaseDurationMs} ms, a renew deadline of ${renewDeadlineMs} ms and a retry period of ${retryPeriodMs} ms do not go together`,
        { remedy: "choose a lease longer than the deadline, and a deadline longer than 1.2 retry periods" },
      );
    }
    if (options.identity === "") throw new PlatformError("CONFIG_INVALID", "an elector needs an identity");
    this.#options = {
      logger: silentLogger,
      onLeading: () => undefined,
      ...options,
      leaseDurationMs: Math.ceil(leaseDurationMs / 1_000) * 1_000,
      renewDeadlineMs,
      retryPeriodMs,
    };
  }

  /** True when this process leads, false when `stop` came first. */
  async acquire(stop: AbortSignal): Promise<boolean> {
    const { clock, entropy, logger, lease, identity, renewDeadlineMs, retryPeriodMs } = this.#options;
    logger.info("leader_election.waiting", { lease: keyText(lease), identity });
    while (!stop.aborted) {
      const got = await this.#attempt(renewDeadlineMs, stop);
      // An answer that took longer than the deadline makes no leader: others may be about to take over.
      if (got === "held" && clock.monotonicMs() - (this.#observed?.atMs ?? 0) < renewDeadlineMs) {
        logger.info("leader_election.leading", { lease: keyText(lease), identity });
        return true;
      }
      const jitteredMs = retryPeriodMs * (1 + 0.2 * entropy.fraction());
      await sleep(clock, jitteredMs, stop).catch(() => undefined);
    }
    return false;
  }

  /** Renews until `done`; calls `lose` once when it could not in time, or when another one holds the lease. */
  async keep(done: AbortSignal, lose: (reason: PlatformError) => void): Promise<void> {
    const { clock, logger, lease, renewDeadlineMs, retryPeriodMs } = this.#options;
    const ended = new AbortController();
    const end = AbortSignal.any([done, ended.signal]);
    const give = (why: string): void => {
      if (end.aborted) return;
      ended.abort();
      logger.error("leader_election.lost", { lease: keyText(lease), why });
      lose(new PlatformError("LEADERSHIP_LOST", `the lease ${keyText(lease)} is lost: ${why}`));
    };
    const armed = (untilMs: number) =>
      clock.timer(untilMs - clock.monotonicMs(), () => give(`it could not be renewed within ${renewDeadlineMs} ms`));
    let deadline = armed((this.#observed?.atMs ?? 0) + renewDeadlineMs);
    try {
      while (!end.aborted) {
        await sleep(clock, retryPeriodMs, end);
        const startMs = clock.monotonicMs();
        const got = await this.#attempt(renewDeadlineMs / 2, end);
        if (end.aborted) return;
        if (got === "other") give(`${this.#observed?.lease.spec?.holderIdentity} holds it`);
        if (got !== "held") continue;
        deadline.cancel();
        deadline = armed(startMs + renewDeadlineMs);
      }
    } catch (error) {
      if (!end.aborted) throw error;
    } finally {
      deadline.cancel();
    }
  }

  /** Says that nobody holds the lease; best effort, since it runs out by itself. */
  async release(): Promise<void> {
    const { client, clock, logger, identity, lease: key, retryPeriodMs } = this.#options;
    const now = microTime(clock.nowMs());
    const freed = { holderIdentity: "", leaseDurationSeconds: 1, renewTime: now, acquireTime: now };
    try {
      const held = await client.find(leases, key, { timeoutMs: retryPeriodMs });
      if (held?.spec?.holderIdentity !== identity) return;
      await client.replace(leases, { ...held, spec: { ...held.spec, ...freed } }, { timeoutMs: retryPeriodMs });
      logger.info("leader_election.released", { lease: keyText(key) });
    } catch (error) {
      logger.warn("leader_election.not_released", { lease: keyText(key), error: PlatformError.from(error).message });
    }
  }

  /** One try to take or renew the lease. "other" = somebody else holds it, "failed" = it is not known. */
  async #attempt(timeoutMs: number, signal: AbortSignal): Promise<"held" | "other" | "failed"> {
    const { clock, logger, lease } = this.#options;
    try {
      const waitingFor = `the lease ${keyText(lease)}`;
      return await withDeadline({ clock, timeoutMs, waitingFor, signal }, (within) =>
        this.#takeOrRenew(timeoutMs, within),
      );
    } catch (error) {
      if (!signal.aborted) {
        logger.warn("leader_election.failed", { lease: keyText(lease), error: PlatformError.from(error).message });
      }
      return "failed";
    }
  }

  async #takeOrRenew(timeoutMs: number, signal: AbortSignal): Promise<"held" | "other" | "failed"> {
    const { client, clock, identity, lease: key } = this.#options;
    const call = { timeoutMs, signal };
    const startMs = clock.monotonicMs();
    const ours = this.#observed?.lease;
    if (ours?.spec?.holderIdentity === identity) {
      try {
        return this.#wrote(await client.replace(leases, this.#renewed(ours), call), startMs, signal);
      } catch (error) {
        // Somebody else wrote it, or an own write whose answer was lost: look.
        if (!isConflict(error)) throw error;
      }
    }
    const found = await client.find(leases, key, call);
    if (found === undefined) {
      if (this.#heldByOther()) return "other";
      try {
        return this.#wrote(await client.create(leases, this.#first(), call), startMs, signal);
      } catch (error) {
        if (isAlreadyExists(error)) return "failed";
        throw error;
      }
    }
    signal.throwIfAborted();
    if (!equal(this.#observed?.lease.spec, found.spec)) this.#observed = { lease: found, atMs: clock.monotonicMs() };
    if (this.#heldByOther()) return "other";
    const writeMs = clock.monotonicMs();
    try {
      const mine = found.spec?.holderIdentity === identity;
      return this.#wrote(
        await client.replace(leases, mine ? this.#renewed(found) : this.#taken(found), call),
        writeMs,
        signal,
      );
    } catch (error) {
      if (isConflict(error)) return "failed";
      throw error;
    }
  }

  /** The lease counts from when the write began: an answer that comes later than the deadline of the try is not believed. */
  #wrote(lease: Lease, startMs: number, signal: AbortSignal): "held" {
    signal.throwIfAborted();
    this.#observed = { lease, atMs: startMs };
    return "held";
  }

  #heldByOther(): boolean {
    const { clock, identity, leaseDurationMs } = this.#options;
    if (this.#observed === undefined) return false;
    const { lease, atMs } = this.#observed;
    const { holderIdentity = "", leaseDurationSeconds } = lease.spec ?? {};
    if (holderIdentity === "" || holderIdentity === identity) return false;
    const validMs = leaseDurationSeconds === undefined ? leaseDurationMs : leaseDurationSeconds * 1_000;
    return clock.monotonicMs() < atMs + validMs;
  }

  #renewed(lease: Lease): Lease {
    const spec = { ...lease.spec, ...this.#spec(), renewTime: microTime(this.#options.clock.nowMs()) };
    return { ...lease, spec };
  }

  #taken(lease: Lease): Lease {
    const now = microTime(this.#options.clock.nowMs());
    const leaseTransitions = (lease.spec?.leaseTransitions ?? 0) + 1;
    return { ...lease, spec: { ...lease.spec, ...this.#spec(), acquireTime: now, renewTime: now, leaseTransitions } };
  }

  #first(): Lease {
    const now = microTime(this.#options.clock.nowMs());
    const spec = { ...this.#spec(), acquireTime: now, renewTime: now, leaseTransitions: 0 };
    return { metadata: { ...this.#options.lease }, spec };
  }

  #spec(): Pick<LeaseSpec, "holderIdentity" | "leaseDurationSeconds"> {
    const { identity, leaseDurationMs } = this.#options;
    return { holderIdentity: identity, leaseDurationSeconds: leaseDurationMs / 1_000 };
  }
}
