/** Faults: what breaks around the engine, and how it mends, waits or says so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import type { MicroVmRecord, MicroVmSpec } from "@liquidmetal/microvm";
import type { Engine } from "./engine.ts";
import { specOf, World, type WorldOptions } from "./fake-world/world.ts";

async function running(options: WorldOptions = {}, changes: Partial<MicroVmSpec> = {}) {
  const world = new World(options);
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one", changes)));
  await world.settle();
  const look = (of: Engine = engine): MicroVmRecord => unwrap(of.get(uid));
  assert.equal(look().phase, "running");
  return { world, engine, uid, look };
}

function processOf(world: World, uid: string) {
  const process = world.host.processOf(uid);
  assert.ok(process !== undefined);
  return process;
}

const policy = (value: string): Partial<MicroVmSpec> => ({ labels: { "liquidmetal.dev/restart-policy": value } });

test("containerd is dead, then back: the create waits and goes on", async () => {
  const world = new World();
  world.host.faults.containerdDown = true;
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.settle();
  const waiting = unwrap(engine.get(uid));
  assert.deepEqual([waiting.phase, waiting.reason, waiting.retry.attempts], ["pending", "ContainerdUnavailable", 1]);
  assert.match(waiting.message, /start containerd/);
  await world.settle(30_000);
  assert.ok(unwrap(engine.get(uid)).retry.attempts > 3);
  world.host.faults.containerdDown = false;
  await world.settle(120_000);
  const mended = unwrap(engine.get(uid));
  assert.deepEqual([mended.phase, mended.reason, mended.retry.attempts], ["running", "", 0]);
  assert.deepEqual(world.faults(), []);
});

test("after many failures the phase says failed, and the retries go on", async () => {
  const world = new World();
  world.host.faults.startFails = "no luck";
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.settle(3_600_000);
  const failed = unwrap(engine.get(uid));
  assert.deepEqual([failed.phase, failed.reason], ["failed", "HypervisorFailed"]);
  world.host.faults.startFails = "";
  await world.settle(600_000);
  assert.equal(unwrap(engine.get(uid)).phase, "running");
  assert.deepEqual(world.faults(), []);
});

test("a missing image fails with its reason; importing it helps at once, and so does the user's word", async () => {
  const world = new World();
  world.host.faults.missingImages.add("root:1");
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.settle();
  const failed = unwrap(engine.get(uid));
  assert.deepEqual([failed.phase, failed.reason], ["failed", "ImageNotFound"]);
  unwrap(await engine.setDesired(uid, "running"));
  await world.settle();
  assert.equal(unwrap(engine.get(uid)).phase, "failed");
  world.host.faults.missingImages.clear();
  engine.nudge();
  await world.settle();
  assert.equal(unwrap(engine.get(uid)).phase, "running");
  assert.deepEqual(world.faults(), []);
});

test("a VMM that is killed is started again, later and later", async () => {
  const { world, uid, look } = await running();
  world.host.end(processOf(world, uid), "crashed", "killed by SIGKILL");
  await world.settle();
  assert.deepEqual([look().phase, look().reason], ["pending", "VmmCrashed"]);
  assert.equal(look().guest.lastExit?.cause, "crashed");
  await world.settle(2_000);
  assert.equal(look().phase, "running");
  for (let crash = 0; crash < 5; crash++) {
    world.host.end(processOf(world, uid), "crashed");
    await world.settle(20_000);
  }
  assert.ok(look().retry.attempts >= 5);
  await world.settle(120_000);
  assert.deepEqual([look().phase, look().retry.attempts], ["running", 0]);
  assert.deepEqual(world.faults(), []);
});

test("a guest that panics is stopped and restarted", async () => {
  const { world, uid, look } = await running();
  processOf(world, uid).events.publish({ kind: "guest-panicked", message: "Attempted to kill init" });
  await world.settle();
  assert.deepEqual([look().reason, look().guest.lastExit?.cause], ["GuestPanicked", "panicked"]);
  await world.settle(2_000);
  assert.equal(look().phase, "running");
  assert.deepEqual(world.faults(), []);
});

test("a guest that powers itself off stays off, and can be started again", async () => {
  const { world, engine, uid, look } = await running();
  world.host.end(processOf(world, uid), "powered-off");
  await world.settle(600_000);
  assert.deepEqual([look().phase, look().desired, look().reason], ["stopped", "stopped", "GuestPoweredOff"]);
  assert.equal(world.host.volumes.size, 2);
  unwrap(await engine.setDesired(uid, "running"));
  await world.settle();
  assert.deepEqual([look().phase, look().reason], ["running", ""]);
  assert.deepEqual(world.faults(), []);
});

test("a guest that follows a stop when it is wanted again is started again", async () => {
  const { world, engine, uid, look } = await running();
  processOf(world, uid).stubborn = true;
  unwrap(await engine.setDesired(uid, "stopped"));
  await world.clock.advance(1_000);
  assert.equal(look().phase, "stopping");
  unwrap(await engine.setDesired(uid, "running"));
  await world.settle();
  assert.deepEqual([look().phase, world.host.spawns.get(uid)], ["running", 1]);
  world.host.end(processOf(world, uid), "powered-off");
  await world.settle();
  assert.deepEqual([look().phase, look().reason, world.host.spawns.get(uid)], ["running", "", 2]);
  const warnings = engine.events({ uid }).filter(({ severity }) => severity === "warning");
  assert.deepEqual(warnings, []);
  assert.deepEqual(world.faults(), []);
});

test("the restart policy of the microVM decides", async () => {
  const always = await running({}, policy("always"));
  always.world.host.end(processOf(always.world, always.uid), "powered-off");
  await always.world.settle(10_000);
  assert.equal(always.look().phase, "running");
  const never = await running({}, policy("never"));
  never.world.host.end(processOf(never.world, never.uid), "crashed");
  await never.world.settle(600_000);
  assert.deepEqual([never.look().phase, never.look().reason], ["failed", "VmmCrashed"]);
  assert.deepEqual(never.world.faults(), []);
});

test("a VMM that hangs while it starts is given up at the deadline and tried again", async () => {
  const world = new World();
  world.host.faults.startHangs = true;
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.clock.advance(60_100);
  world.host.faults.startHangs = false;
  await world.settle();
  assert.equal(world.host.alive().length, 0);
  assert.equal(unwrap(engine.get(uid)).reason, "HypervisorTimeout");
  await world.settle(5_000);
  assert.equal(unwrap(engine.get(uid)).phase, "running");
  assert.deepEqual(world.faults(), []);
});

test("a tap of the same name that belongs to someone else is left alone", async () => {
  const world = new World();
  const engine = await world.start();
  const { uid, made } = unwrap(await engine.create(specOf("one")));
  const name = made.interfaces["eth0"]?.hostDevice ?? "";
  world.host.devices.set(name, { name });
  await world.settle(5_000);
  assert.equal(unwrap(engine.get(uid)).reason, "NetworkDeviceTaken");
  assert.deepEqual(world.host.devices.get(name), { name });
  world.host.devices.delete(name);
  await world.settle(60_000);
  assert.equal(unwrap(engine.get(uid)).phase, "running");
});

test("the spawner dies and comes back", async () => {
  const world = new World();
  const engine = await world.start();
  world.host.lose("spawner");
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.settle(1_000);
  assert.equal(unwrap(engine.get(uid)).reason, "SpawnerUnavailable");
  world.host.bringBack("spawner");
  await world.settle(30_000);
  assert.equal(unwrap(engine.get(uid)).phase, "running");
});

test("a process that was spawned while the spawner died is ended before the next start", async () => {
  const world = new World();
  world.host.faults.spawnerDiesSpawning = true;
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.settle();
  assert.equal(world.host.alive().length, 1);
  world.host.faults.spawnerDiesSpawning = false;
  await world.settle(30_000);
  assert.equal(unwrap(engine.get(uid)).phase, "running");
  assert.deepEqual(world.faults(), []);
});

test("a registry that hangs holds up creates, never a delete", async () => {
  const { world, engine, uid } = await running({ config: { concurrency: 4 } });
  world.host.faults.stuckImages.add("slow:1");
  const slow = { rootVolume: { id: "root", readOnly: false, source: { kind: "image", image: "slow:1" } } } as const;
  for (let index = 0; index < 20; index++) unwrap(await engine.create(specOf(`slow${index}`, slow)));
  await world.clock.advance(1_000);
  unwrap(await engine.delete(uid));
  await world.clock.advance(1_000);
  assert.ok(!engine.get(uid).ok);
  for (const record of engine.list({})) unwrap(await engine.delete(record.uid));
  await world.settle();
  assert.equal(engine.list({}).length, 0);
  assert.deepEqual(world.faults(), []);
});

test("1,000 guests outlive the agent and are adopted, none restarted", async () => {
  const world = new World({ capacity: { vcpu: 1_000, memoryMiB: 1_000_000 } });
  const engine = await world.start();
  for (let index = 0; index < 1_000; index++) unwrap(await engine.create(specOf(`vm${index}`)));
  await world.settle();
  const before = world.host.alive().map(({ identity }) => identity.pid);
  await world.stop();
  assert.deepEqual(
    world.host.alive().map(({ identity }) => identity.pid),
    before,
  );
  const startedMs = performance.now();
  const second = await world.start();
  assert.equal(second.list({}).length, 1_000);
  assert.ok(performance.now() - startedMs < 2_000);
  await world.settle();
  assert.deepEqual(
    world.host.alive().map(({ identity }) => identity.pid),
    before,
  );
  assert.equal(second.statistics().phases.running, 1_000);
  assert.deepEqual(world.faults(), []);
});

test("a process that cannot be proven ours is left alone and reported", async () => {
  const { world, uid } = await running();
  const { pid } = processOf(world, uid).identity;
  world.kill();
  world.host.faults.unverifiablePids.add(pid);
  const engine = await world.start();
  await world.settle(1_000);
  assert.equal(unwrap(engine.get(uid)).reason, "ProcessUnverified");
  assert.equal(processOf(world, uid).identity.pid, pid);
  assert.equal(world.host.spawns.get(uid), 1);
  world.host.faults.unverifiablePids.clear();
  await world.settle(300_000);
  assert.deepEqual([unwrap(engine.get(uid)).phase, unwrap(engine.get(uid)).reason], ["running", ""]);
});

test("after a restart of the host everything is made again as it was wished", async () => {
  const { world, engine, uid } = await running();
  const { uid: stopped } = unwrap(await engine.create(specOf("two")));
  await world.settle();
  unwrap(await engine.setDesired(stopped, "stopped"));
  await world.settle();
  world.kill();
  world.host.reboot();
  const second = await world.start();
  await world.settle(1_000);
  assert.equal(unwrap(second.get(uid)).phase, "running");
  assert.equal(unwrap(second.get(uid)).guest.lastExit?.cause, "lost");
  assert.equal(unwrap(second.get(stopped)).phase, "stopped");
  assert.deepEqual(world.faults(), []);
});

test("a full disk at any commit loses nothing and ends well", async () => {
  const probe = new World();
  await lifecycle(probe);
  const writes = probe.host.journal.writes;
  assert.ok(writes > 15);
  for (let write = 1; write <= writes; write++) {
    const world = new World();
    world.host.journal.failingWrites.add(write);
    await lifecycle(world);
    assert.deepEqual(world.faults(), [], `write ${write}`);
    assert.equal(world.engine.list({}).length, 0, `write ${write}`);
    assert.equal(world.host.volumes.size + world.host.devices.size + world.host.alive().length, 0);
  }
});

/** Create, stop, start, delete; whatever is refused for a full disk is asked for again. */
async function lifecycle(world: World): Promise<void> {
  const engine = await world.start();
  const insist = async (call: () => ReturnType<Engine["create"]>): Promise<MicroVmRecord> => {
    const first = await call();
    if (!first.ok) assert.equal(first.error.code, "DISK_FULL");
    return first.ok ? first.value : unwrap(await call());
  };
  const { uid } = await insist(() => engine.create(specOf("one")));
  await world.settle(10_000);
  assert.equal(unwrap(engine.get(uid)).phase, "running");
  await insist(() => engine.setDesired(uid, "stopped"));
  await world.settle(10_000);
  assert.equal(unwrap(engine.get(uid)).phase, "stopped");
  await insist(() => engine.setDesired(uid, "running"));
  await world.settle(10_000);
  assert.equal(unwrap(engine.get(uid)).phase, "running");
  await insist(() => engine.delete(uid));
  await world.settle(10_000);
}

test("a host whose disk stays full still lists, and goes on when there is room", async () => {
  const { world, engine, uid, look } = await running();
  world.host.journal.full = true;
  const refused = await engine.create(specOf("two"));
  assert.ok(!refused.ok && refused.error.code === "DISK_FULL");
  world.host.end(processOf(world, uid), "crashed");
  await world.settle(5_000);
  assert.equal(engine.list({}).length, 1);
  world.host.journal.full = false;
  await world.settle(600_000);
  assert.equal(look().phase, "running");
  assert.deepEqual(world.faults(), []);
});

test("a clock that jumps neither stops nor hastens a retry", async () => {
  const world = new World();
  world.host.faults.containerdDown = true;
  const engine = await world.start();
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.settle();
  world.clock.jumpWall(-86_400_000);
  world.host.faults.containerdDown = false;
  await world.settle(1_500);
  assert.equal(unwrap(engine.get(uid)).phase, "running");
  world.host.faults.containerdDown = true;
  const { uid: second } = unwrap(await engine.create(specOf("two")));
  await world.settle();
  world.clock.jumpWall(2 * 86_400_000);
  await world.settle(100);
  assert.equal(unwrap(engine.get(second)).retry.attempts, 1);
  world.kill();
  world.clock.jumpWall(-30 * 86_400_000);
  world.host.faults.containerdDown = false;
  const restarted = await world.start();
  await world.settle(61_000);
  assert.equal(unwrap(restarted.get(second)).phase, "running");
  assert.deepEqual(world.faults(), []);
});

test("orphans that bear our mark go, everything else stays", async () => {
  const { world, uid } = await running();
  const { host } = world;
  const orphan = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  world.kill();
  host.devices.set("lmorphan", { name: "lmorphan", owner: { uid: orphan, deviceId: "eth0" } });
  host.devices.set("tap-of-docker", { name: "tap-of-docker" });
  host.volumes.set("/snapshots/orphan", orphan);
  host.holders.add(orphan);
  host.holders.add("image-builder");
  host.paths.add(`/state/vm/default/gone/${orphan}`);
  host.paths.add("/run/lost+found");
  await world.start();
  await world.settle(1_000);
  assert.deepEqual(
    [...host.devices.keys()].filter((name) => !name.startsWith("lm") || name === "lmorphan"),
    ["tap-of-docker"],
  );
  assert.deepEqual([...host.holders].sort(), [uid, "image-builder"].sort());
  assert.ok(host.paths.has("/run/lost+found") && !host.paths.has(`/state/vm/default/gone/${orphan}`));
  host.paths.delete("/run/lost+found");
  host.holders.delete("image-builder");
  assert.deepEqual(world.faults(), []);
});

test("work that ignores its deadline is given up, and makes the agent unhealthy when it does not end", async () => {
  const world = new World();
  const engine = await world.start();
  world.host.faults.deafImages.add("root:1");
  const { uid } = unwrap(await engine.create(specOf("one")));
  await world.clock.advance(15 * 60_000 + 5_100);
  assert.equal(unwrap(engine.get(uid)).reason, "DeadlineExceeded");
  assert.ok(engine.healthy());
  await world.clock.advance(61_000);
  assert.ok(!engine.healthy());
});
