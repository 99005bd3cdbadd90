import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type MachineFacts, machineFacts, nodeSizes, whatIsShort } from "./machine-size.ts";

const roomy: MachineFacts = {
  memoryMiB: 7_800,
  availableMemoryMiB: 7_200,
  cache: { directory: "/home/cache", fileSystem: "a", freeMiB: 60_000 },
  state: { directory: "/var/lib", fileSystem: "b", freeMiB: 60_000 },
  cold: true,
};

describe("the size of the machine", () => {
  test("a machine of 8 GiB gets the smallest nodes that work, one of 24 larger ones", () => {
    assert.deepEqual(nodeSizes({ memoryMiB: 7_800 }), {
      controlPlaneMemoryMiB: 2_560,
      workerMemoryMiB: 1_024,
      vcpu: 2,
    });
    assert.deepEqual(nodeSizes({ memoryMiB: 24_105 }), {
      controlPlaneMemoryMiB: 3_072,
      workerMemoryMiB: 2_048,
      vcpu: 2,
    });
  });

  test("8 GiB do, if they are free; what is taken by others does not count", () => {
    assert.deepEqual(whatIsShort(roomy), []);
    const [memory, ...more] = whatIsShort({ ...roomy, availableMemoryMiB: 3_072 });
    assert.match(memory ?? "", /^memory: 3\.0 of 7\.6 GiB are available, the cluster takes 5\.5 GiB; .*--vm/);
    assert.deepEqual(more, []);
  });

  test("each file system needs its own part; where there is one, all of it", () => {
    const [state] = whatIsShort({ ...roomy, state: { ...roomy.state, freeMiB: 4_096 } });
    assert.match(state ?? "", /^disk: 4\.0 GiB are free at \/var\/lib, the platform's data takes 6\.0 GiB/);
    const one = { directory: "/", fileSystem: "a", freeMiB: 20_000 };
    assert.match(
      whatIsShort({ ...roomy, cache: one, state: one })[0] ?? "",
      /19\.5 GiB are free at \/, all of it takes 22\.0 GiB/,
    );
    assert.deepEqual(whatIsShort({ ...roomy, cache: one, state: one, cold: false }), []);
  });

  test("this machine can be looked at, also where nothing was made yet", () => {
    const facts = machineFacts("/var/lib/nothing-here/at-all");
    assert.ok(facts.memoryMiB > 0 && facts.availableMemoryMiB > 0 && facts.availableMemoryMiB <= facts.memoryMiB);
    assert.ok(facts.state.freeMiB >= 0 && !facts.state.directory.includes("nothing-here"));
  });
});
