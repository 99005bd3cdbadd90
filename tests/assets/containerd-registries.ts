/** Registries for tests: Debian's `docker-registry` on loopback, and a scripted one that misbehaves on demand. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { openSync } from "node:fs";
import { access, mkdir, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { descriptor, type TestBlob, type TestImage } from "./containerd-images.ts";

const run = promisify(execFile);

export const testUser = "metal";
export const testPassword = "liquid:metal";
/** bcrypt of the password above, cost 4. */
const htpasswd: string = `${testUser}:$2y$04$abcdefghijklmnopqrstuuKbTzFzaavC3nQ6uQqeL4wrRa18Pum7y`;

export async function registrySkip(): Promise<string | false> {
  return await access("/usr/bin/docker-registry").then(
    () => false as const,
    () => "the registry tests were not run: apt-get install docker-registry",
  );
}

export interface RegistryProcess {
  readonly host: string;
  stop(): Promise<void>;
}

/** Starts docker-registry on a free loopback port, over a storage directory that several may share. */
export async function startRegistry(
  directory: string,
  options: { readonly secure?: boolean } = {},
): Promise<RegistryProcess> {
  const { secure = false } = options;
  await mkdir(directory, { recursive: true });
  const port = await freePort();
  const config = [
    "version: 0.1",
    "log: { level: error }",
    `storage: { filesystem: { rootdirectory: ${join(directory, "storage")} } }`,
    `http: { addr: "127.0.0.1:${port}", secret: test${secure ? `, tls: { certificate: ${join(directory, "tls.crt")}, key: ${join(directory, "tls.key")} }` : ""} }`,
  ];
  if (secure) {
    await makeCertificate(directory);
    await writeFile(join(directory, "htpasswd"), `${htpasswd}\n`);
    config.push(`auth: { htpasswd: { realm: test, path: ${join(directory, "htpasswd")} } }`);
  }
  const file = join(directory, `registry-${port}.yml`);
  await writeFile(file, `${config.join("\n")}\n`);
  const log = openSync(`${file}.log`, "a");
  const child = spawn("/usr/bin/docker-registry", ["serve", file], { stdio: ["ignore", log, log] });
  await reachable(port, child);
  return { host: `127.0.0.1:${port}`, stop: () => stop(child) };
}

/** Pushes an image by hand, as a client would. */
export async function push(host: string, repository: string, tag: string, image: TestImage): Promise<void> {
  const base = `http://${host}/v2/${repository}`;
  for (const { digest, bytes } of [image.config, ...image.layers]) {
    const begun = await fetch(`${base}/blobs/uploads/`, { method: "POST" });
    const location = new URL(begun.headers.get("location") ?? "", base);
    location.searchParams.set("digest", digest);
    await accepted(
      fetch(location, {
        method: "PUT",
        body: new Uint8Array(bytes),
        headers: { "content-type": "application/octet-stream" },
      }),
    );
  }
  const { mediaType, bytes } = image.manifest;
  await accepted(
    fetch(`${base}/manifests/${tag}`, {
      method: "PUT",
      body: new Uint8Array(bytes),
      headers: { "content-type": mediaType },
    }),
  );
}

async function accepted(response: Promise<Response>): Promise<void> {
  const { status, statusText } = await response;
  if (status !== 201) throw new Error(`the registry answered ${status} ${statusText}`);
}

async function makeCertificate(directory: string): Promise<void> {
  const files = ["-keyout", join(directory, "tls.key"), "-out", join(directory, "tls.crt")];
  const names = ["-subj", "/CN=registry.test", "-addext", "subjectAltName=IP:127.0.0.1"];
  await run("openssl", [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "2",
    ...files,
    ...names,
  ]);
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function reachable(port: number, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const ok = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("close", () => undefined);
      socket.setTimeout(500, () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (ok) return;
    if (child.exitCode !== null || performance.now() > deadline) throw new Error("docker-registry did not start");
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGKILL");
  await gone;
}

/** What the scripted registry does with the blob of a layer; everything else it serves well. */
export type Misbehaviour =
  | "none"
  | "hang"
  | "hang-half"
  | "cut-once"
  | "cut-always"
  | "other-bytes"
  | "token"
  | "unauthorized"
  | "server-error";

export class ScriptedRegistry {
  /** Requests so far: method, path and query, range. */
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #images: Map<
    string,
    {
      readonly misbehaviour: Misbehaviour;
      readonly documents: readonly TestBlob[];
      readonly tags: ReadonlyMap<string, TestBlob>;
    }
  > = new Map();
  readonly #cut: Set<string> = new Set();

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this.host;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Serves an image as `repository:1`. `index`: a further document that the tag names instead of the manifest. */
  serve(repository: string, image: TestImage, misbehaviour: Misbehaviour = "none", index?: TestBlob): void {
    const documents = [image.manifest, image.config, ...image.layers, ...(index === undefined ? [] : [index])];
    this.#images.set(repository, { misbehaviour, documents, tags: new Map([["1", index ?? image.manifest]]) });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://registry");
    const { range, authorization } = request.headers;
    this.requests.push(`${request.method} ${url.pathname}${url.search}${range === undefined ? "" : ` ${range}`}`);
    if (url.pathname === "/token") {
      const good = authorization === `Basic ${Buffer.from(`${testUser}:${testPassword}`).toString("base64")}`;
      response
        .writeHead(good ? 200 : 401)
        .end(good ? JSON.stringify({ token: `for ${url.searchParams.get("scope")}` }) : "");
      return;
    }
    const [, repository = "", kind, name = ""] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname) ?? [];
    const served = this.#images.get(repository);
    const found = served?.tags.get(name) ?? served?.documents.find((one) => one.digest === name);
    if (served === undefined || found === undefined) {
      response.writeHead(404).end();
      return;
    }
    const { misbehaviour } = served;
    if (misbehaviour === "unauthorized") response.writeHead(401).end();
    else if (misbehaviour === "server-error") response.writeHead(503).end();
    else if (misbehaviour === "token" && authorization !== `Bearer for repository:${repository}:pull`) {
      const challenge = `Bearer realm="http://${this.host}/token",service="test",scope="repository:${repository}:pull"`;
      response.writeHead(401, { "www-authenticate": challenge }).end();
    } else if (kind === "manifests") response.writeHead(200, { "content-type": found.mediaType }).end(found.bytes);
    else this.#sendBlob(response, found, misbehaviour, range);
  }

  #sendBlob(
    response: ServerResponse,
    { bytes, digest, mediaType }: TestBlob,
    misbehaviour: Misbehaviour,
    range: string | undefined,
  ): void {
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const isLayer = mediaType.includes("layer");
    const head = { "content-length": bytes.length - from };
    if (isLayer && misbehaviour === "hang") return;
    const firstTime = !this.#cut.has(digest);
    if (
      isLayer &&
      (misbehaviour === "hang-half" || misbehaviour === "cut-always" || (misbehaviour === "cut-once" && firstTime))
    ) {
      this.#cut.add(digest);
      response.writeHead(from > 0 ? 206 : 200, head);
      response.write(bytes.subarray(from, from + Math.ceil((bytes.length - from) / 2)), () => {
        if (misbehaviour !== "hang-half") setImmediate(() => response.destroy());
      });
      return;
    }
    const body = isLayer && misbehaviour === "other-bytes" ? Buffer.alloc(bytes.length, "x") : bytes;
    response.writeHead(from > 0 ? 206 : 200, head).end(body.subarray(from));
  }
}

/** An index over images of the given platforms. */
export function indexOf(entries: readonly { readonly architecture: string; readonly image: TestImage }[]): Buffer {
  const manifests = entries.map(({ architecture, image }) => ({
    ...descriptor(image.manifest),
    platform: { os: "linux", architecture },
  }));
  return Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests }),
  );
}
