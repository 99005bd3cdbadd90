/** Every other version of Kubernetes that the node's recipe is tested with, each built and booted to a Ready node. 1.37 is tried: it may fail. */
import { describe, test } from "node:test";
import { assertNodeWorks } from "../e2e/world/kubernetes-node.ts";
import { missingForWorld } from "../e2e/world/world.ts";

describe("node/kubernetes at other versions", { skip: missingForWorld() ?? false }, () => {
  for (const [kubernetes, todo] of [
    ["1.35.4", false],
    ["1.34.4", false],
    ["1.37.2", "newer than what Cluster API supports"],
  ] as const) {
    test(`${kubernetes} becomes a cluster of one node`, { todo, timeout: 3_000_000 }, async (context) => {
      await assertNodeWorks({ kubernetes }, (line) => context.diagnostic(line), 1_500_000);
    });
  }
});
