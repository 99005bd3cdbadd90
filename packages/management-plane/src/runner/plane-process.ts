/**
 * One process of the plane: started, watched until it is ready, killed, started again. Its output goes to a file that is appended to.
 *
 * It dies with its parent (PR_SET_PDEATHSIG): a killed test or supervisor leaves nothing behind.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { open, readFile } from "node:fs/promises";
import { type Clock, PlatformError, systemClock } from "@liquidmetal/foundation";
import type { ProcessPlan } from "../plan/process-plan.ts";
import { awaitReady } from "./readiness.ts";

export interface PlaneProcessOptions {
  /** File that is run for the plan's program. */
  readonly file: string;
  readonly logFile: string;
  readonly clock?: Clock;
}

const stopMs = 15_000;
const keptLogBytes = 2_000;

export class PlaneProcess implements AsyncDisposable {
  readonly plan: ProcessPlan;
  readonly logFile: string;
  readonly #file: string;
  readonly #clock: Clock;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(plan: ProcessPlan, options: PlaneProcessOptions) {
    this.plan = plan;
    this.logFile = options.logFile;
    this.#file = options.file;
    this.#clock = options.clock ?? systemClock;
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    return this.running ? this.#child?.pid : undefined;
  }

  get running(): boolean {
    const child = this.#child;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Resolves when the process has ended, however. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Starts it and waits until it is ready. PROCESS_FAILED with the end of its log when it ends before. A process that gets not ready in time is killed. */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.running) return;
    signal?.throwIfAborted();
    const { plan } = this;
    const log = await open(this.logFile, "a", 0o600);
    const over = new AbortController();
    try {
      const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", this.#file, ...plan.arguments], {
        env: { ...process.env, ...plan.environment },
        stdio: ["ignore", log.fd, log.fd],
      });
      this.#child = child;
      this.#ended = new Promise((resolve) => {
        child.once("error", (error) => {
          over.abort(PlatformError.from(error, "PROCESS_FAILED", plan.name));
          resolve();
        });
        child.once("exit", (code, killedBy) => {
          over.abort(
            new PlatformError("PROCESS_FAILED", `${plan.name} ended with ${killedBy ?? code} before it was ready`),
          );
          resolve();
        });
      });
    } finally {
      await log.close();
    }
    const either = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
    try {
      await awaitReady(plan.ready, { name: plan.name, clock: this.#clock, signal: either });
    } catch (error) {
      await this.kill();
      signal?.throwIfAborted();
      throw await this.#explained(error);
    }
  }

  /** At once, without a word to the process; resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.running) this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  /** By SIGTERM; killed when it has not ended after 15 s. */
  async stop(): Promise<void> {
    if (!this.running) return;
    this.#child?.kill("SIGTERM");
    const timer = this.#clock.timer(stopMs, () => this.#child?.kill("SIGKILL"));
    await this.#ended;
    timer.cancel();
  }

  /** SIGSTOP: it stays there and says nothing more, as on a machine that hangs. `resume` ends it. */
  pause(): void {
    if (this.running) this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    if (this.running) this.#child?.kill("SIGCONT");
  }

  async restart(signal?: AbortSignal): Promise<void> {
    await this.kill();
    await this.start(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #explained(error: unknown): Promise<PlatformError> {
    const said = (await readFile(this.logFile, "utf8").catch(() => "")).slice(-keptLogBytes);
    const { code, message } = PlatformError.from(error, "PROCESS_FAILED");
    return new PlatformError(code, `${message}; its log ends with: ${said}`, {
      cause: error,
      remedy: `read ${this.logFile}`,
    });
  }
}
