/**
 * The reconcile loop: observe, plan, do the missing steps, again, until nothing is missing.
 *
 * One microVM at a time, many at once. Every wave of steps is begun and ended in the journal; the end of one and the beginning of the next are one
 * commit. A new wish (delete, stop) aborts the step in progress; whatever it left is found by the next observation.
 */
import { KeyedQueue, PlatformError, withDeadline } from "@liquidmetal/foundation";
import { type MicroVmRecord, type Observation, plan, type Step } from "@liquidmetal/microvm";
import type { EngineContext } from "./context.ts";
import { judge } from "./failure.ts";
import { observe } from "./observe.ts";
import { isFailure } from "./restart-policy.ts";
import type { Done, Run } from "./run.ts";
import { begun, ended, happeningsAfter, happeningsBefore, settledHappenings, settledPhase } from "./step-effects.ts";
import { StepRunner } from "./step-runner.ts";
import { inWaves } from "./waves.ts";

interface DoneStep extends Done {
  readonly step: Step;
}

/** MicroVMs in hand at once; what they do is bounded by the step runner, to `concurrency`. */
const runsMax = 4_096;

/** Observations in one run; a world that changes as fast as we mend it gets its next turn after a pause. */
const roundsMax = 12;

/** Longest time that looking at the host may take, adoption included, milliseconds. */
const observeTimeoutMs = 60_000;

export class Reconciler {
  readonly #context: EngineContext;
  readonly #queue: KeyedQueue;
  readonly #steps: StepRunner;
  /** Monotonic times before which nothing is tried. */
  readonly #notBefore: Map<string, number> = new Map();
  readonly #awaitsChange: Set<string> = new Set();
  readonly #forced: Set<string> = new Set();
  readonly #digests: Map<string, Run> = new Map();

  constructor(context: EngineContext) {
    this.#context = context;
    const { clock, config, logger } = context.deps;
    this.#steps = new StepRunner(context);
    this.#queue = new KeyedQueue({
      clock,
      concurrency: runsMax,
      work: (uid, signal) => this.#work(uid, signal),
      onDefect: (uid, error) => {
        logger.error("reconcile.defect", { uid, error });
        this.holdOff(uid, config.retry.slowMs);
      },
    });
  }

  get depth(): number {
    return this.#queue.depth;
  }

  get active(): number {
    return this.#queue.active;
  }

  /** False when a step runs far beyond its deadline. */
  get healthy(): boolean {
    return this.#steps.healthy;
  }

  /** Digests of images that runs in progress work with. */
  inUse(digest: string): boolean {
    return this.#digests.values().some((run) => run.digests.has(digest));
  }

  wake(uid: string): void {
    this.#queue.add(uid);
  }

  /** No attempt before `delayMs` have passed. */
  holdOff(uid: string, delayMs: number): void {
    this.#notBefore.set(uid, this.#context.deps.clock.monotonicMs() + delayMs);
    this.#queue.addAfter(uid, delayMs);
  }

  /** The user's word: ends any wait, and what is in progress when it is no longer wanted. */
  command(uid: string, options: { readonly forced: boolean; readonly interrupt: boolean }): void {
    this.#notBefore.delete(uid);
    if (options.forced) this.#forced.add(uid);
    if (options.interrupt)
      this.#queue.interrupt(uid, new PlatformError("CANCELLED", "the user asked for something else"));
    this.#queue.add(uid);
  }

  /** Something changed that may help: those who wait for a change try again at once. */
  nudge(): void {
    for (const uid of this.#awaitsChange) {
      this.#notBefore.delete(uid);
      this.#queue.add(uid);
    }
    this.#awaitsChange.clear();
  }

  async idle(): Promise<void> {
    await this.#queue.idle();
  }

  async close(): Promise<void> {
    await this.#queue.close(new PlatformError("CANCELLED", "the agent stops"));
  }

  async #work(uid: string, signal: AbortSignal): Promise<void> {
    if (!this.#context.deps.config.reconcile) return;
    const remainingMs = (this.#notBefore.get(uid) ?? 0) - this.#context.deps.clock.monotonicMs();
    if (remainingMs > 0) {
      this.#queue.addAfter(uid, remainingMs);
      return;
    }
    this.#notBefore.delete(uid);
    this.#awaitsChange.delete(uid);
    const run: Run = { uid, images: new Map(), digests: new Set(), forced: this.#forced.has(uid) };
    this.#digests.set(uid, run);
    try {
      await this.#converge(run, signal);
      this.#forced.delete(uid);
    } catch (error) {
      // Interrupted: by the user, who has woken it already, or by the end of the agent.
      if (!signal.aborted) this.#fail(uid, error);
    } finally {
      this.#digests.delete(uid);
    }
  }

  async #converge(run: Run, signal: AbortSignal): Promise<void> {
    const { records } = this.#context;
    for (let round = 0; round < roundsMax; round++) {
      signal.throwIfAborted();
      const observed = await this.#observe(run.uid, signal);
      const record = records.get(run.uid);
      if (observed === undefined || record === undefined) return;
      // The observation itself may have ended a guest whose restart has to wait.
      if ((this.#notBefore.get(run.uid) ?? 0) > this.#context.deps.clock.monotonicMs()) return;
      if (observed.vmm.state === "unverifiable") throw new PlatformError("PROCESS_UNVERIFIED", observed.vmm.why);
      const steps = plan(record, observed);
      if (steps.length === 0) {
        this.#settle(record);
        return;
      }
      await this.#perform(run, record, steps, signal);
    }
    this.holdOff(run.uid, 1_000);
  }

  async #observe(uid: string, signal: AbortSignal): Promise<Observation | undefined> {
    const { clock } = this.#context.deps;
    const deadline = { clock, timeoutMs: observeTimeoutMs, waitingFor: "the state of the host to be read", signal };
    return await withDeadline(deadline, (inner) => observe(this.#context, uid, inner));
  }

  /** Does the steps in order, those that need nothing of one another at once; returns early when something else is wanted by now. */
  async #perform(run: Run, planned: MicroVmRecord, steps: readonly Step[], signal: AbortSignal): Promise<void> {
    const { records, failpoints } = this.#context;
    const { uid } = run;
    const waves = inWaves(steps);
    const first = waves[0]?.[0];
    if (first !== undefined)
      records.update(uid, (record) => begun(record, first), happeningsBefore(planned, first), "relaxed");
    for (const [index, wave] of waves.entries()) {
      const outcomes = await Promise.allSettled(wave.map((step) => this.#act(run, step, signal)));
      const done = wave.flatMap((step, at) => {
        const outcome = outcomes[at];
        return outcome?.status === "fulfilled" ? [{ step, ...outcome.value }] : [];
      });
      const failure = outcomes.find((outcome) => outcome.status === "rejected");
      const over = failure !== undefined || signal.aborted || wishChanged(planned, records.get(uid));
      const next = over ? undefined : waves[index + 1]?.[0];
      if (done.length > 0) this.#commit(uid, done, next);
      for (const { step } of done) await failpoints.reach(`${step.kind}:after-commit`);
      // What the others of the wave have made is in the journal; the next attempt goes on from there.
      if (failure !== undefined) throw failure.reason;
      if (next === undefined) return;
    }
  }

  async #act(run: Run, step: Step, signal: AbortSignal): Promise<Done> {
    const { failpoints } = this.#context;
    await failpoints.reach(`${step.kind}:before-act`);
    const done = await this.#steps.run(run, step, signal);
    await failpoints.reach(`${step.kind}:after-act`);
    return done;
  }

  #commit(uid: string, wave: readonly DoneStep[], next: Step | undefined): void {
    const { records } = this.#context;
    try {
      const before = records.get(uid);
      const happenings = before === undefined ? [] : wave.flatMap(({ step }) => happeningsAfter(before, step));
      const changed = (record: MicroVmRecord): MicroVmRecord => wave.reduce((now, { change }) => change(now), record);
      records.update(
        uid,
        (record) => (next === undefined ? ended(changed(record)) : begun(changed(record), next)),
        happenings,
        "relaxed",
      );
    } finally {
      for (const { afterwards } of wave) afterwards?.();
    }
    for (const { step } of wave) this.#afterStep(uid, step);
  }

  #afterStep(uid: string, step: Step): void {
    if (step.kind === "stop-vmm" || step.kind === "forget") this.nudge();
    const record = this.#context.records.get(uid);
    if (step.kind === "start-vmm" && record?.boots === 1) {
      const { metrics, clock } = this.#context.deps;
      metrics.created(Math.max(0, clock.nowMs() - record.createdAtMs));
    }
  }

  /** Everything is as it should be: says so, once. */
  #settle(record: MicroVmRecord): void {
    const { records, guests, deps } = this.#context;
    const { uid } = record;
    const { stableAfterMs } = deps.config.retry;
    const guest = guests.get(uid);
    const uptimeMs = guest === undefined ? 0 : deps.clock.monotonicMs() - guest.sinceMonotonicMs;
    const recovering =
      guest !== undefined && record.retry.attempts > 0 && isFailure(record.guest.lastExit) && uptimeMs < stableAfterMs;
    if (recovering) this.#queue.addAfter(uid, stableAfterMs - uptimeMs);
    const phase = settledPhase(record);
    const attempts = recovering ? record.retry.attempts : 0;
    const endedBadly = phase === "failed" || (phase === "stopped" && record.phase === "stopped");
    const calm = record.inFlight === undefined && record.retry.attempts === attempts && record.retry.notBeforeMs === 0;
    if (record.phase === phase && calm && (endedBadly || record.reason === "")) return;
    const words = endedBadly ? {} : { reason: "", message: "" };
    records.update(
      uid,
      (now) => ({ ...ended(now), ...words, phase, retry: { attempts, notBeforeMs: 0 } }),
      record.phase === phase ? [] : settledHappenings(phase),
      "relaxed",
    );
  }

  #fail(uid: string, caught: unknown): void {
    const { records, deps } = this.#context;
    const error = PlatformError.from(caught);
    const record = records.get(uid);
    if (record === undefined) return;
    const verdict = judge(record, error, deps.config.retry, deps.entropy.fraction());
    const { attempts, delayMs, phase, reason, message } = verdict;
    deps.logger.warn("reconcile.failed", { uid, phase, reason, attempts, delayMs, error });
    const repeated = record.reason === reason && record.message === message;
    try {
      const retry = { attempts, notBeforeMs: deps.clock.nowMs() + delayMs };
      records.update(
        uid,
        (now) => ({ ...ended(now), phase, reason, message, retry }),
        repeated ? [] : [{ severity: "warning", reason, message }],
        "relaxed",
      );
    } catch (commitError) {
      deps.logger.error("reconcile.failure_not_recorded", { uid, error: commitError });
    }
    if (verdict.awaitsChange) this.#awaitsChange.add(uid);
    this.holdOff(uid, delayMs);
  }
}

function wishChanged(planned: MicroVmRecord, now: MicroVmRecord | undefined): boolean {
  return now !== undefined && (now.desired !== planned.desired || now.bootGeneration !== planned.bootGeneration);
}
