/**
 * A running controller: changes in, calls of `reconcile` out, one at a time per key.
 *
 * - Nothing that a reconcile throws ends the controller: what is no `PlatformError` is a defect, counted as a panic and retried like any failure.
 * - A reconcile that takes suspiciously long is named in the log, again at each doubling; it is never cut off, since half-done work may be worse.
 * - `stop` takes no more work, lets what runs end within the grace period, then aborts it and waits for it to give up.
 */
import { type Clock, type Entropy, KeyedQueue, PlatformError, type Timer } from "@liquidmetal/foundation";
import type { Logger } from "../logger.ts";
import { type KubernetesObject, keyOf, keyText, type ObjectKey } from "../object.ts";
import type { RuntimeMetrics } from "../server/runtime-metrics.ts";
import type { ControllerOptions, ReconcileResult } from "./controller.ts";
import { isTerminal, RetryDelay } from "./retry-delay.ts";

export interface ControllerPorts {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger: Logger;
  readonly metrics: RuntimeMetrics;
  /** A reconcile that takes longer is reported, milliseconds. Default 60,000. */
  readonly slowReconcileMs?: number;
}

export interface RunningController extends AsyncDisposable {
  readonly name: string;
  /** Wakes a key, as a trigger does. */
  enqueue(key: ObjectKey, afterMs?: number): void;
  /** Resolves when nothing runs and nothing waits; keys with a delay do not count. */
  idle(): Promise<void>;
  /** Aborts what runs with `reason` at once: leadership is lost. */
  abort(reason: unknown): void;
  /** Ends it; what still runs after `graceMs` (default 0) is aborted. Resolves when the last reconcile has ended. */
  stop(options?: { readonly graceMs?: number; readonly reason?: unknown }): Promise<void>;
}

const defaultConcurrency = 10;

/** Starts at once: let the caches be synced before. */
export function startController<T extends KubernetesObject>(
  options: ControllerOptions<T>,
  ports: ControllerPorts,
): RunningController {
  return new Controller(options, ports);
}

class Controller<T extends KubernetesObject> implements RunningController {
  readonly name: string;
  readonly #options: ControllerOptions<T>;
  readonly #ports: ControllerPorts;
  readonly #queue: KeyedQueue;
  readonly #retry: RetryDelay;
  readonly #sources: DisposableStack = new DisposableStack();
  /** Since when a key is due, for the time that it waited. */
  readonly #dueMs: Map<string, number> = new Map();
  readonly #startedMs: Map<string, number> = new Map();
  #draining = false;
  #aborted: { readonly reason: unknown } | undefined;

  constructor(options: ControllerOptions<T>, ports: ControllerPorts) {
    const { name, concurrency = defaultConcurrency, cache, triggers, resyncPeriodMs } = options;
    this.name = name;
    this.#options = options;
    this.#ports = ports;
    this.#retry = new RetryDelay(ports.clock, ports.entropy);
    this.#queue = new KeyedQueue({
      clock: ports.clock,
      concurrency,
      work: (key, signal) => this.#work(key, signal),
      onDefect: (key, error) => ports.logger.error("controller.defect", { controller: name, key, error }),
    });
    const running = this.#startedMs;
    const queue = this.#queue;
    const { clock, metrics } = ports;
    this.#sources.use(
      metrics.observeQueue({
        name,
        get depth() {
          return queue.depth;
        },
        get runningSeconds() {
          return [...running.values()].map((startMs) => (clock.monotonicMs() - startMs) / 1_000);
        },
      }),
    );
    metrics.maxConcurrent.set({ controller: name }, concurrency);
    metrics.activeWorkers.set({ controller: name }, 0);
    for (const result of ["success", "requeue_after", "error"]) metrics.reconciles.inc({ controller: name, result }, 0);
    this.#sources.use(cache.onChange(({ object }) => this.enqueue(keyOf(object), 0, object)));
    for (const trigger of triggers) this.#sources.use(trigger.start((key, afterMs) => this.enqueue(key, afterMs)));
    if (resyncPeriodMs !== undefined) this.#resync(resyncPeriodMs);
  }

  enqueue(key: ObjectKey, afterMs = 0, known?: T): void {
    if (this.#draining) return;
    const { accepts, cache } = this.#options;
    const object = known ?? cache.get(key);
    if (accepts !== undefined && object !== undefined && !accepts(object)) return;
    this.#add(keyText(key), afterMs);
  }

  idle(): Promise<void> {
    return this.#queue.idle();
  }

  abort(reason: unknown): void {
    this.#aborted ??= { reason };
    this.#draining = true;
    this.#sources.dispose();
    for (const key of this.#startedMs.keys()) this.#queue.interrupt(key, reason);
  }

  async stop(options: { readonly graceMs?: number; readonly reason?: unknown } = {}): Promise<void> {
    const { graceMs = 0, reason = new PlatformError("CANCELLED", `the controller ${this.name} stops`) } = options;
    this.#draining = true;
    this.#sources.dispose();
    const abort = this.#ports.clock.timer(graceMs, () => this.abort(reason));
    try {
      await this.#queue.idle();
    } finally {
      abort.cancel();
    }
    await this.#queue.close(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #add(key: string, afterMs: number): void {
    const { clock, metrics } = this.#ports;
    const dueMs = clock.monotonicMs() + afterMs;
    const known = this.#dueMs.get(key);
    if (known === undefined || known > dueMs) this.#dueMs.set(key, dueMs);
    if (known === undefined) metrics.queueAdds.inc({ name: this.name, controller: this.name });
    if (afterMs <= 0) this.#queue.add(key);
    else this.#queue.addAfter(key, afterMs);
  }

  async #work(text: string, signal: AbortSignal): Promise<void> {
    // What waited when the end began is dropped: the next process finds it again.
    if (this.#draining) return;
    const { clock, metrics } = this.#ports;
    const labels = { name: this.name, controller: this.name };
    const startMs = clock.monotonicMs();
    metrics.queueDuration.observe(labels, Math.max(0, startMs - (this.#dueMs.get(text) ?? startMs)) / 1_000);
    this.#dueMs.delete(text);
    this.#startedMs.set(text, startMs);
    metrics.activeWorkers.set({ controller: this.name }, this.#startedMs.size);
    const slow = this.#reportSlow(text);
    try {
      const result = await this.#reconcile(text, signal);
      this.#succeeded(text, result);
    } catch (error) {
      this.#failed(text, error, signal);
    } finally {
      slow.cancel();
      this.#startedMs.delete(text);
      const seconds = (clock.monotonicMs() - startMs) / 1_000;
      metrics.activeWorkers.set({ controller: this.name }, this.#startedMs.size);
      metrics.workDuration.observe(labels, seconds);
      metrics.reconcileTime.observe({ controller: this.name }, seconds);
    }
  }

  async #reconcile(text: string, signal: AbortSignal): Promise<ReconcileResult | undefined> {
    const slash = text.indexOf("/");
    const key = { namespace: slash < 0 ? "" : text.slice(0, slash), name: text.slice(slash + 1) };
    return this.#options.reconcile(key, { signal, failures: this.#retry.failures(text) });
  }

  #succeeded(text: string, result: ReconcileResult | undefined): void {
    const { metrics } = this.#ports;
    this.#retry.forget(text);
    const again = result?.requeueAfterMs;
    metrics.reconciles.inc({ controller: this.name, result: again === undefined ? "success" : "requeue_after" });
    if (again !== undefined && !this.#draining) this.#add(text, Math.max(again, 1));
  }

  #failed(text: string, error: unknown, signal: AbortSignal): void {
    const { metrics, logger } = this.#ports;
    if (signal.aborted && this.#aborted !== undefined) {
      logger.info("reconcile.aborted", { controller: this.name, key: text });
      return;
    }
    const expected = error instanceof PlatformError || (error instanceof Error && error.name === "AbortError");
    metrics.reconciles.inc({ controller: this.name, result: "error" });
    metrics.reconcileErrors.inc({ controller: this.name });
    if (isTerminal(error)) metrics.terminalErrors.inc({ controller: this.name });
    if (!expected) metrics.reconcilePanics.inc({ controller: this.name });
    const retryAfterMs = this.#retry.after(text, error);
    const fields = { controller: this.name, key: text, failures: this.#retry.failures(text), retryAfterMs };
    if (expected) logger.warn("reconcile.failed", { ...fields, error: PlatformError.from(error).message });
    else logger.error("reconcile.panicked", { ...fields, error });
    if (this.#draining) return;
    metrics.queueRetries.inc({ name: this.name, controller: this.name });
    this.#add(text, retryAfterMs);
  }

  #reportSlow(text: string): Timer {
    const { clock, logger, slowReconcileMs = 60_000 } = this.#ports;
    let timer: Timer;
    const arm = (afterMs: number, elapsedMs: number): void => {
      timer = clock.timer(afterMs, () => {
        logger.warn("reconcile.slow", { controller: this.name, key: text, elapsedMs });
        arm(elapsedMs, elapsedMs * 2);
      });
    };
    arm(slowReconcileMs, slowReconcileMs);
    return { cancel: () => timer.cancel() };
  }

  #resync(periodMs: number): void {
    const { clock, entropy } = this.#ports;
    const arm = (): Timer =>
      clock.timer(periodMs, () => {
        for (const object of this.#options.cache.list()) {
          this.enqueue(keyOf(object), Math.round((periodMs / 10) * entropy.fraction()), object);
        }
        timer = arm();
      });
    let timer = arm();
    this.#sources.defer(() => timer.cancel());
  }
}
