/**
 * One QEMU that runs.
 *
 * The process is the truth: `exited` is said when it is gone, and not before. A guest whose kernel panics is given a moment to print its trace and is
 * then ended, so that the cause is kept; a guest that reboots goes on in the same process.
 */
import {
  attempt,
  type Clock,
  PlatformError,
  type Result,
  type Subscription,
  sleep,
  type Timer,
  withDeadline,
} from "@liquidmetal/foundation";
import type {
  CallOptions,
  GuestExit,
  HypervisorEvent,
  Machine,
  ProcessExit,
  ProcessIdentity,
  RunningVmm,
  Spawner,
  StopMode,
  StopOptions,
  UsageSample,
} from "@liquidmetal/microvm";
import { boundLog, tailOfLog } from "../guest/bounded-log.ts";
import { VmmEvents } from "../guest/events.ts";
import { ExitCause } from "../guest/exit-cause.ts";
import { agentUtterance, consoleUtterance, GuestLines, type Utterance } from "../guest/voice.ts";
import { QemuLine, type QemuListener } from "./line.ts";
import type { QemuPaths } from "./paths.ts";
import { type QmpEvent, record } from "./qmp.ts";
import type { QemuTimings } from "./timings.ts";
import { usageSample } from "./usage.ts";

export interface QemuVmmContext {
  readonly machine: Machine;
  readonly process: ProcessIdentity;
  readonly paths: QemuPaths;
  readonly spawner: Spawner;
  readonly clock: Clock;
  readonly timings: QemuTimings;
  /** How long the guest's kernel may be silent after power-on, in milliseconds; 0 = for ever. */
  readonly silenceMs: number;
}

/** Boot code before the kernel may say this much and still hang. */
const spokenBytesMin = 64;
/** Console output between two looks at the size of the logs. */
const logCheckBytes = 64 * 1024;
const logCheckMs = 60_000;
/** From a lost control socket to the end of a dying process. */
const dyingMs = 1_000;

export class QemuVmm implements RunningVmm, QemuListener {
  readonly uid: string;
  readonly process: ProcessIdentity;
  readonly bootGeneration: number;
  /** Resolves when the process is gone and `exited` has been said; never when we have let go before. */
  readonly ended: Promise<GuestExit>;
  readonly #context: QemuVmmContext;
  readonly #events: VmmEvents = new VmmEvents();
  readonly #cause: ExitCause = new ExitCause();
  readonly #line: QemuLine;
  readonly #release: AbortController = new AbortController();
  readonly #consoleLines: GuestLines = new GuestLines();
  readonly #agentLines: GuestLines = new GuestLines();
  readonly #setEnded: (exit: GuestExit) => void;
  #state: "running" | "paused" | "exited" = "running";
  #spokenBytes = 0;
  #uncheckedBytes = 0;
  #watchdog: Timer | undefined;
  #panicTimer: Timer | undefined;
  #logTimer: Timer | undefined;

  constructor(context: QemuVmmContext) {
    this.#context = context;
    this.uid = context.machine.uid;
    this.process = context.process;
    this.bootGeneration = context.machine.bootGeneration;
    this.#line = new QemuLine(context.paths, context.clock, this);
    const { promise, resolve } = Promise.withResolvers<GuestExit>();
    this.ended = promise;
    this.#setEnded = resolve;
    context.spawner.exited(context.process, { signal: this.#release.signal }).then(
      (exit) => this.#finish(exit),
      () => {},
    );
    this.#checkLogsLater();
  }

  /** First connection of a fresh VMM: fails with what QEMU wrote when it dies meanwhile. */
  async connect(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    try {
      await this.#line.connect(timeoutMs, signal);
    } catch (error) {
      // Its sockets close a moment before the process is gone; and why it went is the better answer.
      const exit = await Promise.race([this.ended, sleep(this.#context.clock, dyingMs, signal)]);
      if (exit === undefined) throw error;
      const said = await tailOfLog(this.#context.paths.vmmLog);
      throw new PlatformError(
        "HYPERVISOR_FAILED",
        `QEMU ended while starting (${exit.message})${said === "" ? "" : `: ${said}`}`,
      );
    }
  }

  /** Connects to a VMM that was started earlier. One that does not answer is adopted all the same, so that it can be stopped. */
  async adopt(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    try {
      await Promise.race([this.#line.connect(timeoutMs, signal), this.ended]);
      if (this.#state !== "exited") await this.#learnState();
      this.#askReadiness();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof PlatformError)) throw error;
      this.#line.connectLater();
    }
  }

  /** Lets the guest run for the first time. */
  async begin(options: CallOptions = {}): Promise<void> {
    await this.#line.command("cont", {}, options);
    this.#watch();
  }

  state(): "running" | "paused" | "exited" {
    return this.#state;
  }

  events(options?: { readonly capacity?: number; readonly signal?: AbortSignal }): Subscription<HypervisorEvent> {
    return this.#events.subscribe(options);
  }

  pause(options?: CallOptions): Promise<Result<void, PlatformError>> {
    return this.#command("stop", options);
  }

  resume(options?: CallOptions): Promise<Result<void, PlatformError>> {
    return this.#command("cont", options);
  }

  reset(options?: CallOptions): Promise<Result<void, PlatformError>> {
    return this.#command("system_reset", options);
  }

  stop(mode: StopMode, options: StopOptions = {}): Promise<Result<void, PlatformError>> {
    const { gracefulTimeoutMs = 10_000, timeoutMs, signal } = options;
    const { clock, timings } = this.#context;
    return attempt(() => {
      const most = timeoutMs ?? gracefulTimeoutMs + timings.quitMs + timings.killMs + 5_000;
      const deadline = {
        clock,
        timeoutMs: most,
        waitingFor: "QEMU to end",
        ...(signal === undefined ? {} : { signal }),
      };
      return withDeadline(deadline, async (until) => {
        if (this.#state === "exited") return;
        this.#cause.request();
        if (mode === "graceful" && (await this.#askGuest(gracefulTimeoutMs, until))) return;
        await this.#force(until);
      });
    });
  }

  writeConsole(bytes: Uint8Array): Promise<Result<void, PlatformError>> {
    return attempt(() => this.#line.writeConsole(bytes));
  }

  usage(): Promise<Result<UsageSample, PlatformError>> {
    return attempt(async () => {
      const blockStats = await this.#line.command("query-blockstats");
      const devices = this.#context.machine.interfaces.map((made) => made.hostDevice);
      try {
        return await usageSample(this.process.pid, blockStats, devices);
      } catch (error) {
        throw PlatformError.from(error, "HYPERVISOR_FAILED", "usage cannot be read");
      }
    });
  }

  async detach(): Promise<void> {
    this.#letGo();
    this.#events.close();
  }

  /** Ends the process, whatever state it is in. For a start that failed. */
  async destroy(): Promise<void> {
    this.#cause.request();
    await this.#force(new AbortController().signal);
  }

  onControlEvent(event: QmpEvent): void {
    switch (event.event) {
      case "STOP":
        // A guest that stands still cannot speak.
        this.#watchdog?.cancel();
        if (this.#state === "running" && !this.#cause.panicked) this.#setState("paused");
        break;
      case "RESUME":
        if (this.#state !== "paused") break;
        this.#setState("running");
        if (this.#spokenBytes < spokenBytesMin) this.#watch();
        break;
      case "RESET":
        this.#wasReset();
        break;
      case "SHUTDOWN":
        this.#cause.shutdown(String(event.data["reason"] ?? "unknown"));
        break;
      case "GUEST_PANICKED":
        this.#panicked("reported by its panic device");
        break;
      default:
    }
  }

  onConsole(bytes: Uint8Array): void {
    this.#spoke(bytes.length);
    this.#events.publish({ kind: "console", bytes });
    for (const line of this.#consoleLines.push(bytes)) this.#said(consoleUtterance(line));
    this.#uncheckedBytes += bytes.length;
    if (this.#uncheckedBytes >= logCheckBytes) this.#checkLogs();
  }

  onAgent(bytes: Uint8Array): void {
    this.#spoke(spokenBytesMin);
    for (const line of this.#agentLines.push(bytes)) this.#said(agentUtterance(line));
  }

  onReconnected(): void {
    this.#learnState().catch(() => {});
    this.#askReadiness();
  }

  /** What the guest said while nobody listened is lost: it is asked to say again whether it is ready. A guest without an agent stays silent. */
  #askReadiness(): void {
    this.#line.writeAgent({ command: "status" }).catch(() => {});
  }

  async #learnState(): Promise<void> {
    const status = record(await this.#line.command("query-status"))["status"];
    // The agent died between committing the process and letting it run.
    if (status === "prelaunch") await this.begin();
    else if (status === "paused" && this.#state === "running") this.#setState("paused");
    else if (status === "running" && this.#state === "paused") this.#setState("running");
  }

  #setState(state: "running" | "paused"): void {
    this.#state = state;
    this.#events.publish({ kind: state === "paused" ? "paused" : "resumed" });
  }

  #command(name: string, options: CallOptions = {}): Promise<Result<void, PlatformError>> {
    return attempt(async () => {
      if (this.#state === "exited") throw new PlatformError("PHASE_CONFLICT", "the VMM has ended");
      await this.#line.command(name, {}, options);
    });
  }

  /** Presses the power button and tells the agent. True when the guest has ended by the deadline. */
  async #askGuest(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#context;
    const asking = async (): Promise<void> => {
      // A guest that stands still can follow neither.
      if (this.#state === "paused") await this.#line.command("cont", {}, { signal });
      await this.#line.writeAgent({ command: "shutdown" });
      await this.#line.command("system_powerdown", {}, { signal });
    };
    // What cannot be asked is forced at the deadline.
    asking().catch(() => {});
    const ended = this.ended.then(() => true);
    return Promise.race([ended, sleep(clock, timeoutMs, signal).then(() => false)]);
  }

  async #force(signal: AbortSignal): Promise<void> {
    const { clock, spawner, timings } = this.#context;
    const quit = this.#line.command("quit", {}, { timeoutMs: timings.quitMs, signal });
    const orderly = quit.then(() => Promise.race([this.ended, sleep(clock, timings.quitMs, signal)])).catch(() => {});
    await Promise.race([this.ended, orderly]);
    if (this.#state === "exited") return;
    const verdict = await spawner.signal(this.process, "SIGKILL");
    if (verdict === "unverifiable") {
      throw new PlatformError(
        "PROCESS_UNVERIFIED",
        `process ${this.process.pid} could not be proven to be QEMU of ${this.uid}`,
      );
    }
    const deadline = {
      clock,
      timeoutMs: timings.killMs,
      waitingFor: `process ${this.process.pid} to end after SIGKILL`,
      signal,
    };
    await withDeadline(deadline, () => this.ended);
  }

  /** The kernel has to say something after power-on, or it is taken for hung. */
  #watch(): void {
    const { clock, silenceMs } = this.#context;
    this.#watchdog?.cancel();
    this.#spokenBytes = 0;
    if (silenceMs === 0) return;
    this.#watchdog = clock.timer(silenceMs, () => {
      this.#cause.hang(`the guest's kernel said nothing within ${silenceMs} ms of power-on`);
      this.#end();
    });
  }

  #spoke(bytes: number): void {
    this.#spokenBytes += bytes;
    if (this.#spokenBytes >= spokenBytesMin) this.#watchdog?.cancel();
  }

  #said(utterance: Utterance | undefined): void {
    if (utterance === undefined) return;
    if (utterance.kind === "panicked") this.#panicked(utterance.message);
    else this.#events.publish({ kind: "guest-ready", addresses: utterance.addresses });
  }

  #panicked(message: string): void {
    if (this.#cause.panicked) return;
    this.#cause.panic(message);
    this.#events.publish({ kind: "guest-panicked", message });
    this.#panicTimer = this.#context.clock.timer(this.#context.timings.panicMs, () => this.#end());
  }

  #wasReset(): void {
    if (this.#cause.panicked) {
      this.#end();
      return;
    }
    this.#events.publish({ kind: "guest-reset" });
    this.#watch();
  }

  #end(): void {
    this.#force(this.#release.signal).catch(() => {});
  }

  async #finish(exit: ProcessExit): Promise<void> {
    // What was said before the end is still in the sockets.
    await this.#line.drained(500);
    this.#letGo();
    this.#state = "exited";
    const guestExit = this.#cause.decide(exit, this.#context.clock.nowMs());
    this.#events.finish(guestExit);
    this.#setEnded(guestExit);
  }

  #letGo(): void {
    for (const timer of [this.#watchdog, this.#panicTimer, this.#logTimer]) timer?.cancel();
    this.#line.close();
    this.#release.abort(new PlatformError("CANCELLED", "let go of the VMM"));
  }

  #checkLogs(): void {
    this.#uncheckedBytes = 0;
    const { paths } = this.#context;
    for (const path of [paths.consoleLog, paths.vmmLog]) boundLog(path).catch(() => {});
  }

  #checkLogsLater(): void {
    this.#logTimer = this.#context.clock.timer(logCheckMs, () => {
      this.#checkLogs();
      this.#checkLogsLater();
    });
  }
}
