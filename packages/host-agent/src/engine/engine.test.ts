/** What a user of the engine sees: create, get, list, the verbs, delete. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { specOf, World } from "./fake-world/world.ts";

test("a created microVM runs, with everything it needs", async () => {
  const world = new World();
  const engine = await world.start();
  const accepted = unwrap(await engine.create(specOf("one")));
  assert.equal(accepted.phase, "pending");
  await world.settle();
  const record = unwrap(engine.get(accepted.uid));
  assert.equal(record.phase, "running");
  assert.equal(record.reason, "");
  assert.equal(record.inFlight, undefined);
  assert.equal(record.boots, 1);
  assert.deepEqual(record.guest.addresses, ["10.0.0.2"]);
  assert.deepEqual(world.faults(), []);
  assert.deepEqual(
    engine.events({ uid: record.uid }).map((event) => event.reason),
    ["Accepted", "Started"],
  );
});

test("the same spec again is the same microVM, another one is a conflict that names the field", async () => {
  const world = new World();
  const engine = await world.start();
  const [first, second] = await Promise.all([engine.create(specOf("one")), engine.create(specOf("one"))]);
  assert.equal(unwrap(first).uid, unwrap(second).uid);
  const other = await engine.create(specOf("one", { interfaces: [{ deviceId: "eth1", type: "tap" }] }));
  assert.ok(!other.ok);
  assert.equal(other.error.code, "MICROVM_EXISTS");
  assert.match(other.error.message, /interfaces\[0\]\.deviceId/);
  assert.equal(engine.list({}).length, 1);
});

test("delete gives everything back, and the name is free again", async () => {
  const world = new World();
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.settle();
  assert.equal(unwrap(await engine.delete(uid)).phase, "deleting");
  const again = await engine.create(specOf("one"));
  assert.ok(!again.ok && again.error.code === "MICROVM_DELETING");
  await world.settle();
  const gone = engine.get(uid);
  assert.ok(!gone.ok);
  assert.match(gone.error.message, /not found/);
  assert.equal(world.host.volumes.size + world.host.devices.size + world.host.alive().length, 0);
  assert.deepEqual(world.faults(), []);
  unwrap(await engine.create(specOf("one")));
  await world.settle();
  assert.deepEqual(world.faults(), []);
});

test("delete pre-empts a create that is stuck in a pull", async () => {
  const world = new World();
  world.host.faults.stuckImages.add("root:1");
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.clock.advance(1_000);
  assert.equal(unwrap(engine.get(uid)).inFlight, "fetch-kernel");
  unwrap(await engine.delete(uid));
  await world.settle();
  assert.ok(!engine.get(uid).ok);
  assert.deepEqual(world.faults(), []);
});

test("stop, start, pause, resume and reboot do what they say", async () => {
  const world = new World();
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.settle();
  const phase = () => unwrap(engine.get(uid)).phase;
  unwrap(await engine.setDesired(uid, "stopped"));
  await world.settle();
  assert.equal(phase(), "stopped");
  assert.equal(unwrap(engine.get(uid)).guest.lastExit?.cause, "requested");
  unwrap(await engine.setDesired(uid, "running"));
  await world.settle();
  assert.equal(phase(), "running");
  unwrap(await engine.setDesired(uid, "paused"));
  await world.settle();
  assert.equal(phase(), "paused");
  unwrap(await engine.setDesired(uid, "running"));
  await world.settle();
  assert.equal(phase(), "running");
  const { pid } = unwrap(engine.get(uid)).made.process ?? { pid: 0 };
  unwrap(await engine.reboot(uid));
  await world.settle();
  assert.equal(phase(), "running");
  assert.notEqual(unwrap(engine.get(uid)).made.process?.pid, pid);
  assert.deepEqual(world.faults(), []);
});

test("a guest that ignores the power button is stopped at once with force", async () => {
  const world = new World();
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.settle();
  const process = world.host.processOf(uid);
  assert.ok(process !== undefined);
  process.stubborn = true;
  unwrap(await engine.setDesired(uid, "stopped"));
  await world.clock.advance(100);
  assert.equal(unwrap(engine.get(uid)).phase, "stopping");
  unwrap(await engine.setDesired(uid, "stopped", { force: true }));
  await world.settle();
  assert.equal(unwrap(engine.get(uid)).phase, "stopped");
  assert.deepEqual(world.faults(), []);
});

test("capacity is never overshot, and stopping frees it", async () => {
  const world = new World({ capacity: { vcpu: 4, memoryMiB: 1_536 } });
  const engine = await world.start();
  const created = await Promise.all(
    Array.from({ length: 20 }, (_, index) => engine.create(specOf(`vm${index}`, { memoryMiB: 256 }))),
  );
  const accepted = created.flatMap((result) => (result.ok ? [result.value] : []));
  assert.equal(accepted.length, 4);
  for (const result of created) if (!result.ok) assert.equal(result.error.code, "CAPACITY_EXCEEDED");
  await world.settle();
  assert.deepEqual(world.faults(), []);
  const [first] = accepted;
  assert.ok(first !== undefined);
  unwrap(await engine.setDesired(first.uid, "stopped"));
  await world.settle();
  unwrap(await engine.create(specOf("late", { memoryMiB: 256 })));
  const back = await engine.setDesired(first.uid, "running");
  assert.ok(!back.ok && back.error.code === "CAPACITY_EXCEEDED");
});

test("what cannot be is refused before anything is kept", async () => {
  const world = new World({ capacity: { vcpu: 64, memoryMiB: 4_096 } });
  const engine = await world.start();
  const cases: readonly [string, Parameters<typeof specOf>[1]][] = [
    ["PROVIDER_UNKNOWN", { provider: "nonesuch" }],
    ["CAPABILITY_MISSING", { vcpu: 33 }],
    ["CAPACITY_EXCEEDED", { vcpu: 65 }],
    ["CAPACITY_EXCEEDED", { memoryMiB: 100_000 }],
    ["CAPABILITY_MISSING", { interfaces: [{ deviceId: "eth0", type: "macvtap" }] }],
    ["METADATA_INVALID", { metadata: { "user-data": "broken" } }],
    [
      "CAPABILITY_MISSING",
      { additionalVolumes: [{ id: "share", readOnly: true, source: { kind: "virtiofs", path: "/srv" } }] },
    ],
  ];
  for (const [code, changes] of cases) {
    const result = await engine.create(specOf("one", changes));
    assert.ok(!result.ok);
    assert.equal(result.error.code, code);
  }
  assert.equal(engine.list({}).length, 0);
  assert.equal(world.host.journal.records.size, 0);
});

test("200 creates at once all run, each with its own address", async () => {
  const world = new World();
  const engine = await world.start();
  const created = await Promise.all(Array.from({ length: 200 }, (_, index) => engine.create(specOf(`vm${index}`))));
  for (const result of created) unwrap(result);
  await world.settle();
  assert.equal(engine.statistics().phases.running, 200);
  assert.deepEqual(world.faults(), []);
});

test("list is sorted and filtered", async () => {
  const world = new World();
  const engine = await world.start();
  for (const name of ["b", "a", "c"]) unwrap(await engine.create(specOf(name)));
  unwrap(await engine.create(specOf("a", { namespace: "alpha" })));
  const names = engine.list({}).map(({ spec }) => `${spec.namespace}/${spec.name}`);
  assert.deepEqual(names, ["alpha/a", "default/a", "default/b", "default/c"]);
  assert.equal(engine.list({ namespace: "default", name: "a" }).length, 1);
});

test("changes, console and readiness reach those who listen", async () => {
  const world = new World();
  const engine = await world.start();
  using changes = engine.changes();
  const { uid } = unwrap(await engine.create(specOf("one")));
  assert.ok(!engine.console(uid).ok);
  await world.settle();
  const first = await changes[Symbol.asyncIterator]().next();
  assert.equal(first.value?.event?.reason, "Accepted");
  const console = unwrap(engine.console(uid));
  const reader = console.output(AbortSignal.timeout(5_000))[Symbol.asyncIterator]();
  const heard = reader.next();
  unwrap(await console.write(new TextEncoder().encode("hello")));
  assert.equal(new TextDecoder().decode((await heard).value), "hello");
  world.host.processOf(uid)?.events.publish({ kind: "guest-ready", addresses: ["10.9.9.9"] });
  await world.settle();
  const { guest } = unwrap(engine.get(uid));
  assert.deepEqual([guest.ready, guest.addresses], [true, ["10.9.9.9"]]);
  const [usage] = await engine.usage();
  assert.equal(usage?.sample.cpuSeconds, 1);
  assert.equal((await engine.host()).microVms, 1);
});
