/** Runs all units of a platform: starts them in order, stops them in the opposite order, looks after their logs. */
import { type Clock, type Entropy, sleep } from "@liquidmetal/foundation";
import { terminate } from "../process/ending.ts";
import { rotateLog } from "../process/log-file.ts";
import { liveProcess, ProcessRecords } from "../process/record.ts";
import { planFingerprint, type SupervisorPlan, type Unit } from "./plan.ts";
import type { SupervisorStatus, UnitStatus } from "./status.ts";
import { UnitRunner } from "./unit-runner.ts";

const logLookMs = 10_000;
const strangerStopMs = 15_000;
const defaultSilenceLimitMs = 180_000;

export class Supervisor {
  readonly #plan: SupervisorPlan;
  readonly #clock: Clock;
  readonly #records: ProcessRecords;
  readonly #runners: readonly UnitRunner[];
  readonly #listeners: Set<() => void> = new Set();
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  readonly #logs: AbortController = new AbortController();
  readonly #startedAtMs: number;
  #stopping = false;

  constructor(plan: SupervisorPlan, clock: Clock, entropy: Entropy) {
    this.#plan = plan;
    this.#clock = clock;
    this.#startedAtMs = clock.nowMs();
    const records = new ProcessRecords(plan.recordDirectory);
    this.#records = records;
    const { platform, backoffBaseMs, backoffCapMs, silenceLimitMs = defaultSilenceLimitMs } = plan;
    const onChange = (): void => {
      for (const listener of this.#listeners) listener();
    };
    this.#runners = plan.units.map(
      (unit) =>
        new UnitRunner({
          unit,
          platform,
          records,
          clock,
          entropy,
          backoffBaseMs,
          backoffCapMs,
          silenceLimitMs,
          onChange,
        }),
    );
  }

  /** Resolves when the supervisor has been told to stop or to leave, and has done so. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  start(): void {
    for (const runner of this.#runners) {
      const before = this.#runners
        .filter((other) => runner.unit.after.includes(other.unit.name))
        .map((other) => other.ready);
      void runner.run(Promise.all(before));
    }
    void this.#endOthers();
    void this.#lookAfterLogs();
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  status(): SupervisorStatus {
    return {
      platform: this.#plan.platform,
      pid: process.pid,
      planFingerprint: planFingerprint(this.#plan),
      startedAtMs: this.#startedAtMs,
      stopping: this.#stopping,
      units: this.#runners.map((runner) => this.#told(runner)),
    };
  }

  #told(runner: UnitRunner): UnitStatus {
    const status = runner.status();
    if (status.state !== "waiting") return status;
    const missing = this.#runners.filter(({ unit, wasReady }) => runner.unit.after.includes(unit.name) && !wasReady);
    return { ...status, detail: `waits for ${missing.map(({ unit }) => unit.name).join(", ")}` };
  }

  /** Ends all units, the last started first. */
  async stop(): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true;
      // None is started again while the others end.
      for (const runner of this.#runners) runner.leave();
      for (const runner of [...this.#runners].reverse()) await runner.stop();
      this.#end();
    }
    await this.#ended.promise;
  }

  /** Ends the units of a group, the last started first; the others go on. A group that has ended stays so until another supervisor starts. */
  async stopGroup(group: NonNullable<Unit["group"]>): Promise<void> {
    const runners = this.#runners.filter(({ unit }) => unit.group === group).reverse();
    for (const runner of runners) runner.leave();
    for (const runner of runners) await runner.stop();
  }

  /** Ends the supervisor alone; the units live on and are taken over by the next one. */
  leave(): void {
    for (const runner of this.#runners) runner.leave();
    this.#end();
  }

  #end(): void {
    this.#logs.abort();
    this.#ended.resolve();
  }

  /** What an earlier plan had and this one has not: nobody else would ever end it. */
  async #endOthers(): Promise<void> {
    const others = this.#records.all().filter(({ unit }) => !this.#plan.units.some(({ name }) => name === unit));
    for (const record of others) {
      const identity = liveProcess(record);
      if (identity !== undefined) await terminate(identity, this.#clock, strangerStopMs);
      this.#records.remove(record.unit);
    }
  }

  async #lookAfterLogs(): Promise<void> {
    const { signal } = this.#logs;
    while (!signal.aborted) {
      for (const { unit } of this.#runners) rotateLog(unit.logPath);
      await sleep(this.#clock, logLookMs, signal).catch(() => undefined);
    }
  }
}
