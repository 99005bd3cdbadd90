/**
 * A client of QEMU's machine protocol (QMP, docs/interop/qmp-spec): JSON objects, one a line; a greeting, then replies matched by id, and events.
 *
 * QEMU serves one client at a time on this socket: another one is accepted but not greeted, so a greeting that does not come is reported as that.
 */
import { createConnection, type Socket } from "node:net";
import { type Clock, PlatformError, sleep, withDeadline } from "@liquidmetal/foundation";

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface QmpOptions {
  readonly clock: Clock;
  /** For the connection, the greeting and the negotiation together, in milliseconds. */
  readonly timeoutMs: number;
  readonly onEvent: (event: QmpEvent) => void;
  readonly signal?: AbortSignal;
}

type Waiting = PromiseWithResolvers<unknown>;

const lineBytesMax = 4 * 1024 * 1024;
const commandTimeoutMs = 5_000;

export class QmpClient {
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #onEvent: (event: QmpEvent) => void;
  readonly #waiting: Map<number, Waiting> = new Map();
  readonly #greeting: Waiting = Promise.withResolvers();
  #buffer = "";
  #nextId = 1;

  private constructor(socket: Socket, options: QmpOptions) {
    this.#socket = socket;
    this.#clock = options.clock;
    this.#onEvent = options.onEvent;
    this.#greeting.promise.catch(() => {});
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#receive(text));
    socket.on("error", () => {});
    socket.on("close", () => {
      const lost = new PlatformError("HYPERVISOR_FAILED", "QEMU closed its control socket");
      for (const waiting of this.#waiting.values()) waiting.reject(lost);
      this.#waiting.clear();
      this.#greeting.reject(lost);
      resolve();
    });
  }

  /** Connects (waiting for the socket to appear) and negotiates. Rejects with HYPERVISOR_TIMEOUT at the deadline. */
  static async connect(path: string, options: QmpOptions): Promise<QmpClient> {
    const socket = await connectSocket(path, options);
    const client = new QmpClient(socket, options);
    try {
      await withDeadline({ ...options, waitingFor: "QEMU's greeting" }, () => client.#greeting.promise);
      await client.execute("qmp_capabilities", {}, options);
      return client;
    } catch (error) {
      client.close();
      throw timeoutOf(error, "QEMU did not greet on its control socket; another client may hold it");
    }
  }

  /** Runs a command. Rejects with HYPERVISOR_FAILED (QEMU's own words) or HYPERVISOR_TIMEOUT. */
  async execute(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<unknown> {
    const id = this.#nextId++;
    const waiting: Waiting = Promise.withResolvers();
    waiting.promise.catch(() => {});
    if (this.#socket.destroyed) throw new PlatformError("HYPERVISOR_FAILED", "QEMU's control socket is closed");
    this.#waiting.set(id, waiting);
    const { timeoutMs = commandTimeoutMs, signal } = options;
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    try {
      const deadline = {
        clock: this.#clock,
        timeoutMs,
        waitingFor: `QEMU to ${command}`,
        ...(signal === undefined ? {} : { signal }),
      };
      return await withDeadline(deadline, () => waiting.promise);
    } catch (error) {
      throw timeoutOf(error, `QEMU did not answer '${command}' within ${timeoutMs} ms`);
    } finally {
      this.#waiting.delete(id);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#buffer += text;
    if (this.#buffer.length > lineBytesMax) {
      this.#socket.destroy();
      return;
    }
    for (let end = this.#buffer.indexOf("\n"); end >= 0; end = this.#buffer.indexOf("\n")) {
      const line = this.#buffer.slice(0, end);
      this.#buffer = this.#buffer.slice(end + 1);
      this.#message(line);
    }
  }

  #message(line: string): void {
    const message = parsed(line);
    if (message === undefined) return;
    if ("QMP" in message) this.#greeting.resolve(undefined);
    if (typeof message["event"] === "string") this.#onEvent({ event: message["event"], data: record(message["data"]) });
    const waiting = typeof message["id"] === "number" ? this.#waiting.get(message["id"]) : undefined;
    if (waiting === undefined) return;
    if ("error" in message) {
      waiting.reject(
        new PlatformError("HYPERVISOR_FAILED", `QEMU: ${String(record(message["error"])["desc"]).slice(0, 500)}`),
      );
    } else {
      waiting.resolve(message["return"]);
    }
  }
}

/** Connects to a Unix socket that may not be there yet. */
export async function connectSocket(
  path: string,
  options: { readonly clock: Clock; readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<Socket> {
  try {
    return await withDeadline({ ...options, waitingFor: `the socket ${path}` }, async (signal) => {
      for (let delayMs = 2; ; delayMs = Math.min(delayMs * 1.5, 50)) {
        signal.throwIfAborted();
        const socket = await tryConnect(path);
        if (socket !== undefined) return socket;
        await sleep(options.clock, delayMs, signal);
      }
    });
  } catch (error) {
    throw timeoutOf(error, `the VMM's socket ${path} cannot be reached`);
  }
}

function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      socket.on("error", () => {});
      resolve(socket);
    });
    socket.once("error", () => resolve(undefined));
  });
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // Not ours to repair; an answer that never comes is caught by its deadline.
    return undefined;
  }
}

export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function timeoutOf(error: unknown, message: string): unknown {
  const late = error instanceof PlatformError && error.code === "DEADLINE_EXCEEDED";
  return late ? new PlatformError("HYPERVISOR_TIMEOUT", message, { cause: error }) : error;
}
