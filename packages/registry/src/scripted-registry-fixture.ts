/** For tests: a registry in memory that does what the distribution specification says, and misbehaves on demand. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { Clock, Entropy } from "@liquidmetal/foundation";

/** Looks at a request first. True = it has answered, or never will. */
export type Interference = (request: IncomingMessage, response: ServerResponse, body: Buffer) => boolean;

interface Upload {
  readonly repository: string;
  bytes: Buffer;
}

export const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export class ScriptedRegistry implements AsyncDisposable {
  /** `<repository> <digest>`. */
  readonly blobs: Map<string, Buffer> = new Map();
  /** `<repository> <tag or digest>`. */
  readonly manifests: Map<string, { readonly mediaType: string; readonly bytes: Buffer }> = new Map();
  /** Method and path of all requests. */
  readonly requests: string[] = [];
  referrersApi = true;
  /** An upload whose request broke keeps what came. */
  keepsBrokenUploads = true;
  /** Bearer tokens are wanted, with these rights. */
  wantsTokens = false;
  interfere: Interference = () => false;
  /** Closes the connection when so many bytes of an upload's body have come. Once. */
  cutUploadAfterBytes: number | undefined;
  readonly #uploads: Map<string, Upload> = new Map();
  readonly #server: Server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy());
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this.host;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://registry");
    this.requests.push(`${request.method} ${url.pathname}${url.search}`);
    const body = await this.#body(request, url);
    if (body === undefined) return;
    if (this.interfere(request, response, body)) return;
    if (url.pathname === "/token") {
      const token = url.searchParams.getAll("scope").join(" ");
      response.writeHead(200).end(JSON.stringify({ token }));
      return;
    }
    const [, repository = "", kind = "", name = ""] =
      /^\/v2\/(.+?)\/(manifests|blobs\/uploads|blobs|referrers)\/(.*)$/.exec(url.pathname) ?? [];
    if (this.wantsTokens && !this.#mayDo(request, repository)) {
      const challenge = `Bearer realm="http://${this.host}/token",service="test"`;
      response.writeHead(401, { "www-authenticate": challenge }).end();
      return;
    }
    if (kind === "blobs/uploads") this.#upload(request, response, { url, repository, name, body });
    else if (kind === "blobs") this.#blob(request, response, `${repository} ${name}`);
    else if (kind === "manifests") this.#manifest(request, response, repository, name, body);
    else if (kind === "referrers" && this.referrersApi) this.#referrers(response, repository, name);
    else refuse(response, 404, "UNSUPPORTED", "no such route");
  }

  #mayDo(request: IncomingMessage, repository: string): boolean {
    const action = request.method === "GET" || request.method === "HEAD" ? "pull" : "push";
    const granted = (request.headers.authorization ?? "").replace(/^Bearer /, "").split(" ");
    return granted.some((scope) => {
      const [, name, actions = ""] = scope.split(":");
      return name === repository && actions.split(",").includes(action);
    });
  }

  /** Undefined = the connection was cut in the middle of it. */
  async #body(request: IncomingMessage, url: URL): Promise<Buffer | undefined> {
    const limit = this.cutUploadAfterBytes;
    const isUpload = request.method === "PATCH" || (request.method === "PUT" && url.pathname.includes("/uploads/"));
    if (limit === undefined || !isUpload || Number(request.headers["content-length"]) <= limit)
      return await buffer(request);
    this.cutUploadAfterBytes = undefined;
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of request as AsyncIterable<Buffer>) {
      parts.push(part);
      size += part.length;
      if (size >= limit) break;
    }
    const id = url.pathname.split("/").at(-1) ?? "";
    const upload = this.#uploads.get(id);
    if (!this.keepsBrokenUploads) this.#uploads.delete(id);
    else if (upload !== undefined)
      upload.bytes = Buffer.concat([upload.bytes, ...parts]).subarray(0, upload.bytes.length + limit);
    request.socket.destroy();
    return undefined;
  }

  #upload(
    request: IncomingMessage,
    response: ServerResponse,
    { url, repository, name, body }: { url: URL; repository: string; name: string; body: Buffer },
  ): void {
    const here = (id: string): string => `/v2/${repository}/blobs/uploads/${id}`;
    if (request.method === "POST") {
      const mount = url.searchParams.get("mount");
      const known = this.blobs.get(`${url.searchParams.get("from")} ${mount}`);
      if (known !== undefined) {
        this.blobs.set(`${repository} ${mount}`, known);
        response.writeHead(201).end();
        return;
      }
      const id = `upload-${this.#uploads.size}-${this.requests.length}`;
      this.#uploads.set(id, { repository, bytes: Buffer.alloc(0) });
      response.writeHead(202, { location: here(id) }).end();
      return;
    }
    const upload = this.#uploads.get(name);
    if (upload === undefined) {
      refuse(response, 404, "BLOB_UPLOAD_UNKNOWN", "upload unknown");
      return;
    }
    const range = { location: here(name), range: `0-${Math.max(upload.bytes.length - 1, 0)}` };
    if (request.method === "GET") {
      response.writeHead(204, range).end();
      return;
    }
    const start = Number(/^(\d+)-/.exec(String(request.headers["content-range"] ?? ""))?.[1] ?? 0);
    if (start !== upload.bytes.length) {
      response.writeHead(416, range).end();
      return;
    }
    upload.bytes = Buffer.concat([upload.bytes, body]);
    if (request.method === "PATCH") {
      response.writeHead(202, { location: here(name), range: `0-${upload.bytes.length - 1}` }).end();
      return;
    }
    const digest = url.searchParams.get("digest") ?? "";
    if (sha256(upload.bytes) !== digest) {
      refuse(response, 400, "DIGEST_INVALID", "provided digest did not match uploaded content");
      return;
    }
    this.#uploads.delete(name);
    this.blobs.set(`${repository} ${digest}`, upload.bytes);
    response.writeHead(201, { "docker-content-digest": digest }).end();
  }

  #blob(request: IncomingMessage, response: ServerResponse, key: string): void {
    const bytes = this.blobs.get(key);
    if (bytes === undefined) {
      refuse(response, 404, "BLOB_UNKNOWN", "blob unknown");
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, { "content-length": bytes.length - from });
    response.end(request.method === "HEAD" ? undefined : bytes.subarray(from));
  }

  #manifest(request: IncomingMessage, response: ServerResponse, repository: string, name: string, body: Buffer): void {
    if (request.method === "PUT") {
      const mediaType = request.headers["content-type"] ?? "";
      const digest = sha256(body);
      for (const one of [name, digest]) this.manifests.set(`${repository} ${one}`, { mediaType, bytes: body });
      const { subject } = JSON.parse(String(body)) as { subject?: { digest: string } };
      const noted = this.referrersApi && subject !== undefined ? { "oci-subject": subject.digest } : {};
      response.writeHead(201, { "docker-content-digest": digest, ...noted }).end();
      return;
    }
    const found = this.manifests.get(`${repository} ${name}`);
    if (found === undefined) refuse(response, 404, "MANIFEST_UNKNOWN", "manifest unknown");
    else response.writeHead(200, { "content-type": found.mediaType }).end(found.bytes);
  }

  #referrers(response: ServerResponse, repository: string, digest: string): void {
    const manifests = [...this.manifests].flatMap(([key, { mediaType, bytes }]) => {
      const { subject, artifactType } = JSON.parse(String(bytes)) as {
        subject?: { digest: string };
        artifactType?: string;
      };
      const own = key === `${repository} ${sha256(bytes)}` && subject?.digest === digest;
      return own ? [{ mediaType, digest: sha256(bytes), size: bytes.length, artifactType }] : [];
    });
    const index = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests };
    response.writeHead(200, { "content-type": index.mediaType }).end(JSON.stringify(index));
  }
}

export function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, headers).end(JSON.stringify({ errors: [{ code, message }] }));
}

/** A clock whose timers fire at once, and say for how long they were set. */
export class HastyClock implements Clock {
  readonly delaysMs: number[] = [];
  nowMs(): number {
    return Date.now();
  }
  monotonicMs(): number {
    return performance.now();
  }
  timer(delayMs: number, fire: () => void): { cancel(): void } {
    this.delaysMs.push(delayMs);
    const immediate = setImmediate(fire);
    return { cancel: () => clearImmediate(immediate) };
  }
}

export const evenEntropy: Entropy = { bytes: (length) => new Uint8Array(length), fraction: () => 0 };
