/** How capmvm follows and commands hosts, over real sockets, against the fake flintlockd: calls and their failures, watch, facts, loss and return. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type FakeFlintlockd, type FakeFlintlockdOptions, startFakeFlintlockd } from "@liquidmetal/host-agent/fake";
import type { Host } from "../../packages/capmvm/src/hosts/host.ts";
import { openHosts } from "../../packages/capmvm/src/hosts/open-hosts.ts";
import { failure, HostsWorld, quick, request } from "./capmvm-hosts-world.ts";

async function withHost(
  options: FakeFlintlockdOptions,
  work: (parts: { readonly fake: FakeFlintlockd; readonly world: HostsWorld; readonly host: Host }) => Promise<void>,
): Promise<void> {
  await using fake = await startFakeFlintlockd(options);
  await using world = new HostsWorld();
  await work({ fake, world, host: await world.synced(fake) });
}

describe("calls", { timeout: 60_000 }, () => {
  test("a microVM is asked for in full, seen to start, found again by identity, and deleted", () =>
    withHost({}, async ({ fake, world, host }) => {
      const made = await host.create(request());
      assert.equal(made.state, "pending");
      const [record] = fake.host.microVms;
      assert.equal(record?.spec.kernel.addNetworkConfig, true);
      assert.deepEqual(record?.spec.kernel.cmdline, { quiet: "" });
      assert.equal(record?.spec.rootVolume?.sizeMiB, 8_192);
      assert.equal(record?.spec.additionalVolumes[0]?.mountPoint, "/lib/modules");
      assert.deepEqual(record?.spec.interfaces[0], {
        deviceId: "eth1",
        type: "tap",
        guestMac: "02:00:00:00:00:07",
        bridgeName: "br0",
        address: { address: "10.0.0.7/24", gateway: "10.0.0.1/24", nameservers: ["10.0.0.2"] },
      });
      const metaData = Buffer.from(record?.spec.metadata["meta-data"] ?? "", "base64").toString();
      assert.match(metaData, /^local_hostname: .*\nplatform: .*\nmachine_identity: 3c8f1c1e-/);
      assert.equal(record?.spec.labels["capmvm.liquidmetal.dev/identity"], request().identity);

      await world.until("it is ready", () => host.known(made.uid)?.guestReady === true);
      assert.deepEqual(host.known(made.uid)?.addresses, ["10.0.0.7"]);
      const [listed] = await host.list("team-a", "demo-md-0-abcde");
      assert.equal(listed?.identity, request().identity);
      assert.equal(host.knownByName("team-a", "demo-md-0-abcde")[0]?.uid, made.uid);
      assert.equal((await host.create(request())).uid, made.uid, "the same again is the same");
      assert.equal((await failure(host.create(request({ identity: "another" })))).code, "MICROVM_EXISTS");

      await host.delete(made.uid);
      await world.until("it is gone", () => host.known(made.uid) === undefined);
      assert.equal(await host.get(made.uid), undefined);
      await host.delete(made.uid);
    }));

  test("what a host refuses keeps its code and its retry policy", () =>
    withHost({ facts: { capacity: { vcpu: 2 } } }, async ({ host }) => {
      const tooBig = await failure(host.create(request({ vcpu: 3 })));
      assert.equal(tooBig.code, "CAPACITY_EXCEEDED");
      assert.equal(tooBig.retry, "after-change");
      const invalid = await failure(host.create(request({ kernel: { image: "", filename: "x", cmdline: {} } })));
      assert.equal(invalid.code, "SPEC_INVALID");
      assert.equal(invalid.retry, "never");
      assert.match(invalid.message, /kernel\.image/);
      assert.equal((await failure(host.create(request({ provider: "firecracker" })))).code, "PROVIDER_UNKNOWN");
    }));

  test("a create whose answer is lost is uncertain; one that could not be sent made nothing", () =>
    withHost({}, async ({ fake, world, host }) => {
      fake.calls.silence("CreateMicroVM", { applied: true });
      const late = await failure(host.create(request({ name: "late" })));
      assert.equal(late.code, "CREATE_UNCERTAIN");
      assert.match(late.remedy, /list/);
      assert.equal((await host.list("team-a", "late")).length, 1);
      fake.calls.before = (method) => {
        if (method === "CreateMicroVM") fake.cut();
      };
      assert.equal((await failure(host.create(request({ name: "cut" })))).code, "CREATE_UNCERTAIN");
      fake.calls.clear();
      await fake.stop();
      await world.health(host, "unreachable");
      assert.equal((await failure(host.create(request({ name: "down" })))).code, "HOST_UNREACHABLE");
      assert.equal(
        fake.host.microVms.some(({ spec }) => spec.name === "down"),
        false,
      );
      assert.equal((await failure(host.get("x"))).code, "HOST_UNREACHABLE");
    }));

  test("the caller's signal ends a call", () =>
    withHost({}, async ({ fake, host }) => {
      const stopping = new AbortController();
      fake.calls.silence("GetMicroVM");
      fake.calls.before = () => stopping.abort();
      assert.equal((await failure(host.get("x", { signal: stopping.signal }))).code, "CANCELLED");
      fake.calls.clear();
      fake.calls.silence("CreateMicroVM");
      const late = await failure(host.create(request(), { signal: AbortSignal.timeout(50) }));
      assert.equal(late.code, "CREATE_UNCERTAIN", "the caller's deadline is one like any other");
    }));
});

describe("watch", { timeout: 60_000 }, () => {
  test("a microVM that dies is told in well under a second, one that vanishes too", () =>
    withHost({}, async ({ fake, world, host }) => {
      const { uid } = await host.create(request());
      await world.until("it is ready", () => host.known(uid)?.guestReady === true);
      const diedAt = performance.now();
      fake.host.die(uid);
      await world.until("its death is told", () => host.known(uid)?.state === "failed", 1_000);
      assert.ok(performance.now() - diedAt < 500, `${performance.now() - diedAt} ms`);
      assert.equal(host.known(uid)?.reason, "VmmCrashed");
      fake.host.vanish(uid);
      await world.until("its end is told", () => world.changes.some(({ type }) => type === "microvm-deleted"), 1_000);
    }));

  test("what happened while the connection was cut is told afterwards, without a new snapshot", () =>
    withHost({}, async ({ fake, world, host }) => {
      const made = await Promise.all(["a", "b", "c"].map((name) => host.create(request({ name }))));
      await world.until("all are ready", () => made.every(({ uid }) => host.known(uid)?.guestReady === true));
      const [a, b] = made;
      const before = world.changes.length;
      fake.cut();
      fake.host.die(a?.uid ?? "");
      fake.host.vanish(b?.uid ?? "");
      const told = (type: string, uid = ""): boolean =>
        world.changes
          .slice(before)
          .some((change) => change.type === type && "microVm" in change && change.microVm.uid === uid);
      await world.until("both are told", () => told("microvm", a?.uid) && told("microvm-deleted", b?.uid));
      await world.until("it is in step again", () => host.synced);
      assert.equal(told("microvm", made[2]?.uid), false, "what did not change is not told again");
    }));

  test("a host that has forgotten the position, or was set up anew, is looked at afresh", () =>
    withHost({}, async ({ fake, world, host }) => {
      const { uid } = await host.create(request());
      await world.until("it is known", () => host.known(uid)?.guestReady === true);
      fake.dropEvents();
      await fake.restart();
      await world.until("it is in step again", () => host.synced && host.known(uid) !== undefined);
      await fake.restart({ empty: true });
      await world.until("it is gone", () => host.synced && host.known(uid) === undefined);
      assert.ok(world.changes.some((change) => change.type === "microvm-deleted" && change.microVm.uid === uid));
    }));

  test("facts come at once, after changes, and only when they differ", () =>
    withHost({ facts: { labels: { rack: "r1" }, capacity: { vcpu: 8 } } }, async ({ world, host }) => {
      assert.equal(host.facts()?.labels["rack"], "r1");
      assert.equal(host.facts()?.allocated.vcpu, 0);
      assert.ok(host.facts()?.providers[0]?.capabilities.includes("interface:tap"));
      await host.create(request());
      await world.until("the vCPUs are counted", () => host.facts()?.allocated.vcpu === 2);
      assert.equal(world.changes.filter(({ type }) => type === "facts").length, 2);
    }));

  test("200 microVMs on three hosts: every one is seen to be made, to become ready and to go", async () => {
    const fakes = await Promise.all(
      ["a", "b", "c"].map((name) => startFakeFlintlockd({ facts: { name, capacity: { vcpu: 500 } } })),
    );
    await using world = new HostsWorld({ callMs: 20_000, keepaliveMs: 20_000 });
    try {
      const hosts = await Promise.all(fakes.map((fake) => world.synced(fake)));
      const names = Array.from({ length: 200 }, (_, index) => `vm-${index}`);
      const made = await Promise.all(
        names.map(async (name, index) => {
          const host = hosts[index % hosts.length];
          assert.ok(host !== undefined);
          return { host, uid: (await host.create(request({ name, identity: name }))).uid };
        }),
      );
      await world.until("all are ready", () => made.every(({ host, uid }) => host.known(uid)?.guestReady === true));
      await Promise.all(made.map(({ host, uid }) => host.delete(uid)));
      await world.until("all are gone", () => made.every(({ host, uid }) => host.known(uid) === undefined));
      const gone = world.changes.filter(({ type }) => type === "microvm-deleted");
      assert.equal(gone.length, 200, "each is told once");
    } finally {
      await Promise.all(fakes.map((fake) => fake.stop()));
    }
  });
});

test("a listener that throws is a defect of its own and no trouble with the host", { timeout: 20_000 }, async () => {
  await using fake = await startFakeFlintlockd();
  const defects: unknown[] = [];
  await using hosts = openHosts({ timing: quick, onDefect: (error) => defects.push(error) });
  const host = hosts.host({ endpoint: fake.endpoint });
  const { promise: reached, resolve } = Promise.withResolvers<void>();
  hosts.onChange((change) => {
    if (change.type === "health" && host.synced) resolve();
    throw new Error("a defect");
  });
  await reached;
  const { uid } = await host.create(request());
  while (host.known(uid)?.guestReady !== true) await new Promise((turn) => setImmediate(turn));
  assert.equal(host.health().state, "reachable");
  assert.ok(defects.length > 0);
  assert.equal(fake.calls.count("Watch"), 1);
});

describe("loss and return", { timeout: 60_000 }, () => {
  test("a host that stops is unreachable at once and reachable soon after it is back", () =>
    withHost({}, async ({ fake, world, host }) => {
      await fake.stop();
      await world.health(host, "unreachable", 5_000);
      await world.until("the reason is told", () => /connection refused/.test(host.health().message));
      assert.equal(host.health().code, "HOST_UNREACHABLE");
      assert.equal(host.synced, false);
      await fake.start();
      await world.health(host, "reachable", 3_000);
      assert.equal(host.synced, true);
      assert.equal(host.health().message, "");
    }));

  test("a host that freezes is noticed by its silence, by watch and calls, and is back when it thaws", () =>
    withHost({}, async ({ fake, world, host }) => {
      const { uid } = await host.create(request());
      await world.until("it is known", () => host.known(uid)?.guestReady === true);
      const frozenAt = performance.now();
      fake.freeze();
      const message = await world.health(host, "unreachable", 5_000);
      assert.ok(performance.now() - frozenAt < 5_000, `${performance.now() - frozenAt} ms`);
      assert.notEqual(message, "");
      await world.until("its silence is said", () => /says nothing|did not answer/.test(host.health().message));
      fake.thaw();
      await world.until("it is back", () => host.synced && host.known(uid) !== undefined);
    }));

  test("a short cut is no loss: health does not flicker", async () => {
    await using fake = await startFakeFlintlockd();
    await using world = new HostsWorld({ graceMs: 10_000 });
    const host = await world.synced(fake);
    const before = world.changes.length;
    fake.cut();
    await world.until("it is in step again", () => host.synced && world.changes.length > before);
    const told = world.changes.slice(before).filter(({ type }) => type === "health");
    assert.deepEqual(
      told.map((change) => change.type === "health" && change.health.state),
      ["reachable"],
    );
  });

  test("a name that cannot be resolved, a port where nothing listens and something that is no flintlockd are told apart", async () => {
    await using world = new HostsWorld();
    const { createServer } = await import("node:http2");
    const other = createServer((_request, response) => response.writeHead(404).end()).listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const address = other.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    try {
      const host = (endpoint: string): Host => world.hosts.host({ endpoint });
      assert.match(await world.health(host("no-such-host.invalid:9090"), "unreachable"), /resolve/);
      assert.match(await world.health(host("127.0.0.1:1"), "unreachable"), /127\.0\.0\.1:1: nothing listens there/);
      assert.match(await world.health(host(`127.0.0.1:${port}`), "unreachable"), /not flintlockd/);
    } finally {
      other.close();
    }
  });
});

describe("upstream's flintlock", { timeout: 60_000 }, () => {
  test("is polled: microVMs are known, change and go, with their identity out of meta-data", () =>
    withHost({ likeUpstream: true }, async ({ fake, world, host }) => {
      assert.equal(host.facts(), undefined);
      fake.host.lifeOf = () => ({ startsAfterMs: "never" });
      const { uid } = await host.create(request());
      assert.equal(host.known(uid)?.identity, request().identity);
      assert.equal(host.known(uid)?.guestReady, undefined);
      fake.host.start(uid);
      await world.until("it is created", () => host.known(uid)?.state === "created");
      fake.host.fail(uid, "Failed", "it failed");
      await world.until("it failed", () => host.known(uid)?.state === "failed");
      fake.host.vanish(uid);
      await world.until("it is gone", () => host.synced && host.known(uid) === undefined);
      assert.equal(await host.get(uid), undefined);
      await host.delete(uid);
    }));

  test("accepts a name twice, and both are found", () =>
    withHost({ likeUpstream: true }, async ({ host }) => {
      await host.create(request());
      await host.create(request());
      assert.equal((await host.list("team-a", request().name)).length, 2);
      assert.equal(host.knownByName("team-a", request().name).length, 2);
    }));

  test("its texts become codes", () =>
    withHost({ likeUpstream: true }, async ({ fake, host }) => {
      const rows = [
        ["creating microvm: microvm provider x isn't available", "PROVIDER_UNKNOWN"],
        ["creating microvm: macvtap network interfaces not supported by the microvm provider", "CAPABILITY_MISSING"],
        [
          "creating microvm: an error occurred when attempting to validate microvm spec: validation failures found: …",
          "SPEC_INVALID",
        ],
        ["converting request: creating vmid from spec: name is required", "SPEC_INVALID"],
        ["pulling image: registry.example/x: not found", "IMAGE_NOT_FOUND"],
        ["something else went wrong", "INTERNAL"],
      ] as const;
      for (const [message, code] of rows) {
        fake.calls.fail("CreateMicroVM", { status: "UNKNOWN", message });
        const error = await failure(host.create(request()));
        assert.equal(error.code, code, message);
        assert.equal(error.message, message);
      }
    }));

  test("a namespace that comes into use is listed before anything is said of it", () =>
    withHost({ likeUpstream: true }, async ({ fake, world, host }) => {
      const { uid } = await host.create(request({ namespace: "old" }));
      await using later = new HostsWorld();
      const fresh = await later.synced(fake);
      fresh.knownByName("old", request().name);
      assert.equal(fresh.synced, false);
      await later.until("it is listed", () => fresh.synced);
      assert.equal(fresh.knownByName("old", request().name)[0]?.uid, uid);
      assert.equal(world.changes.length > 0, true);
    }));

  test("lost and back like any other", () =>
    withHost({ likeUpstream: true }, async ({ fake, world, host }) => {
      fake.freeze();
      await world.health(host, "unreachable", 5_000);
      fake.thaw();
      await world.health(host, "reachable", 5_000);
      await fake.stop();
      await world.health(host, "unreachable", 5_000);
      await fake.start();
      await world.health(host, "reachable", 5_000);
    }));
});
