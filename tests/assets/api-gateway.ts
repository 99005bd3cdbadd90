/**
 * A reverse proxy in front of an API server, as companies put there: with a certificate of its own that may change, and a mind of its own about
 * which requests to let through.
 */
import { createServer as createPlainServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Agent, createServer, request as forward, type Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { ApiServer } from "./management-plane.ts";

export interface Refusal {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface GatewayOptions {
  /** PEM; absent = plain HTTP. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  /** Called for every request; undefined lets it through. */
  readonly refuse?: (request: IncomingMessage) => Refusal | undefined;
}

export class ApiGateway implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server | TlsServer;
  readonly #agent: Agent;

  private constructor(server: Server | TlsServer, agent: Agent, url: string) {
    this.#server = server;
    this.#agent = agent;
    this.url = url;
  }

  /** Acts as the server's admin. */
  static async start(server: ApiServer, options: GatewayOptions = {}): Promise<ApiGateway> {
    const agent = new Agent({ ca: server.ca, cert: server.cert, key: server.key, keepAlive: true });
    const listener = (request: IncomingMessage, response: ServerResponse): void =>
      serve(new URL(server.url), agent, request, response, options.refuse?.(request));
    const front = options.tls === undefined ? createPlainServer(listener) : createServer(options.tls, listener);
    await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
    const { port } = front.address() as AddressInfo;
    return new ApiGateway(front, agent, `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}`);
  }

  /** Shows another certificate from now on, and breaks all connections. */
  setCertificate(tls: { readonly cert: Buffer; readonly key: Buffer }): void {
    if ("setSecureContext" in this.#server) this.#server.setSecureContext(tls);
    this.#server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
  }
}

function serve(
  target: URL,
  agent: Agent,
  request: IncomingMessage,
  response: ServerResponse,
  refusal: Refusal | undefined,
): void {
  if (refusal !== undefined) {
    request.resume();
    response
      .writeHead(refusal.status, { "content-type": "text/plain", ...refusal.headers })
      .end("the gateway is busy\n");
    return;
  }
  const { method, url: path, headers } = request;
  const { authorization: _, host: __, ...kept } = headers;
  const onward = forward({ host: target.hostname, port: target.port, method, path, headers: kept, agent }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
    answer.on("error", () => response.destroy());
  });
  onward.on("error", () => response.destroy());
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}
