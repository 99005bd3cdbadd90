import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkCgroupName, checkIdentity, checkPrefix, checkRun, checkSignal, checkSpawn } from "./calls.ts";

const refused = { code: "REQUEST_INVALID" };

describe("calls to the spawner", () => {
  const spawn = { program: "qemu", args: ["-M", "microvm"], token: "lm-01J-1" };

  it("pass when they are whole, without what nobody asked for", () => {
    assert.deepEqual(checkSpawn({ ...spawn, unknown: 1 }), spawn);
    const full = {
      ...spawn,
      cwd: "/",
      env: { A_1: "x" },
      identity: { uid: 1, gid: 1 },
      cgroup: { name: "a/b", pidsMax: 5 },
      privateTun: true,
    };
    assert.deepEqual(checkSpawn(full), full);
    assert.deepEqual(checkRun({ program: "true", args: [], timeoutMs: 5 }), {
      program: "true",
      args: [],
      timeoutMs: 5,
    });
  });

  it("are refused field by field", () => {
    const wrong: readonly Record<string, unknown>[] = [
      { program: "" },
      { program: "a\0b" },
      { args: "none" },
      { args: [1] },
      { token: "a b" },
      { token: "abc" },
      { cwd: "relative" },
      { env: { "A=B": "x" } },
      { identity: { uid: -1, gid: 0 } },
      { identity: { uid: 0.5, gid: 0 } },
      { networkNamespace: "../x" },
      { networkNamespace: "a/b" },
      { cgroup: { name: "../x" } },
      { cgroup: { name: "/x" } },
      { cgroup: { name: "x", memoryMaxBytes: 0 } },
      { stdoutPath: "out" },
      { openFiles: ["tap0"] },
      { privateTun: "yes" },
    ];
    for (const change of wrong)
      assert.throws(() => checkSpawn({ ...spawn, ...change }), refused, JSON.stringify(change));
    for (const value of [null, 7, [], "x"]) assert.throws(() => checkSpawn(value), refused);
    assert.throws(() => checkRun({ program: "true", args: [], timeoutMs: 0 }), refused);
    assert.throws(() => checkIdentity({ pid: 1, startTime: "1", bootId: "b", token: "lm-01J-1" }), refused);
    assert.throws(() => checkSignal("SIGUSR1"), refused);
    assert.throws(() => checkPrefix("("), refused);
    assert.throws(() => checkCgroupName("a/../b"), refused);
  });
});
