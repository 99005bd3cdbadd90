/** flintlockd as a process of its own: started from its command line, waited for, killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Connection, connect } from "@liquidmetal/api/client";
import { childrenOf } from "./processes.ts";

const program: string = join(import.meta.dirname, "../../../packages/host-agent/src/main.ts");
const readyTimeoutMs = 60_000;

export interface AgentEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class AgentProcess implements AsyncDisposable {
  readonly pid: number;
  readonly #ended: Promise<AgentEnd>;
  readonly #child: ChildProcess;
  readonly #socket: string;
  readonly #logPath: string;
  #connection: Connection | undefined;

  constructor(options: {
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly socket: string;
    readonly logPath: string;
  }) {
    const log = openSync(options.logPath, "a");
    const args = ["--disable-warning=ExperimentalWarning", program, "run", ...options.args];
    const env = { PATH: process.env["PATH"], HOME: process.env["HOME"], ...options.env };
    const child = spawn(process.execPath, args, { stdio: ["ignore", log, log], env });
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.#socket = options.socket;
    this.#logPath = options.logPath;
    this.#ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  }

  /** The API, once it answers. Rejects with the end of the log when the process ends before. */
  async ready(): Promise<Connection> {
    if (this.#connection !== undefined) return this.#connection;
    const connection = connect({ address: `unix:${this.#socket}`, timeoutMs: 60_000 });
    const early = this.#ended.then(({ code, signal }) => {
      throw new Error(`flintlockd ended (${code ?? signal}) before it served:\n${this.log().slice(-3_000)}`);
    });
    try {
      await Promise.race([connection.ready(readyTimeoutMs), early]);
    } catch (error) {
      connection.close();
      throw error;
    } finally {
      early.catch(() => undefined);
    }
    this.#connection = connection;
    return connection;
  }

  /** Pid of its spawner. */
  spawner(): number {
    const [pid, ...others] = childrenOf(this.pid).filter(({ command }) => command.includes("spawner"));
    if (pid === undefined || others.length > 0) throw new Error(`flintlockd ${this.pid} has not one spawner`);
    return pid.pid;
  }

  log(): string {
    return readFileSync(this.#logPath, "utf8");
  }

  /** How it ended. Rejects when it has not by the deadline. */
  async end(timeoutMs: number = 60_000): Promise<AgentEnd> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`flintlockd has not ended within ${timeoutMs} ms`)),
      timeoutMs,
    );
    try {
      return await Promise.race([this.#ended, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<AgentEnd> {
    this.#connection?.close();
    this.#connection = undefined;
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
    return await this.end(15_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
