/**
 * An HTTP proxy that knows one method, CONNECT, and few destinations. Answers 403 for others, 502 and 504 when nobody answers there, 503 when it is full.
 * GET /healthz tells who it is: a program that took its port is not taken for it.
 *
 * Source: RFC 9110, section 9.3.6.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import type { Duplex } from "node:stream";
import { type DestinationRules, isAllowed, parseDestination } from "./destinations.ts";
import { join, keepAliveMs } from "./joined-sockets.ts";

export interface ConnectProxyOptions {
  readonly rules: DestinationRules;
  /** What `GET /healthz` answers; absent = nothing but CONNECT is known. */
  readonly identity?: string;
  /** Pairs of connections at once. Default 512. */
  readonly limit?: number;
  /** Milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number;
}

const requestMs = 10_000;
const maxHeaderBytes = 8_192;

/** Not listening yet. */
export function connectProxy(options: ConnectProxyOptions): Server {
  const { limit = 512, connectTimeoutMs = 10_000 } = options;
  let pairs = 0;
  const server = createServer({ maxHeaderSize: maxHeaderBytes, requestTimeout: requestMs, headersTimeout: requestMs });
  server.maxConnections = limit * 2;
  server.on("request", (request, response) => {
    if (options.identity !== undefined && request.method === "GET" && request.url === "/healthz") {
      response.writeHead(200, { connection: "close", "content-type": "text/plain" }).end(`${options.identity}\n`);
      return;
    }
    response.writeHead(405, { allow: "CONNECT", connection: "close", "content-type": "text/plain" });
    response.end("this proxy knows CONNECT only\n");
  });
  server.on("connect", (request: IncomingMessage, client: Duplex, head: Buffer) => {
    client.on("error", () => client.destroy());
    const destination = parseDestination(request.url ?? "");
    if (destination === undefined || !isAllowed(destination, options.rules, networkInterfaces())) {
      refuse(client, 403, `${request.url ?? ""} is not to be reached from here`);
      return;
    }
    if (pairs >= limit) {
      refuse(client, 503, `there are ${limit} connections already`);
      return;
    }
    pairs += 1;
    const upstream = connect({
      ...destination,
      allowHalfOpen: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
    });
    let connected = false;
    const timer = setTimeout(() => {
      refuse(client, 504, "no answer in time");
      upstream.destroy();
    }, connectTimeoutMs);
    client.once("close", () => {
      if (!connected) upstream.destroy();
    });
    upstream.once("connect", () => {
      connected = true;
      clearTimeout(timer);
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) upstream.write(head);
      void join(client, upstream);
    });
    upstream.once("error", (error) => {
      if (!connected) refuse(client, 502, error.message);
    });
    upstream.once("close", () => {
      clearTimeout(timer);
      pairs -= 1;
    });
  });
  return server;
}

const reasons: Readonly<Record<number, string>> = {
  403: "Forbidden",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

function refuse(client: Duplex, status: number, why: string): void {
  if (client.destroyed || client.writableEnded) return;
  const text = `${why.replaceAll(/[^\x20-\x7e]/g, "?")}\n`;
  client.end(
    `HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`,
  );
}
