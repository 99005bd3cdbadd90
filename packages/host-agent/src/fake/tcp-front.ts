/**
 * The door of the fake: passes connections on to the real server, until the test shuts, freezes or cuts it.
 *
 * A frozen host takes connections and answers nothing on any of them, not even HTTP/2's pings: which a server within this process could not do.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

interface Passage {
  readonly outside: Socket;
  inside: Socket | undefined;
}

export class TcpFront {
  readonly #host: string;
  readonly #passages: Set<Passage> = new Set();
  #listener: Server | undefined;
  #insidePort = 0;
  #port: number;
  #frozen = false;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  /** As `host:port`, IPv6 in brackets; the port is kept from the first opening on. */
  get endpoint(): string {
    return this.#host.includes(":") ? `[${this.#host}]:${this.#port}` : `${this.#host}:${this.#port}`;
  }

  get connections(): number {
    return this.#passages.size;
  }

  async open(insidePort: number): Promise<void> {
    this.#insidePort = insidePort;
    const listener = createServer((socket) => this.#enter(socket));
    listener.listen(this.#port, this.#host);
    await once(listener, "listening");
    this.#port = (listener.address() as AddressInfo).port;
    this.#listener = listener;
  }

  /** Connections are refused from now on, and those that are there are cut. */
  async close(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener === undefined) return;
    const closed = once(listener, "close");
    listener.close();
    this.cut();
    await closed;
  }

  /** Ends every connection, as a network that is pulled does; new ones are welcome. */
  cut(): void {
    for (const passage of this.#passages) leave(passage);
    this.#passages.clear();
  }

  freeze(): void {
    this.#frozen = true;
    for (const { outside, inside } of this.#passages) {
      for (const socket of [outside, inside]) {
        socket?.unpipe();
        socket?.pause();
      }
    }
  }

  thaw(): void {
    this.#frozen = false;
    for (const passage of this.#passages) this.#join(passage);
  }

  #enter(outside: Socket): void {
    const passage: Passage = { outside, inside: undefined };
    this.#passages.add(passage);
    outside.setNoDelay();
    this.#guard(passage, outside);
    if (!this.#frozen) this.#join(passage);
  }

  #join(passage: Passage): void {
    const { outside } = passage;
    if (passage.inside === undefined) {
      const inside = connect({ host: "127.0.0.1", port: this.#insidePort, noDelay: true });
      passage.inside = inside;
      this.#guard(passage, inside);
    }
    outside.pipe(passage.inside);
    passage.inside.pipe(outside);
  }

  #guard(passage: Passage, socket: Socket): void {
    socket.on("error", () => undefined);
    socket.on("close", () => {
      leave(passage);
      this.#passages.delete(passage);
    });
  }
}

function leave({ outside, inside }: Passage): void {
  outside.destroy();
  inside?.destroy();
}
