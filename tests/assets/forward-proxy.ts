/** A proxy as kubeconfigs name it: HTTP with CONNECT, or SOCKS5 without log-in. It remembers where it was asked to go. */
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";

export class ForwardProxy implements AsyncDisposable {
  /** `host:port` of each connection, in order. */
  readonly targets: string[] = [];
  readonly #kind: "http" | "socks5";
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();

  private constructor(kind: "http" | "socks5") {
    this.#kind = kind;
    if (kind === "http") {
      this.#server = createHttpServer((_request, response) => response.writeHead(405).end());
      this.#server.on("connect", (request: { url?: string }, socket: Socket, head: Buffer) => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        this.#join(socket, request.url ?? "", head);
      });
    } else this.#server = createServer((socket) => this.#greet(socket));
  }

  static async start(kind: "http" | "socks5"): Promise<ForwardProxy> {
    const proxy = new ForwardProxy(kind);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    proxy.#server.on("connection", (socket: Socket) => proxy.#sockets.add(socket));
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `${this.#kind}://127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** RFC 1928: greeting, choice of method, request for an IPv4 address or a name. */
  #greet(socket: Socket): void {
    socket.once("data", () => {
      socket.write(Buffer.from([5, 0]));
      socket.once("data", (request: Buffer) => {
        const isName = request[3] === 3;
        const end = isName ? 5 + (request[4] ?? 0) : 8;
        const host = isName ? request.toString("utf8", 5, end) : request.subarray(4, 8).join(".");
        socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
        this.#join(socket, `${host}:${request.readUInt16BE(end)}`, request.subarray(end + 2));
      });
    });
  }

  #join(socket: Socket, target: string, head: Buffer): void {
    this.targets.push(target);
    const url = new URL(`tcp://${target}`);
    const onward = connect(Number(url.port), url.hostname);
    this.#sockets.add(onward);
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
      from.pipe(to);
    }
    if (head.length > 0) onward.write(head);
  }
}
