/**
 * The HTTP(S) listener under health, metrics and webhooks: one handler, bounded in headers, time and connections, ended without cutting answers off.
 *
 * A certificate that changes serves new connections from then on; open ones go on as they are.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { PlatformError } from "@liquidmetal/foundation";
import type { ServingCertificate } from "./serving-certificate.ts";

export interface TlsOptions {
  /** Default TLSv1.2. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3";
  /** Of TLS 1.2, as OpenSSL names them; empty = Node's own. */
  readonly cipherSuites?: readonly string[];
}

export interface ListenerOptions {
  /** Absent = all addresses. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Absent = plain HTTP. */
  readonly tls?: TlsOptions & { readonly certificate: ServingCertificate };
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

export interface Listener {
  readonly port: number;
  /**
   * Takes no more connections and ends those on which nothing is under way, also those that were never used (Go's clients dial in advance); lets answers
   * under way end within `graceMs` (default 5,000), then cuts them off.
   */
  close(graceMs?: number): Promise<void>;
}

const connectionsMax = 1_024;

/** Throws `CONFIG_INVALID` when the address cannot be listened on. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { host, port, tls, handle } = options;
  const connections = new Connections();
  const answer: RequestListener = (request, response) => {
    connections.busy(request, response);
    handle(request, response).catch(() => response.destroy());
  };
  const server = tls === undefined ? createServer(answer) : createTlsServer(secureContext(tls), answer);
  server.maxConnections = connectionsMax;
  server.headersTimeout = 10_000;
  server.requestTimeout = 60_000;
  // Longer than clients keep idle connections (Go: 90 s), so that none is closed while a request is on its way.
  server.keepAliveTimeout = 120_000;
  server.on("clientError", (_error, socket) => socket.destroy());
  server.on(tls === undefined ? "connection" : "secureConnection", (socket: Socket) => connections.add(socket));
  using stack = new DisposableStack();
  if (tls !== undefined) {
    stack.use(tls.certificate.onChange(() => (server as TlsServer).setSecureContext(secureContext(tls))));
  }
  await listening(server, host, port);
  const kept = stack.move();
  return {
    port: (server.address() as AddressInfo).port,
    close: async (graceMs = 5_000) => {
      kept.dispose();
      await closed(server, connections, graceMs);
    },
  };
}

function secureContext(tls: NonNullable<ListenerOptions["tls"]>): {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly ciphers?: string;
} {
  const { certificate, minVersion = "TLSv1.2", cipherSuites = [] } = tls;
  const ciphers = cipherSuites.length === 0 ? {} : { ciphers: [...cipherSuites, ...tls13Suites].join(":") };
  return { cert: certificate.current.certificate, key: certificate.current.key, minVersion, ...ciphers };
}

/** Not choosable, as in Go: naming suites of TLS 1.2 must not take TLS 1.3 away. */
const tls13Suites = ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"];

function listening(server: Server, host: string | undefined, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      const at = `${host ?? "*"}:${port}`;
      reject(new PlatformError("CONFIG_INVALID", `cannot listen on ${at}: ${error.message}`, { cause: error }));
    };
    server.once("error", fail);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off("error", fail);
      resolve();
    });
  });
}

function closed(server: Server, connections: Connections, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    connections.close();
  });
}

/** Open connections, and how many answers are under way on each: Node's own list takes one that was never used for busy. */
class Connections {
  readonly #answering: Map<Socket, number> = new Map();
  #closing = false;

  add(socket: Socket): void {
    // A handshake that was under way when the end began.
    if (this.#closing) return void socket.destroy();
    this.#answering.set(socket, 0);
    socket.once("close", () => this.#answering.delete(socket));
  }

  busy({ socket }: IncomingMessage, response: ServerResponse): void {
    this.#answering.set(socket, (this.#answering.get(socket) ?? 0) + 1);
    response.once("close", () => {
      const left = (this.#answering.get(socket) ?? 1) - 1;
      if (socket.destroyed) return;
      this.#answering.set(socket, left);
      if (this.#closing && left === 0) socket.end();
    });
  }

  /** From now on a connection ends with its last answer. */
  close(): void {
    this.#closing = true;
    for (const [socket, answering] of this.#answering) if (answering === 0) socket.destroy();
  }
}
