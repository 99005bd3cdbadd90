import assert from "node:assert/strict";
import { test } from "node:test";
import type { Step } from "@liquidmetal/microvm";
import { inWaves } from "./waves.ts";

test("what a start needs is made at once, between its directory and its VMM", () => {
  const steps: readonly Step[] = [
    { kind: "create-directory" },
    { kind: "fetch-kernel" },
    { kind: "create-volume", volumeId: "root" },
    { kind: "create-interface", deviceId: "eth1" },
    { kind: "write-seed" },
    { kind: "start-vmm" },
    { kind: "pause-vmm" },
  ];
  assert.deepEqual(
    inWaves(steps).map((wave) => wave.map(({ kind }) => kind).join(" ")),
    ["create-directory", "fetch-kernel create-volume create-interface write-seed", "start-vmm", "pause-vmm"],
  );
});

test("a deletion keeps its order, but for interfaces and volumes", () => {
  const steps: readonly Step[] = [
    { kind: "stop-vmm", mode: "forced" },
    { kind: "release-interface", deviceId: "eth1" },
    { kind: "release-volume", volumeId: "root" },
    { kind: "release-images" },
    { kind: "delete-directory" },
    { kind: "forget" },
  ];
  assert.deepEqual(
    inWaves(steps).map((wave) => wave.length),
    [1, 2, 1, 1, 1],
  );
  assert.deepEqual(inWaves([]), []);
});
