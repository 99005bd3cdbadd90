import assert from "node:assert/strict";
import { test } from "node:test";
import { moduleDependingOn } from "../elf-fixture.ts";
import { type ModuleIndex, moduleClosure, modulesDep } from "./modules.ts";

const modules: Readonly<Record<string, string[]>> = {
  virtio: ["virtio_ring"],
  virtio_ring: [],
  virtio_net: ["net-failover", "virtio"],
  net_failover: ["failover"],
  failover: [],
  loop_a: ["loop_b"],
  loop_b: ["loop_a"],
  broken: ["gone"],
};
const index: ModuleIndex = {
  files: new Map(Object.keys(modules).map((name) => [name, { path: `kernel/${name}.ko`, hostPath: name }])),
  builtin: new Set(["ext4"]),
};
const load = async (name: string): Promise<Buffer> => moduleDependingOn(...(modules[name] ?? []));

test("each module comes after all it depends on, once, whatever its name is spelled with", async () => {
  const closure = await moduleClosure(index, [{ name: "virtio" }, { name: "virtio-net", required: true }], load);
  assert.deepEqual(
    closure.map(({ name }) => name),
    ["virtio_ring", "virtio", "failover", "net_failover", "virtio_net"],
  );
  assert.equal(
    modulesDep(closure).split("\n").at(-1),
    "kernel/virtio_net.ko: kernel/net_failover.ko kernel/failover.ko kernel/virtio.ko kernel/virtio_ring.ko",
  );
});

test("what is built in, or optional and not there, is left out", async () => {
  assert.deepEqual(await moduleClosure(index, [{ name: "ext4", required: true }, { name: "nowhere" }], load), []);
});

test("what a condition brings in is loaded under that condition, and what was there before is not", async () => {
  const closure = await moduleClosure(
    index,
    [{ name: "virtio" }, { name: "virtio_net", condition: "virtio:0x0001" }],
    load,
  );
  const conditions = closure.map(({ name, condition }) => [name, condition]);
  assert.deepEqual(conditions, [
    ["virtio_ring", undefined],
    ["virtio", undefined],
    ["failover", "virtio:0x0001"],
    ["net_failover", "virtio:0x0001"],
    ["virtio_net", "virtio:0x0001"],
  ]);
});

test("a required module that is not there, a dependency that is not there and a cycle fail the build", async () => {
  const failing = ["nowhere", "broken", "loop_a"].map((name) => moduleClosure(index, [{ name, required: true }], load));
  for (const result of await Promise.allSettled(failing)) {
    assert.equal(result.status === "rejected" && result.reason.code, "IMAGE_BUILD_FAILED");
  }
});
