/** From a cluster's words and its secrets to the access to a host, and what follows when a secret changes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock, PlatformError } from "@liquidmetal/foundation";
import type { MicrovmCluster } from "../api/index.ts";
import { FakeHosts } from "./fake-hosts.ts";
import { HostAccesses } from "./host-accesses.ts";
import type { SecretContent } from "./secret-reader.ts";

class World implements Disposable {
  readonly clock: FakeClock = new FakeClock();
  readonly hosts: FakeHosts = new FakeHosts(this.clock);
  readonly secrets: Map<string, SecretContent> = new Map();
  reads = 0;
  failing: PlatformError | undefined;
  readonly accesses: HostAccesses = new HostAccesses({
    hosts: this.hosts,
    clock: this.clock,
    read: async ({ namespace, name }) => {
      this.reads++;
      if (this.failing !== undefined) throw this.failing;
      return this.secrets.get(`${namespace}/${name}`);
    },
  });

  put(name: string, data: Readonly<Record<string, string>>): void {
    this.secrets.set(`team/${name}`, new Map(Object.entries(data).map(([key, text]) => [key, Buffer.from(text)])));
  }

  [Symbol.dispose](): void {
    this.accesses[Symbol.dispose]();
  }
}

function cluster(hostAccess: MicrovmCluster["spec"]["hostAccess"]): MicrovmCluster {
  const spec = { placement: { staticPool: { hosts: [] } }, ...(hostAccess === undefined ? {} : { hostAccess }) };
  return { metadata: { namespace: "team", name: "demo" }, spec };
}

const tokens = { tokenSecretRef: { name: "tokens" } };

async function problem(work: Promise<unknown>): Promise<PlatformError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof PlatformError, String(error));
  assert.equal(error.code, "HOST_ACCESS_INVALID");
  return error;
}

test("without secrets an access is plain; without a cluster too", async () => {
  using world = new World();
  assert.deepEqual(await world.accesses.accessOf(cluster(undefined), "a:1"), { endpoint: "a:1", owner: "team/demo" });
  assert.deepEqual(await world.accesses.accessOf(undefined, "a:1"), { endpoint: "a:1" });
  const proxied = await world.accesses.accessOf(cluster({ proxy: { url: "http://p:3128" } }), "a:1");
  assert.equal(proxied.proxy, "http://p:3128");
  assert.match((await problem(world.accesses.accessOf(cluster({ proxy: { url: "p:3128" } }), "a:1"))).message, /proxy/);
  assert.match((await problem(world.accesses.accessOf(cluster(undefined), "a"))).message, /'a' is not the endpoint/);
});

test("tokens by address, IPv6 with hyphens, by address and port first; white space at the ends is no part of them", async () => {
  using world = new World();
  world.put("tokens", { "10.0.0.1": "one\n", "10.0.0.1-2": "two", "fd00--1": "six", "none.example": "" });
  const token = async (endpoint: string): Promise<string | undefined> =>
    (await world.accesses.accessOf(cluster(tokens), endpoint)).token;
  assert.equal(await token("10.0.0.1:1"), "one");
  assert.equal(await token("10.0.0.1:2"), "two");
  assert.equal(await token("[fd00::1]:9090"), "six");
  assert.equal(await token("none.example:1"), undefined);
});

test("what is missing or malformed is named: secret, key, remedy", async () => {
  using world = new World();
  const absent = await problem(world.accesses.accessOf(cluster(tokens), "10.0.0.1:1"));
  assert.equal(absent.details["problem"], "missing");
  assert.match(absent.message, /team\/tokens .* does not exist/);
  world.put("tokens", { "10.0.0.2": "x", "10.0.0.3": "\u0000" });
  await world.clock.advance(3_000);
  const noKey = await problem(world.accesses.accessOf(cluster(tokens), "10.0.0.1:1"));
  assert.match(noKey.message, /no token for 10\.0\.0\.1:1: no key 10\.0\.0\.1 or 10\.0\.0\.1-1/);
  const binary = await problem(world.accesses.accessOf(cluster(tokens), "10.0.0.3:1"));
  assert.equal(binary.details["problem"], "invalid");
  world.put("tls", { "ca.crt": "no certificate" });
  const tls = cluster({ tlsSecretRef: { name: "tls" } });
  assert.match(
    (await problem(world.accesses.accessOf(tls, "a:1"))).message,
    /ca\.crt of .*team\/tls.* not a certificate/,
  );
});

test("many who ask at once cost one read, and a little later one more", async () => {
  using world = new World();
  world.put("tokens", { "10.0.0.1": "x" });
  const ask = async (): Promise<void> => {
    await Promise.all(Array.from({ length: 50 }, () => world.accesses.accessOf(cluster(tokens), "10.0.0.1:1")));
  };
  await ask();
  await ask();
  assert.equal(world.reads, 1);
  await world.clock.advance(3_000);
  await ask();
  assert.equal(world.reads, 2);
});

test("a rotated secret takes effect without anybody asking", async () => {
  using world = new World();
  world.hosts.add("10.0.0.1:1");
  world.put("tokens", { "10.0.0.1": "old" });
  await world.accesses.accessOf(cluster(tokens), "10.0.0.1:1");
  world.put("tokens", { "10.0.0.1": "new" });
  await world.clock.advance(16_000);
  assert.deepEqual(
    world.hosts.accesses.map(({ token, owner }) => [token, owner]),
    [["new", "team/demo"]],
  );
  await world.clock.advance(60_000);
  assert.equal(world.hosts.accesses.length, 1, "what did not change is not opened again");
});

test("a host that refuses makes the secret be read at once; one that is mended is opened", async () => {
  using world = new World();
  const host = world.hosts.add("10.0.0.1:1");
  await problem(world.accesses.accessOf(cluster(tokens), "10.0.0.1:1"));
  world.put("tokens", { "10.0.0.1": "good" });
  await world.clock.advance(5_000);
  host.refuse();
  await world.clock.advance(0);
  assert.deepEqual(
    world.hosts.accesses.map(({ token }) => token),
    ["good"],
  );
});

test("when the API server cannot be asked, what was read stays good for those who do not ask, and others are told why", async () => {
  using world = new World();
  world.put("tokens", { "10.0.0.1": "x" });
  await world.accesses.accessOf(cluster(tokens), "10.0.0.1:1");
  world.failing = new PlatformError("KUBERNETES_UNAVAILABLE", "gone");
  await world.clock.advance(60_000);
  await assert.rejects(world.accesses.accessOf(cluster(tokens), "10.0.0.1:1"), { code: "KUBERNETES_UNAVAILABLE" });
  world.failing = undefined;
  assert.equal((await world.accesses.accessOf(cluster(tokens), "10.0.0.1:1")).token, "x");
});

test("a cluster that is gone is forgotten: its connections are released and its secrets read no more", async () => {
  using world = new World();
  world.put("tokens", { "10.0.0.1": "x" });
  await world.accesses.accessOf(cluster(tokens), "10.0.0.1:1");
  world.accesses.forget(cluster(tokens));
  const { reads } = world;
  await world.clock.advance(120_000);
  assert.equal(world.reads, reads);
  assert.deepEqual(world.hosts.released, ["team/demo"]);
});

test("asked again and again, the same access is given; with a new secret another one", async () => {
  using world = new World();
  world.put("tokens", { a: "one" });
  const asked = cluster(tokens);
  const first = await world.accesses.accessOf(asked, "a:1");
  assert.equal(await world.accesses.accessOf(asked, "a:1"), first);
  world.put("tokens", { a: "two" });
  await world.clock.advance(3_001);
  assert.equal((await world.accesses.accessOf(asked, "a:1")).token, "two");
  assert.equal(first.token, "one");
});
