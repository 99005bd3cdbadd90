/**
 * The agent's side of the spawner: starts its process, keeps it running, and turns the port's calls into messages.
 *
 * When the spawner dies it is started again with a capped, jittered delay. Calls that were under way fail with SPAWNER_UNAVAILABLE — whether they took
 * effect is then not known, so callers look by token — but waits for exits are asked again and go on: nobody who waits notices.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  backoffDelayMs,
  type Clock,
  type Entropy,
  err,
  ok,
  PlatformError,
  type Result,
  systemClock,
  systemEntropy,
} from "@liquidmetal/foundation";
import type {
  LivenessVerdict,
  ProcessExit,
  ProcessIdentity,
  RunRequest,
  RunResult,
  Spawner,
  SpawnRequest,
} from "@liquidmetal/microvm";
import { Channel } from "./channel.ts";
import { type Operation, type Operations, outputBytesMax, type SignalName } from "./protocol.ts";

export interface SpawnerOptions {
  /** Parent of every cgroup, below the root of each hierarchy. Default `liquidmetal`. */
  readonly cgroupRoot?: string;
  /** The spawner's own program. Default: the one of this checkout or release. */
  readonly processPath?: string;
  /** What the spawner's process writes to its standard error, line by line: limits it had to leave out, and defects. */
  readonly onNotice?: (message: string) => void;
  /** Called whenever the process had died and is started again. */
  readonly onRestart?: (pid: number) => void;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
}

/** A spawner in a process of its own. */
export interface ProcessSpawner extends Spawner {
  /** Pid of the spawner's process; undefined while it is being started again. */
  readonly pid: number | undefined;
}

/** Starts the spawner's process. Rejects with SPAWNER_UNAVAILABLE when that is not possible. */
export async function startSpawner(options: SpawnerOptions = {}): Promise<ProcessSpawner> {
  const client = new SpawnerClient(options);
  await client.begin();
  return client;
}

const callTimeoutMs = 30_000;
/** How long a call waits for a spawner that is being started again, in milliseconds. */
const restartWaitMs = 10_000;

class SpawnerClient implements ProcessSpawner {
  readonly #options: SpawnerOptions;
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  #process: ChildProcess | undefined;
  #channel: Promise<Channel>;
  #setChannel: { resolve(channel: Channel): void; reject(error: unknown): void };
  #deaths = 0;
  #closed = false;

  constructor(options: SpawnerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#entropy = options.entropy ?? systemEntropy;
    const { promise, ...set } = Promise.withResolvers<Channel>();
    this.#channel = promise;
    this.#setChannel = set;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  async begin(): Promise<void> {
    this.#launch();
    const channel = await this.#channel;
    // The first answer proves that it works, not only that it was forked.
    await channel.call("find", { prefix: "liquidmetal-none" }, { timeoutMs: callTimeoutMs });
  }

  async spawn(request: SpawnRequest): Promise<Result<ProcessIdentity, PlatformError>> {
    return this.#ask("spawn", request, { timeoutMs: callTimeoutMs });
  }

  async run(request: RunRequest): Promise<Result<RunResult, PlatformError>> {
    const { signal, ...ask } = request;
    if ((ask.stdin?.length ?? 0) > outputBytesMax) {
      return err(
        new PlatformError("REQUEST_INVALID", `the input of ${ask.program} is longer than ${outputBytesMax} bytes`),
      );
    }
    // The spawner keeps the deadline; ours is the second line, should it hang.
    const timeoutMs = (ask.timeoutMs ?? 30_000) + 5_000;
    return this.#ask("run", ask, { timeoutMs, ...(signal === undefined ? {} : { signal }) });
  }

  async signal(identity: ProcessIdentity, signal: SignalName): Promise<LivenessVerdict> {
    const answer = await this.#ask("signal", { identity, signal }, { timeoutMs: callTimeoutMs });
    return answer.ok ? answer.value : "unverifiable";
  }

  async verdict(identity: ProcessIdentity): Promise<LivenessVerdict> {
    const answer = await this.#ask("verdict", { identity }, { timeoutMs: callTimeoutMs });
    return answer.ok ? answer.value : "unverifiable";
  }

  async exited(identity: ProcessIdentity, options: { readonly signal?: AbortSignal } = {}): Promise<ProcessExit> {
    const { signal } = options;
    for (;;) {
      signal?.throwIfAborted();
      try {
        const channel = await this.#channel;
        return await channel.call("exited", { identity }, signal === undefined ? {} : { signal });
      } catch (error) {
        const again = error instanceof PlatformError && error.code === "SPAWNER_UNAVAILABLE" && !this.#closed;
        if (!again) throw error;
      }
    }
  }

  async findByTokenPrefix(prefix: string): Promise<readonly ProcessIdentity[]> {
    const answer = await this.#ask("find", { prefix }, { timeoutMs: callTimeoutMs });
    if (!answer.ok) throw answer.error;
    return answer.value;
  }

  async removeCgroup(name: string): Promise<void> {
    const answer = await this.#ask("removeCgroup", { name }, { timeoutMs: callTimeoutMs });
    if (!answer.ok) throw answer.error;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const child = this.#process;
    const gone = child === undefined ? Promise.resolve() : new Promise((resolve) => child.once("close", resolve));
    this.#setChannel.reject(closedError());
    this.#channel.then(
      (channel) => channel.close(closedError()),
      () => {},
    );
    await gone;
  }

  async #ask<O extends Operation>(
    operation: O,
    ask: Operations[O]["ask"],
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Result<Operations[O]["answer"], PlatformError>> {
    try {
      const channel = await this.#connected();
      return ok(await channel.call(operation, ask, options));
    } catch (error) {
      return err(PlatformError.from(error, "SPAWNER_UNAVAILABLE"));
    }
  }

  async #connected(): Promise<Channel> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = this.#clock.timer(restartWaitMs, () =>
      reject(new PlatformError("SPAWNER_UNAVAILABLE", `the spawner could not be started within ${restartWaitMs} ms`)),
    );
    try {
      return await Promise.race([this.#channel, late]);
    } finally {
      timer.cancel();
    }
  }

  #launch(): void {
    const program = this.#options.processPath ?? ownProgram();
    const settings = JSON.stringify({ cgroupRoot: this.#options.cgroupRoot ?? "liquidmetal" });
    const child = spawn(process.execPath, ["--max-old-space-size=64", "--max-semi-space-size=1", program, settings], {
      detached: true,
      cwd: "/",
      env: { PATH: process.env["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
      stdio: ["ignore", "ignore", "pipe", "pipe"],
    });
    this.#process = child;
    const startedMs = this.#clock.monotonicMs();
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      for (const line of text.split("\n")) if (line !== "") this.#options.onNotice?.(line.slice(0, 2_000));
    });
    const stream = child.stdio[3];
    const channel = new Channel(stream as import("node:net").Socket, this.#clock);
    let dead = false;
    const die = (why: string): void => {
      if (dead) return;
      dead = true;
      channel.close(new PlatformError("SPAWNER_UNAVAILABLE", `the spawner's process ended (${why})`));
      if (this.#clock.monotonicMs() - startedMs > 60_000) this.#deaths = 0;
      this.#revive();
    };
    child.once("error", (error) => die(error.message));
    child.once("exit", (code, signal) => die(signal ?? `code ${code}`));
    // At once, not when the process has ended: until then whoever asks again would be given the closed channel, without end.
    channel.onClosed(() => {
      child.kill("SIGTERM");
      die("its connection was lost");
    });
    this.#setChannel.resolve(channel);
  }

  #revive(): void {
    this.#process = undefined;
    if (this.#closed) return;
    this.#deaths++;
    const { promise, ...set } = Promise.withResolvers<Channel>();
    // Nobody may be waiting for it when it is rejected by close().
    promise.catch(() => {});
    this.#channel = promise;
    this.#setChannel = set;
    const delayMs =
      this.#deaths === 1 ? 0 : backoffDelayMs(this.#deaths - 1, this.#entropy.fraction(), { baseMs: 50, capMs: 5_000 });
    this.#clock.timer(delayMs, () => {
      if (this.#closed) return;
      this.#launch();
      this.#options.onRestart?.(this.#process?.pid ?? 0);
    });
  }
}

/** The spawner's own program: in its folder in a checkout; in a release beside the agent's, which may itself lie in a folder of shared chunks. */
function ownProgram(): string {
  const here = import.meta.dirname;
  if (import.meta.filename.endsWith(".ts")) return join(here, "process/main.ts");
  const beside = join(here, "spawner.mjs");
  return existsSync(beside) ? beside : join(dirname(here), "spawner.mjs");
}

function closedError(): PlatformError {
  return new PlatformError("SPAWNER_UNAVAILABLE", "the spawner was closed");
}
