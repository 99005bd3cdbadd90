/**
 * One HTTP request to a registry, with the two deadlines that matter there: to connect, and between two bytes.
 *
 * A body of any size may take as long as it flows; a server that falls silent is given up. Redirects are followed (registries send blobs from elsewhere);
 * credentials never go along to another host.
 */
import { type ClientRequest, type IncomingMessage, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { PlatformError } from "@liquidmetal/foundation";

export interface TlsSettings {
  /** Additional certificate authorities, PEM. */
  readonly ca?: readonly string[];
  readonly certificate?: string;
  readonly key?: string;
  readonly skipVerify?: boolean;
}

export interface HttpTimeouts {
  /** To be connected and have sent the request, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** Between two signs of life, in milliseconds. Default 30,000. */
  readonly idleTimeoutMs?: number;
}

/** A body that is read while it is sent; `open` is called anew when it has to be sent again. */
export interface StreamedBody {
  readonly sizeBytes: number;
  open(): AsyncIterable<Uint8Array>;
}

export interface HttpRequest extends HttpTimeouts {
  readonly url: URL;
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | StreamedBody;
  readonly tls?: TlsSettings;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: IncomingMessage;
}

const redirectsMax = 5;

/** Rejects with IMAGE_PULL_FAILED when the server cannot be reached or falls silent. Any status resolves. */
export async function httpRequest(wanted: HttpRequest): Promise<HttpResponse> {
  let current = wanted;
  for (let hop = 0; hop <= redirectsMax; hop++) {
    const response = await once(current);
    const { location } = response.headers;
    if (![301, 302, 303, 307, 308].includes(response.status) || location === undefined) return response;
    response.body.destroy();
    const url = URL.parse(location, current.url.href);
    if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
      throw new PlatformError("IMAGE_PULL_FAILED", `${current.url.host} redirects to something that is not a URL`);
    }
    if (current.url.protocol === "https:" && url.protocol === "http:") {
      throw new PlatformError(
        "IMAGE_PULL_FAILED",
        `${current.url.host} redirects from https to http, which is refused`,
      );
    }
    const { authorization: _, ...publicHeaders } = current.headers;
    const { tls: __, ...withoutTls } = current;
    current = url.host === current.url.host ? { ...current, url } : { ...withoutTls, url, headers: publicHeaders };
  }
  throw new PlatformError("IMAGE_PULL_FAILED", `${wanted.url.host} redirects more than ${redirectsMax} times`);
}

/** The whole body as text; IMAGE_PULL_FAILED when it is longer than `maxBytes`. */
export async function readBody(response: HttpResponse, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let total = 0;
  for await (const part of response.body as AsyncIterable<Buffer>) {
    total += part.length;
    if (total > maxBytes)
      throw new PlatformError("IMAGE_CORRUPT", `the registry sent more than ${maxBytes} bytes for one document`);
    parts.push(part);
  }
  return Buffer.concat(parts, total);
}

function once(wanted: HttpRequest): Promise<HttpResponse> {
  const { url, connectTimeoutMs = 10_000, idleTimeoutMs = 30_000, tls } = wanted;
  wanted.signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const options = {
      method: wanted.method ?? "GET",
      headers: {
        ...wanted.headers,
        ...(wanted.body === undefined ? {} : { "content-length": String(sizeOf(wanted.body)) }),
      },
      ...(wanted.signal === undefined ? {} : { signal: wanted.signal }),
      ...(tls?.ca === undefined ? {} : { ca: [...tls.ca] }),
      ...(tls?.certificate === undefined ? {} : { cert: tls.certificate }),
      ...(tls?.key === undefined ? {} : { key: tls.key }),
      ...(tls?.skipVerify === true ? { rejectUnauthorized: false } : {}),
    };
    const request = url.protocol === "https:" ? tlsRequest(url, options) : plainRequest(url, options);
    const silent = (after: number, what: string): PlatformError =>
      new PlatformError("IMAGE_PULL_FAILED", `${url.host} ${what} for ${after} ms`);
    const connecting = setTimeout(
      () => request.destroy(silent(connectTimeoutMs, "could not be connected to")),
      connectTimeoutMs,
    );
    request.on("socket", (socket) => {
      const ready = (): void => clearTimeout(connecting);
      if (!socket.connecting) ready();
      else socket.once(url.protocol === "https:" ? "secureConnect" : "connect", ready);
    });
    request.setTimeout(idleTimeoutMs, () => request.destroy(silent(idleTimeoutMs, "sent nothing")));
    request.on("error", (error) => {
      clearTimeout(connecting);
      reject(failure(error, url, wanted.signal));
    });
    request.on("response", (response) => {
      clearTimeout(connecting);
      response.setTimeout(idleTimeoutMs, () => response.destroy(silent(idleTimeoutMs, "sent nothing")));
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response });
    });
    sendBody(request, wanted.body, reject);
  });
}

function sendBody(request: ClientRequest, body: HttpRequest["body"], fail: (error: unknown) => void): void {
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) {
    request.end(body);
    return;
  }
  let sourceFailed: unknown;
  const read = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* body.open();
    } catch (error) {
      sourceFailed = error;
      throw error;
    }
  };
  const source = Readable.from(read(), { objectMode: false });
  // A server that has heard enough (401, 413) answers before the end: then nobody wants the rest.
  request.once("response", () => source.destroy());
  pipeline(source, request).catch(() => {
    // Failures of the connection are told by the request itself.
    if (sourceFailed !== undefined) fail(sourceFailed);
  });
}

const sizeOf = (body: string | Uint8Array | StreamedBody): number =>
  typeof body === "string" ? Buffer.byteLength(body) : body instanceof Uint8Array ? body.length : body.sizeBytes;

function failure(error: Error, url: URL, signal: AbortSignal | undefined): unknown {
  if (error instanceof PlatformError) return error;
  if (signal?.aborted) return signal.reason;
  const code = "code" in error ? String(error.code) : "";
  // A certificate does not become good by asking again.
  const certificate = /^(CERT_|ERR_TLS_|ERR_SSL_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_)/.test(code);
  // Node's own advice, after the semicolon, is about Node.
  const said = certificate ? error.message.replace(/;.*$/, "") : error.message;
  return new PlatformError("IMAGE_PULL_FAILED", `${url.host}: ${said}`, {
    cause: error,
    ...(certificate && {
      retry: "after-change",
      remedy: "name the registry's certificate authority in its hosts.toml (ca = …)",
    }),
  });
}
