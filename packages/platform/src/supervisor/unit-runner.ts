/**
 * Keeps one unit running: takes over what runs already, starts it otherwise, waits until it is ready, starts it again when it ends.
 *
 * The process is in a session of its own with its output in a file: neither the supervisor's death nor the terminal's touches it.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { backoffDelayMs, type Clock, type Entropy, sleep } from "@liquidmetal/foundation";
import { ended, terminate } from "../process/ending.ts";
import { containerdVersion, isServing, saysNothing } from "../process/grpc-probe.ts";
import { askHttp, silent } from "../process/http-probe.ts";
import { bootId, identify, isAlive, type ProcessIdentity, tokenVariable } from "../process/identity.ts";
import { openLog } from "../process/log-file.ts";
import { liveProcess, type ProcessRecords } from "../process/record.ts";
import { fingerprintOf, type Unit } from "./plan.ts";
import type { UnitState, UnitStatus } from "./status.ts";

export interface UnitRunnerOptions {
  readonly unit: Unit;
  readonly platform: string;
  readonly records: ProcessRecords;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  readonly silenceLimitMs: number;
  readonly onChange: () => void;
}

/** A run this long ends the counting of failures, milliseconds. */
const goodRunMs = 60_000;
const probeTimeoutMs = 1_000;
const probePauseMs = 50;
/** Asking over TLS costs more. */
const httpPauseMs = 200;
const httpTimeoutMs = 5_000;
const looksPerSilence = 12;

export class UnitRunner {
  readonly #options: UnitRunnerOptions;
  readonly #leaving: AbortController = new AbortController();
  #state: UnitState = "waiting";
  #process: ProcessIdentity | undefined;
  #adopted = false;
  #restarts = 0;
  #failures = 0;
  #detail = "";
  #wasReady = false;
  readonly #ready: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  constructor(options: UnitRunnerOptions) {
    this.#options = options;
  }

  get unit(): Unit {
    return this.#options.unit;
  }

  get wasReady(): boolean {
    return this.#wasReady;
  }

  /** Resolves when the unit was ready for the first time. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  status(): UnitStatus {
    return {
      name: this.unit.name,
      state: this.#state,
      pid: this.#process?.pid ?? null,
      adopted: this.#adopted,
      restarts: this.#restarts,
      detail: this.#detail,
    };
  }

  /** Runs until `leave` or `stop`. `before`: resolves when the units that it needs are ready. */
  async run(before: Promise<unknown>): Promise<void> {
    const { signal } = this.#leaving;
    const left = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    await Promise.race([before, left]);
    while (!signal.aborted) {
      const startedMs = this.#options.clock.monotonicMs();
      try {
        const identity = await this.#takeOverOrStart();
        await this.#awaitReady(identity, signal);
        this.#wasReady = true;
        this.#become("ready", "");
        this.#ready.resolve();
        await this.#untilEndedOrSilent(identity, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#detail = error instanceof Error ? error.message : String(error);
      }
      this.#process = undefined;
      await this.#pause(this.#options.clock.monotonicMs() - startedMs, signal);
    }
  }

  /** Lets go of the process, which lives on. */
  leave(): void {
    this.#leaving.abort(new Error("the supervisor leaves"));
  }

  /** Ends the process, if it runs. */
  async stop(): Promise<void> {
    this.leave();
    this.#become("stopping", "");
    const record = this.#options.records.read(this.unit.name);
    const identity = this.#process ?? (record === undefined ? undefined : liveProcess(record));
    if (identity !== undefined) await terminate(identity, this.#options.clock, this.unit.stopTimeoutMs);
    this.#options.records.remove(this.unit.name);
    this.#process = undefined;
    this.#become("stopped", "");
  }

  async #takeOverOrStart(): Promise<ProcessIdentity> {
    const { records, clock } = this.#options;
    const record = records.read(this.unit.name);
    const living = record === undefined ? undefined : liveProcess(record);
    if (living !== undefined && record?.fingerprint === fingerprintOf(this.unit)) {
      this.#adopted = true;
      this.#process = living;
      records.write({ ...record, identity: living });
      this.#become("starting", "taken over");
      return living;
    }
    if (living !== undefined) await terminate(living, clock, this.unit.stopTimeoutMs);
    this.#adopted = false;
    this.#become("starting", "");
    return this.#start();
  }

  #start(): Promise<ProcessIdentity> {
    const { unit } = this;
    const { platform, records } = this.#options;
    const token = `lm-${platform}-${unit.name}-${randomBytes(8).toString("hex")}`;
    const record = { unit: unit.name, token, fingerprint: fingerprintOf(unit) };
    records.write(record);
    const log = openLog(unit.logPath);
    return new Promise((resolve, reject) => {
      const { program, args, env } = commandOf(unit, token);
      const child = spawn(program, args, {
        argv0: `${basename(program)}:${token}`,
        cwd: "/",
        detached: true,
        env,
        stdio: ["ignore", log.descriptor, log.descriptor],
      });
      log.close();
      child.once("error", (error) => reject(new Error(`${unit.program} cannot be started: ${error.message}`)));
      child.once("exit", (code, signal) => {
        this.#detail = code === null ? `it was ended by ${signal ?? "a signal"}` : `it ended with exit code ${code}`;
      });
      child.once("spawn", () => {
        child.unref();
        const identity =
          child.pid === undefined ? undefined : (identify(child.pid, token) ?? this.#unread(child.pid, token));
        if (identity === undefined) {
          reject(new Error(`${unit.program} ended at once`));
          return;
        }
        this.#process = identity;
        records.write({ ...record, identity });
        this.#options.onChange();
        resolve(identity);
      });
    });
  }

  /** The command line can be read only an instant after `spawn` in rare cases; a second look decides. */
  #unread(pid: number, token: string): ProcessIdentity | undefined {
    const again = identify(pid, token);
    return again === undefined ? undefined : { ...again, bootId: bootId() };
  }

  async #awaitReady(identity: ProcessIdentity, signal: AbortSignal): Promise<void> {
    const { unit } = this;
    const deadlineMs = this.#options.clock.monotonicMs() + unit.readyTimeoutMs;
    for (;;) {
      if (!isAlive(identity))
        throw new Error(
          this.#detail === "" || this.#detail === "taken over" ? "it ended before it was ready" : this.#detail,
        );
      if (await this.#works()) return;
      signal.throwIfAborted();
      if (this.#options.clock.monotonicMs() > deadlineMs) {
        await terminate(identity, this.#options.clock, unit.stopTimeoutMs);
        throw new Error(`it was not ready within ${Math.round(unit.readyTimeoutMs / 1_000)} s`);
      }
      await sleep(this.#options.clock, unit.readiness.kind === "http" ? httpPauseMs : probePauseMs, signal);
    }
  }

  /** One that hangs is not there either. That it says "not ready" is no reason to end it: it knows better what it waits for. */
  async #untilEndedOrSilent(identity: ProcessIdentity, signal: AbortSignal): Promise<void> {
    const { clock, silenceLimitMs } = this.#options;
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const end = ended(identity, clock, either).then(() => "it ended");
    const silence = this.#silence(either);
    try {
      this.#detail = await Promise.race([end, silence]);
    } finally {
      over.abort();
      void Promise.allSettled([end, silence]);
    }
    if (!isAlive(identity)) return;
    await terminate(identity, clock, this.unit.stopTimeoutMs);
    throw new Error(`it said nothing for ${Math.round(silenceLimitMs / 1_000)} s`);
  }

  /** Resolves when nothing came for too long. */
  async #silence(signal: AbortSignal): Promise<string> {
    const { clock, silenceLimitMs } = this.#options;
    const lookMs = silenceLimitMs / looksPerSilence;
    let heardMs = clock.monotonicMs();
    for (;;) {
      await sleep(clock, lookMs, signal);
      // The look itself may take its time: a machine that slept, or stood still, is no silence of the unit.
      const askedMs = clock.monotonicMs();
      if (!(await this.#isSilent(lookMs))) heardMs = clock.monotonicMs();
      else if (clock.monotonicMs() - askedMs > silenceLimitMs / 2) heardMs = clock.monotonicMs();
      if (clock.monotonicMs() - heardMs >= silenceLimitMs) return "it is silent";
    }
  }

  async #isSilent(timeoutMs: number): Promise<boolean> {
    const { readiness } = this.unit;
    switch (readiness.kind) {
      case "containerd":
      case "agent":
        return saysNothing(readiness.socket, timeoutMs);
      case "http":
        return (await askHttp(readiness, timeoutMs)) === silent;
      default:
        return false;
    }
  }

  async #works(): Promise<boolean> {
    const { readiness } = this.unit;
    switch (readiness.kind) {
      case "containerd":
        return (await containerdVersion(readiness.socket, probeTimeoutMs)) !== undefined;
      case "agent":
        return isServing(readiness.socket, probeTimeoutMs);
      case "file":
        return existsSync(readiness.path);
      case "http":
        return this.#says(await askHttp(readiness, httpTimeoutMs));
      case "running":
        return true;
      default:
        return readiness satisfies never;
    }
  }

  /** What it waits for stands in its status, as long as it runs. */
  #says(answer: string): boolean {
    if (answer !== "ready" && this.#state === "starting" && this.#detail !== answer) this.#become("starting", answer);
    return answer === "ready";
  }

  async #pause(ranMs: number, signal: AbortSignal): Promise<void> {
    const { clock, entropy, backoffBaseMs, backoffCapMs } = this.#options;
    this.#failures = ranMs >= goodRunMs ? 1 : this.#failures + 1;
    this.#restarts += 1;
    const delayMs = backoffDelayMs(this.#failures, entropy.fraction(), { baseMs: backoffBaseMs, capMs: backoffCapMs });
    this.#become("backoff", `${this.#detail}; started again in ${(delayMs / 1_000).toFixed(1)} s`);
    await sleep(clock, delayMs, signal).catch(() => undefined);
  }

  #become(state: UnitState, detail: string): void {
    this.#state = state;
    this.#detail = detail;
    this.#options.onChange();
  }
}

/** nsenter becomes the program, with a command line that does not carry our token any more: the environment does. */
function commandOf(
  unit: Unit,
  token: string,
): { readonly program: string; readonly args: readonly string[]; readonly env: NodeJS.ProcessEnv } {
  const { program, args, env, networkNamespace } = unit;
  if (networkNamespace === undefined) return { program, args, env: { ...env } };
  return {
    program: "nsenter",
    args: [`--net=/run/netns/${networkNamespace}`, "--", program, ...args],
    env: { ...env, [tokenVariable]: token },
  };
}
