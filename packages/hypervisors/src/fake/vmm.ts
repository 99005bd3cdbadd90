/** One sleeping machine: the process is real, the guest is a script. */
import {
  attempt,
  type Clock,
  ok,
  PlatformError,
  type Result,
  type Subscription,
  sleep,
  type Timer,
} from "@liquidmetal/foundation";
import type {
  GuestExit,
  HypervisorEvent,
  Machine,
  ProcessIdentity,
  RunningVmm,
  Spawner,
  StopMode,
  StopOptions,
  UsageSample,
} from "@liquidmetal/microvm";
import { VmmEvents } from "../guest/events.ts";
import { ExitCause } from "../guest/exit-cause.ts";
import { GuestLines } from "../guest/voice.ts";
import type { GuestScript } from "./driver.ts";

export interface FakeVmmContext {
  readonly machine: Machine;
  readonly process: ProcessIdentity;
  readonly spawner: Spawner;
  readonly clock: Clock;
  readonly script: GuestScript;
}

export class FakeVmm implements RunningVmm {
  readonly uid: string;
  readonly process: ProcessIdentity;
  readonly bootGeneration: number;
  readonly ended: Promise<GuestExit>;
  readonly #context: FakeVmmContext;
  readonly #events: VmmEvents = new VmmEvents();
  readonly #cause: ExitCause = new ExitCause();
  readonly #release: AbortController = new AbortController();
  readonly #lines: GuestLines = new GuestLines();
  readonly #timers: Set<Timer> = new Set();
  #state: "running" | "paused" | "exited" = "running";

  constructor(context: FakeVmmContext) {
    this.#context = context;
    this.uid = context.machine.uid;
    this.process = context.process;
    this.bootGeneration = context.machine.bootGeneration;
    const { promise, resolve } = Promise.withResolvers<GuestExit>();
    this.ended = promise;
    context.spawner.exited(context.process, { signal: this.#release.signal }).then(
      (exit) => {
        this.#letGo();
        this.#state = "exited";
        const guestExit = this.#cause.decide(exit, context.clock.nowMs());
        this.#events.finish(guestExit);
        resolve(guestExit);
      },
      () => {},
    );
  }

  /** The guest's power-on: what its script does by itself. */
  begin(): void {
    const { neverReady, readyAfterMs = 0, powersOffAfterMs } = this.#context.script;
    if (neverReady !== true) this.#after(readyAfterMs, () => this.#sayReady());
    if (powersOffAfterMs !== undefined) this.#after(powersOffAfterMs, () => this.#powerOff());
  }

  state(): "running" | "paused" | "exited" {
    return this.#state;
  }

  events(options?: { readonly capacity?: number; readonly signal?: AbortSignal }): Subscription<HypervisorEvent> {
    return this.#events.subscribe(options);
  }

  async pause(): Promise<Result<void, PlatformError>> {
    return this.#become("paused");
  }

  async resume(): Promise<Result<void, PlatformError>> {
    return this.#become("running");
  }

  reset(): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      this.#mustLive();
      this.#reboot();
    });
  }

  stop(mode: StopMode, options: StopOptions = {}): Promise<Result<void, PlatformError>> {
    const { gracefulTimeoutMs = 10_000, signal } = options;
    return attempt(async () => {
      if (this.#state === "exited") return;
      this.#cause.request();
      if (mode === "graceful") {
        if (this.#context.script.ignoresGracefulStop !== true) await this.#kill("SIGTERM");
        const waiting = new AbortController();
        const stop = signal === undefined ? waiting.signal : AbortSignal.any([signal, waiting.signal]);
        const late = sleep(this.#context.clock, gracefulTimeoutMs, stop);
        await Promise.race([this.ended, late]);
        waiting.abort();
        late.catch(() => {});
      }
      if (!this.#hasExited()) await this.#kill("SIGKILL");
      await this.ended;
    });
  }

  async writeConsole(bytes: Uint8Array): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      this.#mustLive();
      for (const line of this.#lines.push(bytes)) this.#obey(line);
    });
  }

  async usage(): Promise<Result<UsageSample, PlatformError>> {
    return ok({
      cpuSeconds: 0,
      memoryBytes: 0,
      diskReadBytes: 0,
      diskWrittenBytes: 0,
      networkReceivedBytes: 0,
      networkSentBytes: 0,
    });
  }

  async detach(): Promise<void> {
    this.#letGo();
    this.#events.close();
  }

  #obey(line: string): void {
    const [word = "", ...rest] = line.split(" ");
    if (word === "poweroff") this.#powerOff();
    if (word === "reboot") this.#reboot();
    if (word === "echo") this.#print(`said: ${rest.join(" ")}`);
    if (word === "panic") {
      this.#print("Kernel panic - not syncing: sysrq triggered crash");
      this.#cause.panic("sysrq triggered crash");
      this.#events.publish({ kind: "guest-panicked", message: "sysrq triggered crash" });
      this.#killLater();
    }
  }

  #reboot(): void {
    this.#events.publish({ kind: "guest-reset" });
    if (this.#context.script.neverReady !== true)
      this.#after(this.#context.script.readyAfterMs ?? 0, () => this.#sayReady());
  }

  #powerOff(): void {
    this.#cause.shutdown("guest-shutdown");
    this.#killLater();
  }

  #sayReady(): void {
    const known = this.#context.machine.interfaces.flatMap((made) =>
      made.addresses.map((address) => address.replace(/\/\d+$/, "")),
    );
    this.#events.publish({ kind: "guest-ready", addresses: this.#context.script.addresses ?? known });
  }

  #print(line: string): void {
    this.#events.publish({ kind: "console", bytes: Buffer.from(`${line}\r\n`) });
  }

  #become(state: "running" | "paused"): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      this.#mustLive();
      if (this.#state === state) return;
      this.#state = state;
      this.#events.publish({ kind: state === "paused" ? "paused" : "resumed" });
    });
  }

  #mustLive(): void {
    if (this.#state === "exited") throw new PlatformError("PHASE_CONFLICT", "the VMM has ended");
  }

  #hasExited(): boolean {
    return this.#state === "exited";
  }

  async #kill(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if ((await this.#context.spawner.signal(this.process, signal)) === "unverifiable") {
      throw new PlatformError(
        "PROCESS_UNVERIFIED",
        `process ${this.process.pid} could not be proven to be the VMM of ${this.uid}`,
      );
    }
  }

  #killLater(): void {
    this.#kill("SIGKILL").catch(() => {});
  }

  #after(delayMs: number, act: () => void): void {
    // One turn later at least: whoever started the machine subscribes first.
    const timer = this.#context.clock.timer(delayMs, () => {
      this.#timers.delete(timer);
      if (this.#state !== "exited") act();
    });
    this.#timers.add(timer);
  }

  #letGo(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#release.abort(new PlatformError("CANCELLED", "let go of the VMM"));
  }
}
