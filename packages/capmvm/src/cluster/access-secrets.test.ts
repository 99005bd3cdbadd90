/** The label by which clusterctl takes the secrets of hosts along. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { secrets } from "../api/index.ts";
import { ClusterWorld } from "../testing/cluster-world.ts";
import { AccessSecretLabels } from "./access-secrets.ts";

const signal = new AbortController().signal;
const key = { namespace: "ns", name: "tokens" };

test("secrets of hosts get the label of clusterctl, also one that is made anew; reading is rare", async () => {
  const world = new ClusterWorld();
  const cluster = world.microvmCluster(
    world.addCluster("demo", { spec: { hostAccess: { tokenSecretRef: { name: key.name } } } }),
  );
  const labels = new AccessSecretLabels(world.client, world.clock);
  const labelled = (): boolean =>
    world.api.read(secrets, key)?.metadata?.labels?.["clusterctl.cluster.x-k8s.io/move"] !== undefined;
  await labels.ensure(cluster, signal);
  world.api.put(secrets, { metadata: key });
  await labels.ensure(cluster, signal);
  assert.ok(labelled(), "a secret that comes late is labelled when it is there");
  let calls = 0;
  using _ = world.api.onCall((_, moment) => {
    if (moment === "before") calls++;
  });
  await labels.ensure(cluster, signal);
  assert.equal(calls, 0);
  await world.client.delete(secrets, key);
  world.api.put(secrets, { metadata: key });
  await world.clock.advance(120_000);
  await labels.ensure(cluster, signal);
  assert.ok(labelled());
});
