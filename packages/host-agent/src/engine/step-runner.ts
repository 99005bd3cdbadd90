/**
 * Runs one step under its deadline, and knows which ones are overdue.
 *
 * Steps wait in one of two lines: those that wait for content (pulls, volumes) and all others. So a registry that hangs holds up creates, and
 * never a stop or a delete. A step that is given up (deadline, new wish) is still waited for, shortly: what it was
 * doing should not go on behind the back of what follows.
 */
import { PlatformError, Semaphore, sleep, withDeadline } from "@liquidmetal/foundation";
import type { Step, StepKind } from "@liquidmetal/microvm";
import type { EngineContext } from "./context.ts";
import { execute } from "./executors.ts";
import type { Done, Run } from "./run.ts";

/** How long a step that was given up may take to end, milliseconds. */
const graceMs = 5_000;

/** A step this far beyond its deadline means that the loop itself is stuck, milliseconds. */
const overdueMs = 60_000;

/** Steps that wait for registries and disks, maybe for long. */
const contentSteps: ReadonlySet<StepKind> = new Set(["fetch-kernel", "fetch-initrd", "create-volume"]);

export class StepRunner {
  readonly #context: EngineContext;
  readonly #contentLine: Semaphore;
  readonly #hostLine: Semaphore;
  /** Steps in progress, with the monotonic time by which each has to have ended. */
  readonly #due: Map<object, number> = new Map();

  constructor(context: EngineContext) {
    this.#context = context;
    const { concurrency } = context.deps.config;
    this.#contentLine = new Semaphore(concurrency);
    this.#hostLine = new Semaphore(concurrency);
  }

  get healthy(): boolean {
    const nowMs = this.#context.deps.clock.monotonicMs();
    for (const dueMs of this.#due.values()) if (nowMs > dueMs + overdueMs) return false;
    return true;
  }

  /** Waits for its turn, then runs the step. Throws what the step threw, HYPERVISOR_TIMEOUT or DEADLINE_EXCEEDED at its deadline, CANCELLED when it was interrupted. */
  async run(run: Run, step: Step, signal: AbortSignal): Promise<Done> {
    const line = contentSteps.has(step.kind) ? this.#contentLine : this.#hostLine;
    return await line.run(() => this.#run(run, step, signal), signal);
  }

  async #run(run: Run, step: Step, signal: AbortSignal): Promise<Done> {
    const { deps } = this.#context;
    const { clock, logger, metrics } = deps;
    const startedMs = clock.monotonicMs();
    const timeoutMs = this.#timeoutMs(step);
    try {
      const done = await this.#withDeadline(run, step, timeoutMs, signal);
      metrics.stepFinished(step.kind, "done", clock.monotonicMs() - startedMs);
      logger.debug("step.done", { uid: run.uid, step: step.kind, durationMs: clock.monotonicMs() - startedMs });
      return done;
    } catch (caught) {
      const error = named(step, caught, timeoutMs);
      const outcome = signal.aborted ? "cancelled" : "failed";
      metrics.stepFinished(step.kind, outcome, clock.monotonicMs() - startedMs, error.code);
      throw error;
    }
  }

  async #withDeadline(run: Run, step: Step, timeoutMs: number, signal: AbortSignal): Promise<Done> {
    const { clock, logger } = this.#context.deps;
    let work: Promise<Done> | undefined;
    try {
      return await withDeadline({ clock, timeoutMs, waitingFor: describe(step), signal }, (inner) => {
        work = this.#overseen(execute(this.#context, run, step, inner), timeoutMs);
        return work;
      });
    } catch (error) {
      const settled = work?.then(
        () => true,
        () => true,
      );
      const ended = await Promise.race([settled ?? true, sleep(clock, graceMs).then(() => false)]);
      if (!ended) logger.warn("step.abandoned", { uid: run.uid, step: step.kind });
      throw error;
    }
  }

  /** On the list until it has really ended, also when it was given up long ago. */
  async #overseen(work: Promise<Done>, timeoutMs: number): Promise<Done> {
    const key = {};
    this.#due.set(key, this.#context.deps.clock.monotonicMs() + timeoutMs);
    try {
      return await work;
    } finally {
      this.#due.delete(key);
    }
  }

  #timeoutMs(step: Step): number {
    const { stepTimeoutMs, gracefulStopMs } = this.#context.deps.config;
    const timeoutMs = stepTimeoutMs[step.kind];
    return step.kind === "stop-vmm" ? Math.max(timeoutMs, gracefulStopMs + 30_000) : timeoutMs;
  }
}

function describe(step: Step): string {
  if ("volumeId" in step) return `${step.kind} ${step.volumeId}`;
  return "deviceId" in step ? `${step.kind} ${step.deviceId}` : step.kind;
}

function named(step: Step, caught: unknown, timeoutMs: number): PlatformError {
  const error = PlatformError.from(caught, "INTERNAL", describe(step));
  if (step.kind !== "start-vmm" || error.code !== "DEADLINE_EXCEEDED") return error;
  return new PlatformError("HYPERVISOR_TIMEOUT", `the VMM did not start within ${timeoutMs / 1_000} s`, {
    cause: error,
  });
}
