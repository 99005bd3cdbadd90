/** One connection to one spawner's process: calls out, replies in, matched by id. Once closed it stays closed, and every open call fails. */
import type { Socket } from "node:net";
import { type Clock, PlatformError, type Timer } from "@liquidmetal/foundation";
import { LineSplitter } from "./lines.ts";
import { callBytesMax, type Operation, type Operations, type Reply, replyBytesMax } from "./protocol.ts";

interface Open {
  settle(reply: Reply): void;
  fail(error: unknown): void;
}

/** More calls than this at once are refused: something is wrong then. Waits for exits count as well. */
const openCallsMax = 65_536;

export class Channel {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #open: Map<number, Open> = new Map();
  readonly #lines: LineSplitter = new LineSplitter(replyBytesMax);
  #nextId = 1;
  #closed: PlatformError | undefined;
  #whenClosed: () => void = () => {};

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    const lost = (): void =>
      this.close(new PlatformError("SPAWNER_UNAVAILABLE", "the connection to the spawner was lost"));
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", lost);
    socket.on("close", lost);
  }

  /** Calls `listener` once, when the channel has closed, whoever closed it. */
  onClosed(listener: () => void): void {
    this.#whenClosed = listener;
  }

  call<O extends Operation>(
    operation: O,
    ask: Operations[O]["ask"],
    options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Operations[O]["answer"]> {
    const { timeoutMs, signal } = options;
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed);
      if (signal?.aborted) return reject(signal.reason);
      if (this.#open.size >= openCallsMax)
        return reject(new PlatformError("QUEUE_FULL", "too many calls to the spawner at once"));
      const id = this.#nextId++;
      let timer: Timer | undefined;
      const done = (): void => {
        this.#open.delete(id);
        timer?.cancel();
        signal?.removeEventListener("abort", cancel);
      };
      const fail = (error: unknown): void => {
        done();
        reject(error);
      };
      const settle = (reply: Reply): void => {
        done();
        if (reply.ok) resolve(reply.value as Operations[O]["answer"]);
        else reject(new PlatformError(reply.code, reply.message));
      };
      const cancel = (): void => {
        fail(signal?.reason);
        this.#cancel(id);
      };
      if (timeoutMs !== undefined) {
        timer = this.#clock.timer(timeoutMs, () => {
          fail(new PlatformError("DEADLINE_EXCEEDED", `waited ${timeoutMs} ms for the spawner to ${operation}`));
          this.#cancel(id);
        });
      }
      signal?.addEventListener("abort", cancel, { once: true });
      this.#open.set(id, { settle, fail });
      const line = `${JSON.stringify({ id, operation, ask })}\n`;
      if (Buffer.byteLength(line) > callBytesMax)
        fail(new PlatformError("REQUEST_INVALID", `the request is longer than ${callBytesMax} bytes`));
      else this.#socket.write(line);
    });
  }

  close(reason: PlatformError): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    for (const open of [...this.#open.values()]) open.fail(reason);
    this.#socket.destroy();
    this.#whenClosed();
  }

  #cancel(call: number): void {
    if (this.#closed === undefined)
      this.#socket.write(`${JSON.stringify({ id: this.#nextId++, operation: "cancel", ask: { call } })}\n`);
  }

  #receive(chunk: Buffer): void {
    try {
      for (const line of this.#lines.push(chunk)) {
        const reply = JSON.parse(line) as Reply;
        this.#open.get(reply.id)?.settle(reply);
      }
    } catch (error) {
      this.close(PlatformError.from(error, "SPAWNER_UNAVAILABLE", "the spawner sent what is no reply"));
    }
  }
}
