/**
 * Follows one host for as long as it is wanted: connect, see of what kind it is, watch or poll it, and begin again after every interruption.
 *
 * The only writer of the host's health and of `synced`.
 */
import type { GetHostResponse } from "@liquidmetal/api";
import { backoffDelayMs, type Clock, type Entropy, PlatformError, sleep, type Timer } from "@liquidmetal/foundation";
import { factsFromWire } from "./facts-from-wire.ts";
import type { HealthRecord } from "./health-record.ts";
import type { HostMicroVm } from "./host.ts";
import type { HostConnection } from "./host-connection.ts";
import { hostError, isUnimplemented } from "./host-errors.ts";
import type { HostFeed } from "./host-feed.ts";
import type { HostTiming } from "./host-timing.ts";
import { Polling } from "./polling.ts";
import { type HostRun, Watching } from "./watching.ts";

export interface FollowerOptions {
  readonly endpoint: string;
  readonly connection: HostConnection;
  readonly feed: HostFeed;
  readonly health: HealthRecord;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly timing: HostTiming;
}

export class Follower {
  readonly #options: FollowerOptions;
  readonly #watching: Watching;
  readonly #polling: Polling;
  readonly #stopping: AbortController = new AbortController();
  #mode: "unknown" | "watch" | "poll" = "unknown";
  #synced = false;
  #failures = 0;
  /** Whether it was the connection that was waited for last. */
  #connecting = false;
  #grace: Timer | undefined;
  #factsTimer: Timer | undefined;
  #factsDueMs = Number.POSITIVE_INFINITY;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: FollowerOptions) {
    const { clock, entropy, timing } = options;
    this.#options = options;
    const feed: HostFeed = { ...options.feed, synced: () => this.#inStep() };
    this.#watching = new Watching(feed);
    this.#polling = new Polling(feed, clock, entropy, timing);
  }

  get synced(): boolean {
    return this.#synced;
  }

  start(): void {
    this.#ended = this.#run(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new PlatformError("CANCELLED", "the host is no longer wanted"));
    this.#synced = false;
    this.#endGrace();
    this.#factsTimer?.cancel();
    await this.#ended;
  }

  /** Namespaces matter to hosts that are polled. A new one is not known until it has been listed. */
  use(namespace: string): void {
    this.#polling.use(namespace);
    if (this.#mode === "poll" && !this.#polling.covers(namespace)) this.#synced = false;
  }

  /** An answer told of a microVM. Where there is a watch, that one knows better: answers may come late. */
  learnt(microVm: HostMicroVm): void {
    if (this.#mode !== "poll") return;
    this.#polling.learnt(microVm.uid);
    this.#options.feed.put(microVm);
  }

  gone(uid: string): void {
    if (this.#mode !== "poll") return;
    this.#polling.learnt(uid);
    this.#options.feed.remove(uid);
  }

  /** Something was asked for that will change this microVM. */
  changing(uid: string): void {
    if (this.#mode === "poll") this.#polling.learnt(uid);
  }

  /** An attempt to connect failed: told at once, unless we are connected after all. It says more than the loss that came before it. */
  dialFailed(error: PlatformError): void {
    if (this.#synced || this.#stopping.signal.aborted) return;
    this.#endGrace();
    this.#options.health.failed(error);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { entropy, timing, endpoint } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        const failure = hostError(error, "watch", endpoint);
        if (failure.details["unexplained"] === true) this.#options.connection.renew();
        this.#lost(failure);
      }
      this.#failures++;
      const refused = this.#options.health.current.state === "refused";
      const capMs = refused ? timing.refusedMs : timing.retry.capMs;
      const delayMs = backoffDelayMs(this.#failures, entropy.fraction(), { ...timing.retry, capMs });
      await this.#pause(delayMs, refused, signal);
    }
  }

  /** A host that could not be reached is tried by the connection itself, and is back as soon as that is. */
  async #pause(delayMs: number, refused: boolean, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const both = AbortSignal.any([signal, woken.signal]);
    if (this.#connecting && !refused) void this.#options.connection.back(delayMs).then(() => woken.abort());
    await sleep(this.#options.clock, delayMs, both).catch(() => undefined);
  }

  async #follow(signal: AbortSignal): Promise<never> {
    const { connection, timing } = this.#options;
    this.#connecting = true;
    await connection.ready(timing.dialMs * 2);
    this.#connecting = false;
    const answer = await this.#askHost(signal);
    if (answer === undefined) {
      this.#mode = "poll";
      connection.asksForLife(false);
      return await this.#polling.follow(connection.current, signal);
    }
    this.#mode = "watch";
    if (!this.#asked(connection)) return await this.#follow(signal);
    this.#tellFacts(answer);
    return await this.#watching.follow(connection.current, runOf(answer), () => this.#factsSoon(), signal);
  }

  /** A host that was upstream's and is ours now gets a connection that asks for signs of life. */
  #asked(connection: HostConnection): boolean {
    const before = connection.current;
    connection.asksForLife(true);
    return before === connection.current;
  }

  /** Undefined = it is no host of ours. */
  async #askHost(signal: AbortSignal): Promise<GetHostResponse | undefined> {
    const { connection, timing } = this.#options;
    try {
      return await connection.current.host.getHost({}, { timeoutMs: timing.dialMs, signal });
    } catch (error) {
      if (isUnimplemented(error)) return undefined;
      throw error;
    }
  }

  #inStep(): void {
    this.#endGrace();
    this.#failures = 0;
    const was = this.#synced;
    this.#synced = this.#mode === "watch" || this.#polling.isComplete;
    if (this.#synced && !was) this.#options.feed.synced();
  }

  /** What broke may be back in a moment; what never was, or is refused, is told at once. */
  #lost(error: PlatformError): void {
    const { health, clock, timing } = this.#options;
    this.#factsTimer?.cancel();
    this.#factsDueMs = Number.POSITIVE_INFINITY;
    const was = this.#synced;
    this.#synced = false;
    if (!was || error.code === "HOST_REFUSED") {
      if (this.#grace === undefined) health.failed(error);
      return;
    }
    this.#grace = clock.timer(timing.graceMs, () => {
      this.#grace = undefined;
      if (!this.#synced) health.failed(error);
    });
  }

  #endGrace(): void {
    this.#grace?.cancel();
    this.#grace = undefined;
  }

  #tellFacts(answer: GetHostResponse): void {
    this.#options.feed.facts(factsFromWire(answer));
    this.#factsAfter(this.#options.timing.factsMs * (0.75 + this.#options.entropy.fraction() / 2));
  }

  #factsSoon(): void {
    this.#factsAfter(this.#options.timing.factsDebounceMs);
  }

  /** The earlier of two wishes wins. */
  #factsAfter(delayMs: number): void {
    const { clock } = this.#options;
    const dueMs = clock.monotonicMs() + delayMs;
    if (dueMs >= this.#factsDueMs) return;
    this.#factsTimer?.cancel();
    this.#factsDueMs = dueMs;
    this.#factsTimer = clock.timer(delayMs, () => {
      this.#factsDueMs = Number.POSITIVE_INFINITY;
      void this.#refreshFacts();
    });
  }

  async #refreshFacts(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      const answer = await this.#askHost(signal);
      if (answer !== undefined) this.#tellFacts(answer);
    } catch {
      // The watch on the same connection sees why, and begins anew; until then the facts are as old as they are.
      if (!signal.aborted && this.#synced) this.#factsAfter(this.#options.timing.factsMs);
    }
  }
}

function runOf({ hostId, startedAt, lastPosition }: GetHostResponse): HostRun {
  return { hostId, startedAt: `${startedAt?.seconds ?? 0}.${startedAt?.nanos ?? 0}`, lastPosition };
}
