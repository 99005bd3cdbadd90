/**
 * A spawner in memory, for tests and the simulator: its processes live only in a table.
 *
 * Every program that `programs` knows can be spawned and runs until it is signalled or `end` is called; commands answer by `command`. It passes the same
 * conformance suite as the real one, as far as no kernel is needed.
 */
import { err, ok, PlatformError, type Result } from "@liquidmetal/foundation";
import type {
  LivenessVerdict,
  ProcessExit,
  ProcessIdentity,
  RunRequest,
  RunResult,
  Spawner,
  SpawnRequest,
} from "@liquidmetal/microvm";

export interface FakeSpawnerOptions {
  /** Names of programs that exist. Default: all but names that contain `missing`. */
  readonly programs?: (program: string) => boolean;
  /** Answers short commands; undefined = it hangs until its deadline. Default: code 0 and no output. */
  readonly command?: (request: RunRequest) => RunResult | undefined;
}

interface FakeProcess {
  readonly identity: ProcessIdentity;
  readonly request: SpawnRequest;
  readonly exited: PromiseWithResolvers<ProcessExit>;
  exit?: ProcessExit;
}

/** The processes of one host, shared by the spawners that follow each other on it. */
interface FakeProcessTable {
  readonly processes: Map<number, FakeProcess>;
  nextPid: number;
}

type Signal = Parameters<Spawner["signal"]>[1];

export class FakeSpawner implements Spawner {
  readonly bootId = "00000000-0000-4000-8000-000000000000";
  readonly #options: FakeSpawnerOptions;
  readonly #table: FakeProcessTable;
  #closed = false;

  constructor(options: FakeSpawnerOptions = {}, table: FakeProcessTable = { processes: new Map(), nextPid: 1_000 }) {
    this.#options = options;
    this.#table = table;
  }

  /** The spawner of the next agent on the same host: it finds the processes of this one alive. */
  successor(): FakeSpawner {
    return new FakeSpawner(this.#options, this.#table);
  }

  /** Requests of the processes that live. */
  get living(): readonly SpawnRequest[] {
    return this.#alive().map((process) => process.request);
  }

  /** Ends a process as if by itself. */
  end(identity: ProcessIdentity, how: { readonly code?: number; readonly signal?: string } = { code: 0 }): void {
    const process = this.#find(identity);
    if (process === undefined || process.exit !== undefined) return;
    process.exit = { identity: process.identity, ...how };
    process.exited.resolve(process.exit);
  }

  async spawn(request: SpawnRequest): Promise<Result<ProcessIdentity, PlatformError>> {
    if (this.#closed) return err(new PlatformError("SPAWNER_UNAVAILABLE", "the spawner was closed"));
    if (!this.#exists(request.program))
      return err(new PlatformError("PROCESS_FAILED", `${request.program}: not found`));
    const pid = this.#table.nextPid++;
    const identity = { pid, startTime: String(pid * 10), bootId: this.bootId, token: request.token };
    this.#table.processes.set(pid, { identity, request, exited: Promise.withResolvers() });
    return ok(identity);
  }

  async run(request: RunRequest): Promise<Result<RunResult, PlatformError>> {
    if (this.#closed) return err(new PlatformError("SPAWNER_UNAVAILABLE", "the spawner was closed"));
    if (!this.#exists(request.program))
      return err(new PlatformError("PROCESS_FAILED", `${request.program}: not found`));
    const { command = () => ({ code: 0, stdout: "", stderr: "" }) } = this.#options;
    const result = command(request);
    if (result !== undefined) return ok(result);
    const text = `${request.program} took longer than ${request.timeoutMs ?? 30_000} ms and was killed`;
    return err(new PlatformError("DEADLINE_EXCEEDED", text));
  }

  async signal(identity: ProcessIdentity, signal: Signal): Promise<LivenessVerdict> {
    const verdict = await this.verdict(identity);
    if (verdict === "alive" && signal !== "SIGSTOP" && signal !== "SIGCONT") this.end(identity, { signal });
    return verdict;
  }

  async verdict(identity: ProcessIdentity): Promise<LivenessVerdict> {
    const process = this.#find(identity);
    if (process === undefined || process.exit !== undefined) return "gone";
    return process.identity.token === identity.token ? "alive" : "unverifiable";
  }

  exited(identity: ProcessIdentity, options: { readonly signal?: AbortSignal } = {}): Promise<ProcessExit> {
    const { signal } = options;
    const process = this.#find(identity);
    if (process === undefined) return Promise.resolve({ identity });
    return new Promise((resolve, reject) => {
      const cancel = (): void => reject(signal?.reason);
      if (signal?.aborted) return cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      process.exited.promise.then((exit) => {
        signal?.removeEventListener("abort", cancel);
        resolve(exit);
      }, reject);
    });
  }

  async findByTokenPrefix(prefix: string): Promise<readonly ProcessIdentity[]> {
    return this.#alive()
      .map((process) => process.identity)
      .filter((identity) => identity.token.startsWith(prefix));
  }

  async removeCgroup(): Promise<void> {}

  async close(): Promise<void> {
    this.#closed = true;
  }

  #alive(): FakeProcess[] {
    return [...this.#table.processes.values()].filter((process) => process.exit === undefined);
  }

  #find(identity: ProcessIdentity): FakeProcess | undefined {
    const process = this.#table.processes.get(identity.pid);
    return process?.identity.startTime === identity.startTime && identity.bootId === this.bootId ? process : undefined;
  }

  #exists(program: string): boolean {
    const { programs = (name: string) => !name.includes("missing") } = this.#options;
    return programs(program);
  }
}
