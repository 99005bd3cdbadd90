/** A host under strain or in the wrong state: crowds, a full disk, devices of others, a state directory that is taken or too new. A real flintlockd each time. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, type TestContext, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { assertConsistent, vmmOf, vmmsOf } from "./world/host-truth.ts";
import { guestSpec } from "./world/specs.ts";
import { missingForWorld, World, type WorldOptions } from "./world/world.ts";

const crowd = 200;

describe("flintlockd with machines that sleep", { timeout: 400_000, skip: missingForWorld() ?? false }, () => {
  test(`${crowd} creates at once, each sent twice, make ${crowd} microVMs; all can be deleted at once`, {
    timeout: 120_000,
  }, async (context) => {
    const world = await opened(context, {
      fake: true,
      args: ["--overcommit-vcpu=1000", "--overcommit-memory=100", "--overcommit-disk=100"],
    });
    await world.start();
    await world.importImages();
    const microvms = await world.microvms();
    const begun = performance.now();
    const names = Array.from({ length: crowd }, (_, index) => `crowd-${index}`);
    const uids = await Promise.all([...names, ...names].map((name) => microvms.create(guestSpec(world, name))));
    assert.equal(new Set(uids).size, crowd);
    const alone = [...new Set(uids)];
    await Promise.all(alone.map((uid) => microvms.ready(uid)));
    context.diagnostic(`${crowd} running after ${Math.round(performance.now() - begun)} ms`);
    const list = await microvms.list();
    assert.equal(list.length, crowd);
    assert.deepEqual(
      list.filter(({ status }) => status.state !== 1),
      [],
    );
    const addresses = list.flatMap(({ status }) => status.addresses);
    assert.equal(new Set(addresses).size, crowd);
    await assertConsistent(world);
    await Promise.all(alone.map((uid) => microvms.delete(uid)));
    assert.deepEqual(await microvms.list(), []);
    await assertConsistent(world);
  });

  test("a disk that would fill is said in numbers before anything is made; the rest goes on", {
    timeout: 60_000,
  }, async (context) => {
    const world = await opened(context, { fake: true, args: ["--reserve-disk=0"] });
    smallDisk(world, "256m");
    await world.start();
    await world.importImages();
    const microvms = await world.microvms();
    const root = { id: "root", source: { containerSource: world.root.reference } };
    const small = await microvms.create(guestSpec(world, "small", { rootVolume: { ...root, sizeInMb: 64 } }));
    await microvms.ready(small);
    const large = await microvms.create(guestSpec(world, "large", { rootVolume: { ...root, sizeInMb: 4_096 } }));
    const { status } = await microvms.until(large, "it says what is wrong", ({ reason }) => reason !== "");
    assert.equal(status.reason, "DiskFull");
    assert.equal(status.phase, "failed");
    assert.match(status.message, /\d/);
    assert.equal((await microvms.list()).length, 2);
    await microvms.delete(large, 10_000);
    await assertConsistent(world);
    await microvms.delete(small, 10_000);
    await assertConsistent(world);
  });

  test("a disk that is full to the last byte: list answers, guests run on, creates are refused, deletes are done", {
    timeout: 60_000,
  }, async (context) => {
    const world = await opened(context, {
      fake: true,
      args: ["--reserve-disk=0", "--overcommit-disk=100", "--overcommit-vcpu=1000", "--overcommit-memory=100"],
    });
    smallDisk(world, "256m");
    await world.start();
    await world.importImages();
    const microvms = await world.microvms();
    const source = { containerSource: world.root.reference };
    const small = { rootVolume: { id: "root", source, sizeInMb: 64 } };
    const uid = await microvms.create(guestSpec(world, "before", small));
    const leaving = await microvms.create(guestSpec(world, "leaving", small));
    await Promise.all([uid, leaving].map((each) => microvms.ready(each)));
    const ballast = join(world.paths.agentState, "ballast");
    fill(ballast, world.paths.agentState);
    const refusals = await untilRefused(
      async (index) => await microvms.create(guestSpec(world, `full-${index}`, small)),
    );
    assert.equal(refusals.code, "DISK_FULL", refusals.message);
    assert.match(refusals.remedy, /disk/);
    assert.equal((await microvms.get(uid)).status.ready, true);
    vmmOf(world, uid);
    await microvms.delete(leaving, 10_000);
    assert.deepEqual(vmmsOf(world, leaving), []);
    rmSync(ballast);
    for (const vm of await microvms.list()) if (vm.uid !== uid) await microvms.delete(vm.uid, 20_000);
    const after = await microvms.create(guestSpec(world, "after", small));
    await microvms.ready(after);
    await assertConsistent(world);
    await Promise.all([uid, after].map((each) => microvms.delete(each)));
    await assertConsistent(world);
  });

  test("a tap of its name that someone else made is left alone and told; gone, the microVM starts", {
    timeout: 60_000,
  }, async (context) => {
    const world = await opened(context, { fake: true });
    await world.start();
    await world.importImages();
    await world.agent.kill();
    // Accepts and does nothing: the name is chosen, the device not made.
    await world.start({ args: ["--disable-reconcile"] });
    const uid = await (await world.microvms()).create(guestSpec(world, "taken"));
    const { status } = await (await world.microvms()).get(uid);
    const device = status.networkInterfaces["eth0"]?.hostDeviceName ?? "";
    await world.agent.kill();
    const ip = (...args: readonly string[]): string =>
      execFileSync("ip", ["-n", world.paths.networkNamespace, ...args], { encoding: "utf8" });
    ip("tuntap", "add", "dev", device, "mode", "tap");
    await world.start();
    const microvms = await world.microvms();
    const seen = await microvms.until(uid, "it is told", ({ reason }) => reason !== "");
    assert.equal(seen.status.reason, "NetworkDeviceTaken");
    assert.ok(seen.status.message.includes(device), seen.status.message);
    assert.doesNotMatch(ip("link", "show", "dev", device), /alias|master/);
    ip("link", "delete", "dev", device);
    await microvms.connection.host.startMicroVM({ uid });
    await microvms.ready(uid);
    await assertConsistent(world);
    await microvms.delete(uid);
    await assertConsistent(world);
  });

  test("a state directory of a newer version is refused and left as it is", { timeout: 60_000 }, async (context) => {
    const world = await opened(context, { fake: true });
    await world.start();
    await world.agent.kill("SIGTERM");
    const journal = join(world.paths.agentState, "journal/journal.db");
    const database = new DatabaseSync(journal);
    database.exec("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)");
    database.close();
    const before = digestOf(journal);
    const agent = world.launch();
    assert.deepEqual(await agent.end(), { code: 1, signal: null });
    assert.match(agent.log(), /error: .*journal\.db has layout 99, this version knows \d+\nhint: /);
    assert.equal(digestOf(journal), before);
  });

  test("a second flintlockd on the same state directory is refused; the first one goes on", {
    timeout: 60_000,
  }, async (context) => {
    const world = await opened(context, { fake: true });
    const first = await world.start();
    await world.importImages();
    const microvms = await world.microvms();
    const uid = await microvms.create(guestSpec(world, "steady"));
    await microvms.ready(uid);
    const second = world.launch();
    assert.equal((await second.end()).code, 1);
    assert.match(second.log(), /error: .*\nhint: .*/);
    assert.match(second.log(), /another|locked|already/i);
    assert.equal((await microvms.list()).length, 1);
    assert.equal(vmmsOf(world, uid).length, 1);
    await microvms.delete(uid);
    await first.kill();
  });
});

/** A world that is removed after the test, however that ends. */
async function opened(context: TestContext, options: WorldOptions): Promise<World> {
  const world = await World.open(options);
  context.after(async () => await world[Symbol.asyncDispose]());
  return world;
}

/** Puts the agent's state on a disk of its own. */
function smallDisk(world: World, size: string): void {
  mkdirSync(world.paths.agentState, { recursive: true, mode: 0o711 });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0711`, "tmpfs", world.paths.agentState]);
}

/** Takes all the space there is. */
function fill(path: string, directory: string): void {
  const { bavail, bsize } = statfsSync(directory);
  const chunk = Buffer.alloc(1_048_576);
  writeFileSync(path, "");
  try {
    for (let written = 0; written <= bavail * bsize + chunk.length; written += chunk.length)
      writeFileSync(path, chunk, { flag: "a" });
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
  }
}

/** The journal has room in the blocks that it holds already: some creates may still be accepted. */
async function untilRefused(create: (index: number) => Promise<unknown>): Promise<PlatformError> {
  for (let index = 0; index < 1_000; index++) {
    try {
      await create(index);
    } catch (error) {
      return PlatformError.from(error);
    }
  }
  throw new Error("a full disk refused nothing");
}

function digestOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
