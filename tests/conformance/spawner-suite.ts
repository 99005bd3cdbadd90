/** What every spawner must do, real or fake. `make` gives a fresh one; it is closed by the suite. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import type { ProcessIdentity, Spawner } from "@liquidmetal/microvm";

export function spawnerSuite(name: string, make: () => Promise<Spawner>): void {
  describe(`spawner conformance: ${name}`, () => {
    let spawner: Spawner;
    const prefix = `lmt-${randomUUID().slice(0, 8)}`;
    let count = 0;
    const sleeper = async (): Promise<ProcessIdentity> =>
      unwrap(await spawner.spawn({ program: "sleep", args: ["300"], token: `${prefix}-${count++}` }));

    before(async () => {
      spawner = await make();
    });
    after(async () => {
      for (const identity of await spawner.findByTokenPrefix(prefix)) await spawner.signal(identity, "SIGKILL");
      await spawner.close();
    });

    it("starts a process whose identity can be proven", async () => {
      const identity = await sleeper();
      assert.ok(identity.pid > 1);
      assert.match(identity.startTime, /^\d+$/);
      assert.equal(await spawner.verdict(identity), "alive");
    });

    it("finds processes by the prefix of their token, and no others", async () => {
      const identity = await sleeper();
      const found = await spawner.findByTokenPrefix(identity.token);
      assert.deepEqual(found, [identity]);
      assert.deepEqual(await spawner.findByTokenPrefix(`${prefix}-none`), []);
    });

    it("tells when a process has ended, also when asked afterwards", async () => {
      const identity = await sleeper();
      const waiting = spawner.exited(identity);
      assert.equal(await spawner.signal(identity, "SIGTERM"), "alive");
      assert.deepEqual(await waiting, { identity, signal: "SIGTERM" });
      assert.deepEqual(await spawner.exited(identity), { identity, signal: "SIGTERM" });
      assert.equal(await spawner.verdict(identity), "gone");
      assert.equal(await spawner.signal(identity, "SIGKILL"), "gone");
    });

    it("takes a pid with another start time, or of another boot, for gone and leaves it alone", async () => {
      const identity = await sleeper();
      const other = { ...identity, startTime: "1" };
      const earlier = { ...identity, bootId: "another boot" };
      assert.equal(await spawner.signal(other, "SIGKILL"), "gone");
      assert.equal(await spawner.signal(earlier, "SIGKILL"), "gone");
      assert.equal(await spawner.verdict(identity), "alive");
      assert.deepEqual(await spawner.exited(other), { identity: other });
    });

    it("does not signal a process that does not carry the token", async () => {
      const identity = await sleeper();
      const foreign = { ...identity, token: "somebody-else" };
      assert.equal(await spawner.verdict(foreign), "unverifiable");
      assert.equal(await spawner.signal(foreign, "SIGKILL"), "unverifiable");
      assert.equal(await spawner.verdict(identity), "alive");
    });

    it("says which program could not be started", async () => {
      const spawned = await spawner.spawn({ program: "missing-program", args: [], token: `${prefix}-x` });
      assert.ok(!spawned.ok && spawned.error.code === "PROCESS_FAILED");
      assert.match(spawned.error.message, /missing-program: not found/);
      const ran = await spawner.run({ program: "missing-program", args: [] });
      assert.ok(!ran.ok && ran.error.code === "PROCESS_FAILED");
    });

    it("gives up waiting when told to", async () => {
      const identity = await sleeper();
      const controller = new AbortController();
      const waiting = spawner.exited(identity, { signal: controller.signal });
      controller.abort(new Error("enough"));
      await assert.rejects(waiting, /enough/);
      assert.equal(await spawner.verdict(identity), "alive");
    });

    it("runs a command and returns its code", async () => {
      assert.deepEqual(unwrap(await spawner.run({ program: "true", args: [] })), { code: 0, stdout: "", stderr: "" });
    });

    it("removes a cgroup that is not there", async () => {
      await spawner.removeCgroup(`${prefix}-none`);
    });
  });
}
