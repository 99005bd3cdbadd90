/**
 * Tells people what happened to an object, without ever holding up or failing the work that it tells about.
 *
 * The same event again within ten minutes raises the count of the one that is there; many that differ only in their text become one; an object that keeps
 * telling is cut short (25 at once, then one in five minutes); what does not fit into the queue or is refused is counted and dropped.
 *
 * Source: client-go tools/record (EventCorrelator: its numbers and its texts).
 */
import type { Clock, Entropy } from "@liquidmetal/foundation";
import { PlatformError, sleep, systemClock, systemEntropy } from "@liquidmetal/foundation";
import { isNotFound } from "../client/api-error.ts";
import type { KubernetesClient } from "../client/client.ts";
import { wholeSeconds } from "../condition/condition.ts";
import { type Logger, silentLogger } from "../logger.ts";
import { type KubernetesObject, keyOf, keyText, type ObjectKey, type ObjectMeta, type Resource } from "../object.ts";
import type { RuntimeMetrics } from "../server/runtime-metrics.ts";
import { type CoreEvent, type EventContent, type EventSource, eventOf, events } from "./event.ts";

export interface EventRecorderOptions {
  readonly client: KubernetesClient;
  /** As in "capmvm". */
  readonly component: string;
  /** Host or pod name. */
  readonly instance: string;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
  readonly logger?: Logger;
  readonly metrics?: RuntimeMetrics;
}

const windowMs = 600_000;
const similarMax = 10;
const burst = 25;
const refillMs = 300_000;
const queueMax = 1_000;
const memoryMax = 4_096;
const writeTimeoutMs = 10_000;
const closingMs = 2_000;

/** What is known of an event that was told before. */
interface Told {
  readonly subject: { readonly kind: Resource; readonly metadata: ObjectMeta };
  readonly content: EventContent;
  readonly atMs: number;
  /** Absent until it was written. */
  written?: { readonly key: ObjectKey; readonly count: number };
  /** Times that are not written yet. */
  unwritten: number;
  lastWallMs: number;
}

export class EventRecorder implements AsyncDisposable {
  readonly #options: Required<Omit<EventRecorderOptions, "metrics">> & Pick<EventRecorderOptions, "metrics">;
  readonly #source: EventSource;
  readonly #told: Map<string, Told> = new Map();
  readonly #similar: Map<string, { readonly texts: Set<string>; atMs: number }> = new Map();
  readonly #budgets: Map<string, { tokens: number; atMs: number }> = new Map();
  readonly #queue: Set<string> = new Set();
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(options: EventRecorderOptions) {
    this.#options = { clock: systemClock, entropy: systemEntropy, logger: silentLogger, ...options };
    this.#source = { component: options.component, instance: options.instance };
  }

  /** Returns at once and never throws. */
  record(kind: Resource, object: KubernetesObject, content: EventContent): void {
    const { clock, metrics } = this.#options;
    const about = object.metadata?.uid ?? `${kind.kind} ${keyText(keyOf(object))}`;
    if (this.#closed || !this.#affords(about)) {
      metrics?.events.inc({ result: "dropped" });
      return;
    }
    const said = this.#aggregated(about, content);
    const key = JSON.stringify([about, said.type, said.reason, said.message]);
    const known = this.#told.get(key);
    const nowMs = clock.monotonicMs();
    const fresh = known === undefined || nowMs - known.atMs > windowMs;
    const told: Told = fresh
      ? { subject: { kind, metadata: namesOf(object) }, content: said, atMs: nowMs, unwritten: 0, lastWallMs: 0 }
      : { ...known, content: said, atMs: nowMs };
    if (this.#queue.size >= queueMax && !this.#queue.has(key)) {
      metrics?.events.inc({ result: "dropped" });
      return;
    }
    told.unwritten += 1;
    told.lastWallMs = clock.nowMs();
    remember(this.#told, key, told);
    this.#queue.add(key);
    this.#writing ??= this.#drain();
  }

  /** Resolves when all that was told is written or given up. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Takes no more, and writes what waits as far as that takes no longer than two seconds: events hold up no shutdown either. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const late = new AbortController();
    await Promise.race([this.flush(), sleep(this.#options.clock, closingMs, late.signal)]).catch(() => undefined);
    late.abort();
    this.#options.metrics?.events.inc({ result: "dropped" }, this.#queue.size);
    this.#queue.clear();
  }

  async #drain(): Promise<void> {
    // What is told in this very turn goes out together.
    await Promise.resolve();
    for (const key of this.#queue) {
      this.#queue.delete(key);
      await this.#write(key);
    }
    this.#writing = undefined;
  }

  async #write(key: string): Promise<void> {
    const { metrics, logger } = this.#options;
    const told = this.#told.get(key);
    if (told === undefined || told.unwritten === 0) return;
    const times = told.unwritten;
    told.unwritten = 0;
    try {
      const written = await this.#counted(told, times);
      // It may have been told again meanwhile: the newest entry learns what was written.
      const newest = this.#told.get(key);
      if (newest !== undefined) newest.written = { key: keyOf(written), count: written.count };
      metrics?.events.inc({ result: "written" });
    } catch (error) {
      metrics?.events.inc({ result: "failed" });
      const { message } = PlatformError.from(error);
      logger.warn("event.not_written", {
        reason: told.content.reason,
        object: keyText(keyOf({ metadata: told.subject.metadata })),
        error: message,
      });
    }
  }

  async #counted(told: Told, times: number): Promise<CoreEvent> {
    const { client, entropy } = this.#options;
    const { written, subject, content, lastWallMs } = told;
    if (written !== undefined) {
      const count = written.count + times;
      const patch = { count, lastTimestamp: wholeSeconds(lastWallMs), message: content.message };
      try {
        return await client.mergePatch(events, written.key, patch, { timeoutMs: writeTimeoutMs });
      } catch (error) {
        // The server forgets events after an hour.
        if (!isNotFound(error)) throw error;
      }
    }
    const suffix = Buffer.from(entropy.bytes(8)).toString("hex");
    const event = eventOf(subject, content, this.#source, lastWallMs, suffix);
    return client.create(events, { ...event, count: times }, { timeoutMs: writeTimeoutMs });
  }

  /** More than ten texts for one reason in ten minutes become one event. */
  #aggregated(about: string, content: EventContent): EventContent {
    const { clock } = this.#options;
    const key = JSON.stringify([about, content.type, content.reason]);
    const nowMs = clock.monotonicMs();
    const known = this.#similar.get(key);
    const similar =
      known === undefined || nowMs - known.atMs > windowMs ? { texts: new Set<string>(), atMs: nowMs } : known;
    similar.atMs = nowMs;
    if (similar.texts.size <= similarMax) similar.texts.add(content.message);
    remember(this.#similar, key, similar);
    if (similar.texts.size <= similarMax) return content;
    return { ...content, message: "(combined from similar events): see the log for each" };
  }

  /** Takes one from the object's budget. */
  #affords(about: string): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#budgets.get(about) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, known.tokens + (nowMs - known.atMs) / refillMs);
    const afforded = tokens >= 1;
    remember(this.#budgets, about, { tokens: afforded ? tokens - 1 : tokens, atMs: nowMs });
    return afforded;
  }
}

/** All that an event says of its object: thousands of subjects are remembered, and not the objects with them. */
function namesOf({ metadata = {} }: KubernetesObject): ObjectMeta {
  const { name, namespace, uid, resourceVersion } = metadata;
  return {
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

/** Keeps the newest entries only. */
function remember<T>(memory: Map<string, T>, key: string, value: T): void {
  memory.delete(key);
  memory.set(key, value);
  if (memory.size <= memoryMax) return;
  const oldest = memory.keys().next().value;
  if (oldest !== undefined) memory.delete(oldest);
}
