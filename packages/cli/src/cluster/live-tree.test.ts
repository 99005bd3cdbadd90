import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { describe, test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import { LiveTree } from "./live-tree.ts";
import { type Moment, recordedCluster, recordedMs } from "./testing/recorded-cluster.ts";
import { clusterTree } from "./tree/cluster-tree.ts";
import type { TreeNode } from "./tree/tree-node.ts";

function at(moment: Moment): TreeNode {
  const tree = clusterTree(recordedCluster(moment));
  assert.ok(tree !== undefined);
  return tree;
}

function opened(live: boolean, size: { readonly columns?: number; readonly rows?: number } = {}, quiet = false) {
  let text = "";
  const stream = Object.assign(
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        text += chunk.toString();
        done();
      },
    }),
    size,
  );
  const clock = new FakeClock(recordedMs);
  const tree = new LiveTree({ stream, paint: (_style, each) => each, clock, live, quiet });
  return {
    tree,
    clock,
    taken: (): string => {
      const taken = text;
      text = "";
      return taken;
    },
  };
}

describe("a tree that is followed", () => {
  test("on a terminal is drawn over itself, every second, until it is left", async () => {
    const { tree, clock, taken } = opened(true, { columns: 100, rows: 40 });
    tree.show(at("scaling-up"), "what is first");
    const first = taken();
    const lines = first.split("\n").length - 1;
    assert.match(first, /what is first {2}0\.0 s\n$/);
    await clock.advance(1_000);
    const second = taken();
    assert.ok(second.startsWith(`\u001b[${lines}A\r\u001b[0J`), JSON.stringify(second.slice(0, 20)));
    assert.match(second, /1\.0 s\n$/);
    tree.show(at("available"));
    assert.match(taken(), /✓ Cluster demo/);
    tree[Symbol.dispose]();
    await clock.advance(5_000);
    assert.equal(taken(), "");
  });

  test("never has more lines than the screen, nor longer ones", () => {
    const { tree, taken } = opened(true, { columns: 50, rows: 10 });
    tree.show(at("control-plane-boots"), "x".repeat(200));
    const lines = taken().replace("\u001b[0J", "").trimEnd().split("\n");
    assert.ok(lines.length < 12, String(lines.length));
    for (const line of lines) assert.ok([...line].length < 50, line);
    tree[Symbol.dispose]();
  });

  test("elsewhere says each change once, and what has gone", () => {
    const { tree, taken } = opened(false);
    tree.show(at("scaling-up"));
    assert.match(taken(), /Machine demo-workers-bjplr-tpw7j: /);
    tree.show(at("scaling-up"));
    assert.equal(taken(), "");
    tree.show(at("available"));
    const said = taken();
    assert.match(said, /Machine demo-workers-bjplr-tpw7j: gone/);
    assert.match(said, /MachineDeployment demo-workers: ready/);
    assert.doesNotMatch(said, /\u001b/);
  });

  test("says nothing when it shall be quiet", () => {
    const { tree, taken } = opened(true, {}, true);
    tree.show(at("available"));
    assert.equal(taken(), "");
  });
});
