/** A line between a client and a server on loopback that can be cut, fall silent, or grow slow: what networks do, when a test wants it. */
import { connect, createServer, type Server, type Socket } from "node:net";

export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pairs: Set<Pair> = new Set();
  #port = 0;
  #stalled = false;
  #bytesPerSecond = Number.POSITIVE_INFINITY;

  private constructor(target: URL) {
    this.#target = { host: target.hostname, port: Number(target.port) };
    this.#server = createServer((client) => this.#accept(client));
  }

  /** In front of `url`'s host and port. */
  static async start(url: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL(url));
    await proxy.listen();
    return proxy;
  }

  /** `host:port` of this end. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Breaks every connection with a reset; new ones are let in. */
  cut(): void {
    for (const pair of this.#pairs) pair.destroy();
  }

  /** Nothing passes any more, old connections and new ones, and nobody is told. */
  stall(): void {
    this.#stalled = true;
    for (const pair of this.#pairs) pair.hold(true);
  }

  /** Connections that were silent stay so (their peers have forgotten them); new ones work. */
  heal(): void {
    this.#stalled = false;
  }

  /** At most so many bytes a second and connection, towards the client. */
  slow(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Refuses new connections and breaks the old ones, until `listen`. */
  async refuse(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#port, "127.0.0.1", resolve);
    });
    const address = this.#server.address();
    if (address !== null && typeof address === "object") this.#port = address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.refuse();
  }

  #accept(client: Socket): void {
    const pair = new Pair(client, connect(this.#target), () => this.#bytesPerSecond);
    this.#pairs.add(pair);
    pair.onEnd = () => this.#pairs.delete(pair);
    if (this.#stalled) pair.hold(true);
  }
}

class Pair {
  onEnd: () => void = () => undefined;
  readonly #client: Socket;
  readonly #server: Socket;
  #held = false;

  constructor(client: Socket, server: Socket, rate: () => number) {
    this.#client = client;
    this.#server = server;
    this.#pass(client, server, () => Number.POSITIVE_INFINITY);
    this.#pass(server, client, rate);
  }

  hold(held: boolean): void {
    this.#held = held;
    for (const socket of [this.#client, this.#server]) {
      if (held) socket.pause();
      else socket.resume();
    }
  }

  destroy(): void {
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  #pass(from: Socket, to: Socket, rate: () => number): void {
    from.setNoDelay(true);
    from.on("data", (chunk) => {
      const delayMs = Math.min((chunk.length / rate()) * 1_000, 60_000);
      if (to.write(chunk) && delayMs < 1) return;
      from.pause();
      const go = (): void => {
        if (!this.#held) from.resume();
      };
      if (delayMs < 1) to.once("drain", go);
      else setTimeout(go, delayMs).unref();
    });
    from.on("error", () => this.#ended());
    from.on("close", () => this.#ended());
    from.on("end", () => {
      if (!this.#held) to.end();
    });
  }

  #ended(): void {
    this.#client.destroy();
    this.#server.destroy();
    this.onEnd();
  }
}
