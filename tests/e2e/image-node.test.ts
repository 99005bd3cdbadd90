/**
 * The shipped Kubernetes node, booted through flintlockd with nothing but its own image: `kubeadm init` to a Ready node with all pods running, and no
 * registry in reach. Takes two to five minutes under emulation, after the image was built.
 */
import { test } from "node:test";
import { assertNodeWorks } from "./world/kubernetes-node.ts";
import { missingForWorld } from "./world/world.ts";

test("node/kubernetes becomes a cluster of one node with no registry in reach", {
  skip: missingForWorld() ?? false,
  timeout: 870_000,
}, async (context) => {
  await assertNodeWorks({}, (line) => context.diagnostic(line));
});
