/**
 * The crash matrix, for a sample, over real guests: flintlockd is killed at the points of create, stop and delete. After each restart the guest is there
 * exactly once, or gone without a trace. The whole matrix, with deaths during recovery too, runs over the fake world (tests/crash).
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { assertConsistent, vmmOf, vmmsOf } from "./world/host-truth.ts";
import { guestSpec } from "./world/specs.ts";
import { missingForWorld, World } from "./world/world.ts";

const points = ["before-act", "after-act", "after-commit"];
const pointsOf = (steps: readonly string[]): readonly string[] =>
  steps.flatMap((step) => points.map((point) => `${step}:${point}`));

const ofCreate: readonly string[] = [
  "accept:before-commit",
  "accept:after-commit",
  ...pointsOf(["create-directory", "fetch-kernel", "fetch-initrd", "create-volume", "create-interface", "write-seed"]),
  ...pointsOf(["start-vmm"]),
  "start-vmm:spawned",
];
const ofDelete: readonly string[] = pointsOf([
  ...["stop-vmm", "release-interface", "release-volume", "release-images", "delete-directory", "forget"],
]);

describe("flintlockd killed at the points of", { timeout: 400_000, skip: missingForWorld() ?? false }, () => {
  let world: World;
  before(async () => {
    world = await World.open();
    await world.start();
    await world.importImages();
    await world.agent.kill();
  });
  after(async () => await world[Symbol.asyncDispose]());

  /** One agent dies while it creates, the next one brings the guest up and dies while it deletes, and the one after ends that. */
  for (const [index, failpoint] of ofCreate.entries()) {
    const next = ofDelete[index % ofDelete.length] ?? "";
    test(`create: ${failpoint}; then delete: ${next}`, { timeout: 60_000 }, async () => {
      const spec = guestSpec(world, `vm${index}`);
      const creating = await world.start({ failpoint });
      const doomed = await world.microvms();
      const [answer] = await Promise.allSettled([doomed.create(spec)]);
      assert.equal((await creating.end()).signal, "SIGKILL", failpoint);

      const deleting = await world.start({ failpoint: next });
      const microvms = await world.microvms();
      // Whether or not the first call was answered, calling again is safe.
      const uid = await microvms.create(spec);
      if (answer.status === "fulfilled") assert.equal(uid, answer.value);
      await microvms.ready(uid);
      assert.equal((await microvms.list()).length, 1);
      await assertConsistent(world);

      const [asked] = await Promise.allSettled([microvms.connection.microVms.deleteMicroVM({ uid })]);
      assert.equal((await deleting.end()).signal, "SIGKILL", next);
      await world.start();
      const last = await world.microvms();
      if (asked.status === "rejected") await last.connection.microVms.deleteMicroVM({ uid });
      await last.gone(uid);
      await assertConsistent(world);
      assert.deepEqual(vmmsOf(world, uid), []);
      await world.agent.kill();
    });
  }

  test("stop, and start again", { timeout: 120_000 }, async () => {
    await world.start();
    const uid = await (await world.microvms()).create(guestSpec(world, "stopped"));
    await (await world.microvms()).ready(uid);
    for (const failpoint of pointsOf(["stop-vmm"])) {
      await world.agent.kill();
      const stopping = await world.start({ failpoint });
      const microvms = await world.microvms();
      await microvms.ready(uid);
      const [asked] = await Promise.allSettled([microvms.connection.host.stopMicroVM({ uid })]);
      assert.equal((await stopping.end()).signal, "SIGKILL", failpoint);
      await world.start();
      const again = await world.microvms();
      if (asked.status === "rejected") await again.connection.host.stopMicroVM({ uid });
      await again.until(uid, "it is stopped", ({ phase }) => phase === "stopped");
      await assertConsistent(world);
      await again.connection.host.startMicroVM({ uid });
      await again.ready(uid);
      await assertConsistent(world);
    }
    await (await world.microvms()).delete(uid);
    await assertConsistent(world);
  });

  test("nothing at all: the guest goes on, under the same VMM, ready, with its console", async () => {
    await world.agent.kill();
    await world.start();
    const microvms = await world.microvms();
    const uid = await microvms.create(guestSpec(world, "steady"));
    const { status } = await microvms.ready(uid);
    const [vmm, bootId] = [vmmOf(world, uid), await microvms.bootId(uid)];
    await world.agent.kill();
    await world.start();
    const adopted = await world.microvms();
    const now = await adopted.get(uid);
    assert.deepEqual(
      [now.status.phase, now.status.ready, now.status.boots, now.status.addresses],
      ["running", true, 1, status.addresses],
    );
    assert.equal(vmmOf(world, uid), vmm);
    assert.equal(await adopted.bootId(uid), bootId);
    await adopted.connection.host.stopMicroVM({ uid });
    await adopted.until(uid, "it is stopped", ({ phase }) => phase === "stopped");
    await adopted.delete(uid);
    await assert.rejects(adopted.get(uid), (error) => error instanceof PlatformError && error.kind === "not-found");
    await assertConsistent(world);
  });
});
