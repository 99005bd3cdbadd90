/** The fake by itself: what tests of others command of it. That it answers as the real one does is the conformance suite's business. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MicroVMStatus_MicroVMState, WatchResponse_Type } from "@liquidmetal/api";
import { type Connection, connect } from "@liquidmetal/api/client";
import { systemClock } from "@liquidmetal/foundation";
import { type FakeFlintlockd, startFakeFlintlockd } from "./index.ts";

const spec = {
  id: "vm",
  namespace: "ns",
  labels: { a: "b" },
  kernel: { image: "registry.example/kernel:1", filename: "boot/vmlinux" },
  rootVolume: { id: "root", source: { containerSource: "registry.example/os:1" } },
  interfaces: [{ deviceId: "eth1", type: 1, address: { address: "10.0.0.7/24" } }],
};

async function create(client: Connection, change: object = {}): Promise<string> {
  const { microvm } = await client.microVms.createMicroVM({ microvm: { ...spec, ...change } });
  return microvm?.spec?.uid ?? "";
}

/** The first message of the watch for which `look` holds. */
async function seen(client: Connection, look: (phase: string, type: number) => boolean): Promise<void> {
  for await (const { type, microvm } of client.host.watch({ snapshot: true }, { timeoutMs: 5_000 })) {
    if (look(microvm?.status?.phase ?? "", type)) return;
  }
}

/** How many microVMs there are, as soon as the host is reached again. */
async function count(client: Connection): Promise<number> {
  const deadline = performance.now() + 5_000;
  for (;;) {
    try {
      return (await client.microVms.listMicroVMs({}, { timeoutMs: 1_000 })).microvm.length;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}

async function using(
  options: Parameters<typeof startFakeFlintlockd>[0],
  work: (fake: FakeFlintlockd, client: Connection) => Promise<void>,
): Promise<void> {
  await using fake = await startFakeFlintlockd(options);
  using client = connect({ address: fake.endpoint, timeoutMs: 5_000 });
  await work(fake, client);
}

describe("fake flintlockd", { timeout: 20_000 }, () => {
  test("a microVM starts, is ready with its addresses, dies, and is gone when deleted", () =>
    using({}, async (fake, client) => {
      fake.host.addressesOf = () => ["fd00::7"];
      const uid = await create(client);
      await seen(client, (phase) => phase === "running");
      while (!fake.host.microVms[0]?.guest.ready) await new Promise((resolve) => setImmediate(resolve));
      const { microvm } = await client.microVms.getMicroVM({ uid });
      assert.deepEqual(microvm?.status?.addresses, ["10.0.0.7", "fd00::7"]);
      fake.host.die(uid);
      const dead = await client.microVms.getMicroVM({ uid });
      assert.equal(dead.microvm?.status?.reason, "VmmCrashed");
      assert.equal(dead.microvm?.status?.state, MicroVMStatus_MicroVMState.FAILED);
      const gone = seen(client, (_phase, type) => type === WatchResponse_Type.DELETED);
      while (fake.host.watchers === 0) await new Promise((resolve) => setImmediate(resolve));
      await client.microVms.deleteMicroVM({ uid });
      await gone;
    }));

  test("calls fail, are lost after they were done, wait, and are never answered, as told", () =>
    using({}, async (fake, client) => {
      fake.calls.fail("CreateMicroVM", { code: "CAPACITY_EXCEEDED", message: "full" }, { after: 1 });
      await create(client, { id: "a" });
      await assert.rejects(create(client, { id: "b" }), { code: "CAPACITY_EXCEEDED", message: "full" });
      fake.calls.fail("CreateMicroVM", { status: "UNAVAILABLE", message: "lost" }, { applied: true });
      await assert.rejects(create(client, { id: "c" }), { code: "UNAVAILABLE" });
      assert.deepEqual(
        fake.host.microVms.map(({ spec: { name } }) => name),
        ["a", "c"],
      );
      fake.calls.silence("GetMicroVM");
      await assert.rejects(client.microVms.getMicroVM({ uid: "x" }, { timeoutMs: 100 }), { code: "DEADLINE_EXCEEDED" });
      fake.calls.latencyMs.set("*", 50);
      const startedAt = performance.now();
      await client.microVms.listMicroVMs({});
      assert.ok(performance.now() - startedAt >= 45);
      assert.equal(fake.calls.count("CreateMicroVM"), 3);
    }));

  test("a frozen host takes connections and is silent until it thaws; a cut one is reached again at once", () =>
    using({}, async (fake, client) => {
      await create(client);
      fake.freeze();
      await assert.rejects(client.microVms.listMicroVMs({}, { timeoutMs: 100 }), { code: "DEADLINE_EXCEEDED" });
      fake.thaw();
      assert.equal((await client.microVms.listMicroVMs({})).microvm.length, 1);
      fake.cut();
      assert.equal(await count(client), 1);
    }));

  test("a restart keeps microVMs or loses them, on the same port", () =>
    using({}, async (fake, client) => {
      await create(client);
      const { endpoint } = fake;
      await fake.restart();
      assert.equal(await count(client), 1);
      await fake.restart({ empty: true });
      assert.equal(await count(client), 0);
      assert.equal(fake.endpoint, endpoint);
      await fake.stop();
      using late = connect({ address: endpoint });
      await assert.rejects(late.ready(300), { code: "UNAVAILABLE" });
    }));

  test("like upstream: no Host service, no labels, a name twice, and UNKNOWN for what is not found", () =>
    using({ likeUpstream: true }, async (fake, client) => {
      const first = await create(client, { provider: "firecracker" });
      assert.notEqual(await create(client), first);
      const { microvm } = await client.microVms.getMicroVM({ uid: first });
      assert.deepEqual(microvm?.spec?.labels, {});
      assert.equal(microvm?.status?.phase, "");
      assert.equal((await client.microVms.listMicroVMs({ namespace: "ns", name: "vm" })).microvm.length, 2);
      await assert.rejects(client.host.getHost({}), (error: Error & { details?: { grpcStatus?: number } }) => {
        return error.details?.grpcStatus === 12;
      });
      for (const call of [client.microVms.getMicroVM, client.microVms.deleteMicroVM]) {
        await assert.rejects(call({ uid: "nope" }), (error: Error & { details?: { grpcStatus?: number } }) => {
          return error.details?.grpcStatus === 2 && /microvm spec \/\/nope not found$/.test(error.message);
        });
      }
      assert.equal(fake.calls.count("GetMicroVM"), 2);
    }));

  test("1,000 microVMs are made and listed in seconds", () =>
    using({ facts: { capacity: { vcpu: 100_000, memoryMiB: 100_000_000 } } }, async (fake, client) => {
      const startedAt = systemClock.monotonicMs();
      const names = Array.from({ length: 1_000 }, (_, index) => `vm-${index}`);
      for (let at = 0; at < names.length; at += 100) {
        await Promise.all(names.slice(at, at + 100).map((id) => create(client, { id })));
      }
      assert.equal((await client.microVms.listMicroVMs({})).microvm.length, 1_000);
      assert.equal(fake.host.microVms.length, 1_000);
      const tookMs = systemClock.monotonicMs() - startedAt;
      assert.ok(tookMs < 15_000, `${tookMs} ms`);
    }));
});
