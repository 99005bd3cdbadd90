/**
 * Whoever else dies: the spawner, containerd, a VMM, the guest itself. Real guests; what the user sees afterwards, and that host and agent agree.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertConsistent, vmmOf, vmmsOf } from "./world/host-truth.ts";
import type { Microvms, Status } from "./world/microvms.ts";
import { guestSpec } from "./world/specs.ts";
import { missingForWorld, World } from "./world/world.ts";

const never = { "liquidmetal.dev/restart-policy": "never" };
const stopped = ({ phase }: Status): boolean => phase === "stopped";
const failed = ({ phase }: Status): boolean => phase === "failed";

describe("the death of", { timeout: 400_000, skip: missingForWorld() ?? false }, () => {
  let world: World;
  let microvms: Microvms;
  before(async () => {
    world = await World.open();
    await world.start();
    await world.importImages();
    microvms = await world.microvms();
  });
  after(async () => await world[Symbol.asyncDispose]());

  test("the spawner harms no guest, whose end is still noticed; new guests start", { timeout: 90_000 }, async () => {
    const uid = await microvms.create(guestSpec(world, "calm"));
    await microvms.ready(uid);
    const [vmm, bootId, dead] = [vmmOf(world, uid), await microvms.bootId(uid), world.agent.spawner()];
    process.kill(dead, "SIGKILL");
    const other = await microvms.create(guestSpec(world, "newcomer"));
    await microvms.ready(other);
    assert.notEqual(world.agent.spawner(), dead);
    assert.equal(vmmOf(world, uid), vmm);
    assert.equal(await microvms.bootId(uid), bootId);
    await microvms.type(uid, "poweroff", /poweroff/);
    const { status } = await microvms.until(uid, "it has powered itself off", stopped);
    assert.deepEqual([status.reason, status.lastExit?.cause], ["GuestPoweredOff", "powered-off"]);
    await assertConsistent(world);
    await Promise.all([uid, other].map((each) => microvms.delete(each)));
    await assertConsistent(world);
  });

  test("the spawner while VMMs start: each guest comes up once", { timeout: 120_000 }, async () => {
    const uids = await Promise.all(["a", "b", "c"].map((id) => microvms.create(guestSpec(world, `start-${id}`))));
    const [first = ""] = uids;
    await microvms.until(first, "it starts", ({ phase }) => phase === "starting" || phase === "running");
    process.kill(world.agent.spawner(), "SIGKILL");
    await Promise.all(uids.map((uid) => microvms.ready(uid)));
    await assertConsistent(world);
    await Promise.all(uids.map((uid) => microvms.delete(uid)));
    await assertConsistent(world);
  });

  test("containerd is told to those who wait for it and to nobody else; all goes on when it is back", {
    timeout: 120_000,
  }, async () => {
    const uid = await microvms.create(guestSpec(world, "before"));
    await microvms.ready(uid);
    const vmm = vmmOf(world, uid);
    await world.containerd.kill("SIGKILL");
    const [waiting, leaving] = [
      await microvms.create(guestSpec(world, "meanwhile")),
      await microvms.create(guestSpec(world, "leaving")),
    ];
    const { status } = await microvms.until(waiting, "containerd is missed", ({ reason }) => reason !== "");
    assert.equal(status.reason, "ContainerdUnavailable");
    assert.equal(status.phase, "pending");
    assert.match(status.message, /containerd/);
    assert.equal((await microvms.list()).length, 3);
    assert.equal((await microvms.get(uid)).status.ready, true);
    await microvms.connection.microVms.deleteMicroVM({ uid: leaving });
    await world.containerd.start();
    await Promise.all([microvms.ready(waiting), microvms.gone(leaving)]);
    assert.equal(vmmOf(world, uid), vmm);
    await assertConsistent(world);
    await Promise.all([uid, waiting].map((each) => microvms.delete(each)));
    await assertConsistent(world);
  });

  for (const phase of ["preparing", "starting"]) {
    test(`containerd while a create is ${phase}: it is done once, when containerd is back`, {
      timeout: 120_000,
    }, async () => {
      const uids = await Promise.all(["a", "b"].map((id) => microvms.create(guestSpec(world, `${phase}-${id}`))));
      const [first = ""] = uids;
      await microvms.until(first, phase, (status) => [phase, "starting", "running"].includes(status.phase));
      await world.containerd.kill("SIGKILL");
      await world.containerd.start();
      await Promise.all(uids.map((uid) => microvms.ready(uid)));
      await assertConsistent(world);
      await Promise.all(uids.map((uid) => microvms.delete(uid)));
      await assertConsistent(world);
    });
  }

  test("a VMM: the guest is started again, or stays failed where its policy says so; both say why", {
    timeout: 120_000,
  }, async () => {
    const uid = await microvms.create(guestSpec(world, "again"));
    const staying = await microvms.create(guestSpec(world, "never", { labels: never }));
    await Promise.all([uid, staying].map((each) => microvms.ready(each)));
    for (const each of [uid, staying]) process.kill(vmmOf(world, each), "SIGKILL");
    const dead = await microvms.until(staying, "it has failed", failed);
    assert.deepEqual([dead.status.reason, dead.status.lastExit?.cause], ["VmmCrashed", "crashed"]);
    assert.match(dead.status.message, /SIGKILL|signal 9|killed/i);
    const { status } = await microvms.until(uid, "it runs again", ({ boots, ready }) => boots === 2 && ready);
    assert.equal(status.lastExit?.cause, "crashed");
    // Killed in its first seconds, with its host key half made, it can be logged in to all the same.
    assert.doesNotMatch(await microvms.consoleLog(uid), /ssh server does not listen/);
    await assertConsistent(world);
    // A word of the user's starts it all the same.
    await microvms.connection.host.startMicroVM({ uid: staying });
    await microvms.ready(staying);
    await Promise.all([uid, staying].map((each) => microvms.delete(each)));
    await assertConsistent(world);
  });

  test("a guest in a VMM that hangs: delete and stop end it", { timeout: 120_000 }, async () => {
    const uids = await Promise.all(["gone", "stopped"].map((id) => microvms.create(guestSpec(world, id))));
    const [deleted = "", halted = ""] = uids;
    await Promise.all(uids.map((uid) => microvms.ready(uid)));
    for (const uid of uids) process.kill(vmmOf(world, uid), "SIGSTOP");
    await microvms.connection.host.stopMicroVM({ uid: halted });
    await microvms.delete(deleted, 60_000);
    assert.deepEqual(vmmsOf(world, deleted), []);
    await microvms.until(halted, "it is stopped", stopped, 60_000);
    await assertConsistent(world);
    await microvms.delete(halted);
    await assertConsistent(world);
  });

  test("a guest: power-off stays off, a reboot is ready again, a panic is restarted", {
    timeout: 150_000,
  }, async () => {
    const uid = await microvms.create(guestSpec(world, "life"));
    const { status } = await microvms.ready(uid);
    const bootId = await microvms.bootId(uid);
    await microvms.type(uid, "reboot", /reboot/);
    const readyAfter = (past: Status) => (now: Status) =>
      now.phase === "running" && now.ready && (now.readyAt?.seconds ?? 0n) > (past.readyAt?.seconds ?? 0n);
    const rebooted = await microvms.until(uid, "it is ready after its reboot", readyAfter(status));
    assert.notEqual(await microvms.bootId(uid), bootId);
    await microvms.type(uid, "echo c >/proc/sysrq-trigger", /sysrq/);
    const panicked = await microvms.until(uid, "it is ready after its panic", readyAfter(rebooted.status));
    assert.equal(panicked.status.lastExit?.cause, "panicked");
    assert.equal(panicked.status.boots, status.boots + 1);
    await microvms.type(uid, "poweroff", /poweroff/);
    const off = await microvms.until(uid, "it is off", stopped);
    assert.equal(off.status.reason, "GuestPoweredOff");
    assert.equal(off.status.desiredState, "stopped");
    await assertConsistent(world);
    await microvms.connection.host.startMicroVM({ uid });
    await microvms.ready(uid);
    await microvms.delete(uid);
    await assertConsistent(world);
  });
});
