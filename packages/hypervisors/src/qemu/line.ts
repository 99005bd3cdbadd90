/** The connections to one QEMU: control, console and agent's port. Made together, lost together, and made again while the process lives. */
import type { Socket } from "node:net";
import { type Clock, PlatformError, sleep } from "@liquidmetal/foundation";
import type { QemuPaths } from "./paths.ts";
import { connectSocket, QmpClient, type QmpEvent } from "./qmp.ts";

export interface QemuListener {
  onControlEvent(event: QmpEvent): void;
  onConsole(bytes: Uint8Array): void;
  onAgent(bytes: Uint8Array): void;
  /** The control socket was lost and is connected again, or was connected late. */
  onReconnected(): void;
}

/** Bytes that may wait for a guest that does not read. */
const unreadBytesMax = 1024 * 1024;

export class QemuLine {
  readonly #paths: QemuPaths;
  readonly #clock: Clock;
  readonly #listener: QemuListener;
  readonly #end: AbortController = new AbortController();
  readonly #ended: Promise<void>[] = [];
  #control: QmpClient | undefined;
  #console: Socket | undefined;
  #agent: Socket | undefined;

  constructor(paths: QemuPaths, clock: Clock, listener: QemuListener) {
    this.#paths = paths;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** Connects everything. Rejects with HYPERVISOR_TIMEOUT at the deadline. */
  async connect(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const stop = signal === undefined ? this.#end.signal : AbortSignal.any([signal, this.#end.signal]);
    const options = { clock: this.#clock, timeoutMs, signal: stop };
    const [control, console, agent] = await Promise.all([
      QmpClient.connect(this.#paths.control, { ...options, onEvent: (event) => this.#listener.onControlEvent(event) }),
      connectSocket(this.#paths.console, options),
      connectSocket(this.#paths.agent, options),
    ]);
    if (stop.aborted) {
      control.close();
      console.destroy();
      agent.destroy();
      stop.throwIfAborted();
    }
    console.on("data", (bytes: Buffer) => this.#listener.onConsole(bytes));
    agent.on("data", (bytes: Buffer) => this.#listener.onAgent(bytes));
    for (const socket of [console, agent])
      this.#ended.push(new Promise((resolve) => socket.once("close", () => resolve())));
    this.#ended.push(control.closed);
    this.#control = control;
    this.#console = console;
    this.#agent = agent;
    control.closed.then(
      () => this.#lost(control),
      () => {},
    );
  }

  /** Keeps trying in the background, for a VMM that does not answer now. */
  connectLater(): void {
    this.#reconnect().catch(() => {});
  }

  async command(
    name: string,
    args: Readonly<Record<string, unknown>> = {},
    options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<unknown> {
    if (this.#control === undefined)
      throw new PlatformError("HYPERVISOR_TIMEOUT", "QEMU's control socket does not answer at present");
    return this.#control.execute(name, args, options);
  }

  writeConsole(bytes: Uint8Array): Promise<void> {
    return write(this.#console, bytes, "console");
  }

  writeAgent(message: Readonly<Record<string, unknown>>): Promise<void> {
    return write(this.#agent, Buffer.from(`${JSON.stringify(message)}\n`), "agent's port");
  }

  /** Resolves when QEMU has closed its ends: everything it said has been heard then. */
  async drained(timeoutMs: number): Promise<void> {
    await Promise.race([Promise.all(this.#ended), sleep(this.#clock, timeoutMs)]);
  }

  close(): void {
    this.#end.abort(new PlatformError("CANCELLED", "let go of QEMU's sockets"));
    this.#drop();
  }

  #drop(): void {
    this.#control?.close();
    this.#console?.destroy();
    this.#agent?.destroy();
    this.#control = undefined;
  }

  #lost(control: QmpClient): void {
    if (this.#control !== control) return;
    this.#control = undefined;
    if (!this.#end.signal.aborted) this.connectLater();
  }

  async #reconnect(): Promise<void> {
    for (let delayMs = 200; !this.#end.signal.aborted; delayMs = Math.min(delayMs * 2, 5_000)) {
      await sleep(this.#clock, delayMs, this.#end.signal);
      this.#drop();
      try {
        await this.connect(5_000);
        this.#listener.onReconnected();
        return;
      } catch {
        // The process may be ending: then `close` ends this as well.
      }
    }
  }
}

function write(socket: Socket | undefined, bytes: Uint8Array, what: string): Promise<void> {
  if (socket === undefined || socket.destroyed) {
    return Promise.reject(new PlatformError("HYPERVISOR_FAILED", `the guest's ${what} is not connected`));
  }
  if (socket.writableLength + bytes.length > unreadBytesMax) {
    return Promise.reject(new PlatformError("QUEUE_FULL", `the guest does not read its ${what}`));
  }
  socket.write(bytes);
  return Promise.resolve();
}
