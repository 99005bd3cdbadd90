/** The way to a host: tokens, TLS, client certificates, proxies, IPv6, rotation; and that each failure is told so that a person understands it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { FakeClock, PlatformError } from "@liquidmetal/foundation";
import { startFakeFlintlockd } from "@liquidmetal/host-agent/fake";
import type { MicrovmCluster } from "../../packages/capmvm/src/api/index.ts";
import type { Host, HostAccess } from "../../packages/capmvm/src/hosts/host.ts";
import { HostAccesses } from "../../packages/capmvm/src/hosts/host-accesses.ts";
import type { SecretContent } from "../../packages/capmvm/src/hosts/secret-reader.ts";
import { type Certificate, TestAuthority } from "../assets/certificates.ts";
import { failure, HostsWorld, request } from "./capmvm-hosts-world.ts";

/** A small HTTP proxy that takes CONNECT and nothing else. */
class ConnectProxy implements AsyncDisposable {
  readonly asked: { readonly target: string; readonly authorization: string | undefined }[] = [];
  refuses = false;
  readonly #server: Server = createServer();
  readonly #sockets: Set<Socket> = new Set();

  async start(): Promise<this> {
    this.#server.on("connect", (incoming: IncomingMessage, client: Socket) => this.#join(incoming, client));
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #join(incoming: IncomingMessage, client: Socket): void {
    const target = incoming.url ?? "";
    this.asked.push({ target, authorization: incoming.headers["proxy-authorization"] });
    client.on("error", () => undefined);
    this.#sockets.add(client);
    if (this.refuses) {
      client.end("HTTP/1.1 403 Forbidden\r\n\r\n");
      return;
    }
    const colon = target.lastIndexOf(":");
    const host = target.slice(0, colon).replace(/^\[|\]$/g, "");
    const upstream = connect(Number(target.slice(colon + 1)), host, () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.pipe(client).pipe(upstream);
    });
    this.#sockets.add(upstream);
    upstream.on("error", () => client.destroy());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

let authority: TestAuthority;
let other: TestAuthority;
let server: Certificate;
let client: Certificate;
let expired: Certificate;
let stranger: Certificate;

before(() => {
  authority = new TestAuthority();
  other = new TestAuthority();
  server = authority.issue("server");
  client = authority.issue("client");
  expired = authority.issue("old", "expired");
  stranger = other.issue("stranger");
});
after(() => {
  authority[Symbol.dispose]();
  other[Symbol.dispose]();
});

describe("tokens and TLS", { timeout: 60_000 }, () => {
  test("a token is sent; a wrong one or none is refused, at once, with the words of the host", async () => {
    await using fake = await startFakeFlintlockd({ token: "s3cret" });
    await using world = new HostsWorld();
    const good = await world.synced(fake, { token: "s3cret" });
    assert.equal((await good.create(request())).name, request().name);
    for (const access of [{}, { token: "wrong" }]) {
      const host = world.hosts.host({ endpoint: fake.endpoint, ...access });
      const message = await world.health(host, "refused", 3_000);
      assert.match(message, /token|authenticat/);
      assert.doesNotMatch(message, /s3cret|wrong/);
      const error = await failure(host.list("team-a"));
      assert.equal(error.code, "HOST_REFUSED");
      assert.equal(error.retry, "after-change");
    }
  });

  test("TLS with an authority of one's own, with and without client certificates, with a name of its own", async () => {
    await using plain = await startFakeFlintlockd({ tls: server });
    await using mutual = await startFakeFlintlockd({ tls: { ...server, clientCa: authority.ca } });
    await using world = new HostsWorld();
    await world.synced(plain, { tls: { ca: authority.ca } });
    await world.synced(plain, { tls: { ca: authority.ca, serverName: "localhost" } });
    await world.synced(mutual, { tls: { ca: authority.ca, cert: client.cert, key: client.key }, token: "unused" });
  });

  const rows = [
    ["an authority that we do not know", () => server, () => ({ ca: other.ca }), "unreachable", /authority/],
    ["a certificate that has expired", () => expired, () => ({ ca: authority.ca }), "unreachable", /expired/],
    [
      "a certificate for another name",
      () => server,
      () => ({ ca: authority.ca, serverName: "other.example" }),
      "unreachable",
      /another name.*other\.example.*localhost/,
    ],
    ["no TLS at all", () => undefined, () => ({ ca: authority.ca }), "unreachable", /does not speak TLS/],
    ["TLS where we speak none", () => server, () => undefined, "unreachable", /does it want TLS/],
    [
      "a demand for a client certificate",
      () => ({ ...server, clientCa: authority.ca }),
      () => ({ ca: authority.ca }),
      "refused",
      /client certificate/,
    ],
    [
      "a client certificate that it does not know",
      () => ({ ...server, clientCa: authority.ca }),
      () => ({ ca: authority.ca, cert: stranger.cert, key: stranger.key }),
      "unreachable",
      /client certificate/,
    ],
  ] as const;
  for (const [name, tls, ours, state, words] of rows) {
    test(`${name} is told`, async () => {
      const material = tls();
      await using fake = await startFakeFlintlockd(material === undefined ? {} : { tls: material });
      await using world = new HostsWorld();
      const access = ours();
      const host = world.hosts.host({ endpoint: fake.endpoint, ...(access === undefined ? {} : { tls: access }) });
      assert.match(await world.health(host, state, 5_000), words);
    });
  }
});

describe("proxies and addresses", { timeout: 60_000 }, () => {
  test("hosts are reached through a proxy, in plain text, with TLS, by IPv6, and with its password", async () => {
    await using proxy = await new ConnectProxy().start();
    await using plain = await startFakeFlintlockd();
    await using secure = await startFakeFlintlockd({ tls: { ...server, clientCa: authority.ca } });
    await using six = await startFakeFlintlockd({ address: "::1" });
    await using world = new HostsWorld();
    const url = `http://me:p%40ss@${proxy.address}`;
    const host = await world.synced(plain, { proxy: url });
    const { uid } = await host.create(request());
    await world.until("it is ready", () => host.known(uid)?.guestReady === true);
    await world.synced(secure, { proxy: url, tls: { ca: authority.ca, cert: client.cert, key: client.key } });
    await world.synced(six, { proxy: url });
    assert.deepEqual(
      proxy.asked.map(({ target }) => target),
      [plain.endpoint, secure.endpoint, six.endpoint],
    );
    assert.equal(proxy.asked[0]?.authorization, `Basic ${Buffer.from("me:p@ss").toString("base64")}`);
  });

  test("a proxy that refuses, and one that is not there, are told from a host that is not there", async () => {
    await using proxy = await new ConnectProxy().start();
    await using fake = await startFakeFlintlockd();
    await using world = new HostsWorld();
    proxy.refuses = true;
    const open = (url: string): Host => world.hosts.host({ endpoint: fake.endpoint, proxy: url });
    const refusing = open(`http://${proxy.address}`);
    assert.match(await world.health(refusing, "unreachable"), /proxy .* refuses to connect to .*: 403 Forbidden/);
    assert.match(
      await world.health(open("http://127.0.0.1:1"), "unreachable"),
      /the proxy 127\.0\.0\.1:1: nothing listens/,
    );
    proxy.refuses = false;
    await world.health(refusing, "reachable", 5_000);
  });

  test("an IPv6 address in brackets is dialled", async () => {
    await using fake = await startFakeFlintlockd({ address: "::1" });
    await using world = new HostsWorld();
    assert.match((await world.synced(fake)).endpoint, /^\[::1\]:\d+$/);
  });
});

describe("sharing and rotation", { timeout: 60_000 }, () => {
  test("equal accesses share one connection; owners that leave close it", async () => {
    await using fake = await startFakeFlintlockd();
    await using world = new HostsWorld();
    const first = await world.synced(fake, { owner: "ns/a" });
    assert.equal(await world.synced(fake, { owner: "ns/b" }), first);
    assert.equal(fake.connections, 1);
    world.hosts.release("ns/a");
    assert.equal(world.hosts.list().length, 1);
    world.hosts.release("ns/b");
    assert.equal(world.hosts.list().length, 0);
  });

  test("a connection that nobody asked for is let go, unless there is something to watch", async () => {
    await using fake = await startFakeFlintlockd();
    await using watched = await startFakeFlintlockd();
    await using world = new HostsWorld({ idleMs: 300 });
    await world.synced(fake);
    const busy = await world.synced(watched);
    await busy.create(request());
    const startedAt = performance.now();
    while (world.hosts.list().length > 1 && performance.now() - startedAt < 5_000)
      await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      world.hosts.list().map(({ endpoint }) => endpoint),
      [watched.endpoint],
    );
  });

  test("a rotated token: a new connection at once, the old one lets calls in progress end, and nothing is told twice", async () => {
    await using fake = await startFakeFlintlockd({ token: "one" });
    await using world = new HostsWorld();
    const access = (token: string): HostAccess => ({ endpoint: fake.endpoint, token, owner: "ns/c" });
    const old = world.hosts.host(access("one"));
    await world.until("it is synced", () => old.synced);
    fake.calls.latencyMs.set("CreateMicroVM", 300);
    const inProgress = old.create(request());
    while (fake.calls.count("CreateMicroVM") === 0) await new Promise((resolve) => setImmediate(resolve));
    const fresh = world.hosts.host(access("one-too"));
    assert.notEqual(fresh, old);
    assert.deepEqual(world.hosts.list(), [fresh]);
    assert.equal((await inProgress).name, request().name, "the call was not cut off");
    await world.health(fresh, "refused");
    fake.token = "one-too";
    await fake.restart();
    await world.health(fresh, "reachable", 5_000);
    assert.equal(fresh.knownByName("team-a", request().name).length, 1);
    const { uid } = fresh.knownByName("team-a", request().name)[0] ?? { uid: "" };
    world.changes.length = 0;
    fake.host.die(uid);
    await world.until("its death is told", () => world.changes.some(({ type }) => type === "microvm"));
    assert.equal(world.changes.filter(({ type }) => type === "microvm").length, 1);
  });

  test("secrets all the way: created late, malformed, mended, expired, rotated", async () => {
    await using fake = await startFakeFlintlockd({ tls: { ...server, clientCa: authority.ca }, token: "t" });
    await using world = new HostsWorld();
    const secrets = new Map<string, SecretContent>();
    const put = (name: string, data: Readonly<Record<string, Buffer | string>>): void => {
      secrets.set(name, new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value)])));
    };
    const clock = new FakeClock(Date.now());
    using accesses = new HostAccesses({ hosts: world.hosts, read: async ({ name }) => secrets.get(name), clock });
    const cluster: MicrovmCluster = {
      metadata: { namespace: "team", name: "demo" },
      spec: {
        placement: { staticPool: { hosts: [] } },
        hostAccess: { tlsSecretRef: { name: "tls" }, tokenSecretRef: { name: "tokens" } },
      },
    };
    const told = async (): Promise<string> => {
      await clock.advance(4_000);
      const error: unknown = await accesses.accessOf(cluster, fake.endpoint).then(
        () => new Error("no problem"),
        (reason: unknown) => reason,
      );
      return error instanceof PlatformError ? `${error.message}; ${error.remedy}` : String(error);
    };
    put("tokens", { "127.0.0.1": "t\n" });
    assert.match(await told(), /secret team\/tls .* does not exist; create it/);
    put("tls", { "tls.crt": client.cert, "tls.key": client.key });
    assert.match(await told(), /team\/tls .* has no key ca\.crt/);
    put("tls", { "ca.crt": authority.ca, "tls.crt": client.cert });
    assert.match(await told(), /has no key tls\.key/);
    put("tls", { "ca.crt": authority.ca, "tls.crt": client.cert, "tls.key": "garbage" });
    assert.match(await told(), /tls\.key of .* is not a private key in PEM form/);
    put("tls", { "ca.crt": authority.ca, "tls.crt": client.cert, "tls.key": server.key });
    assert.match(await told(), /tls\.key .* is not the private key of the certificate in tls\.crt/);
    put("tls", { "ca.crt": authority.ca, "tls.crt": expired.cert, "tls.key": expired.key });
    assert.match(await told(), /tls\.crt .* has expired .*2020-01-02/);
    put("tls", { "ca.crt": authority.ca, "tls.crt": client.cert, "tls.key": client.key });
    // Nobody asks again: the mended secret is noticed, and the host opened.
    await clock.advance(16_000);
    await world.until("the host is reached", () => world.hosts.list().some((host) => host.synced));
    assert.equal(world.hosts.list()[0]?.endpoint, fake.endpoint);
  });
});
