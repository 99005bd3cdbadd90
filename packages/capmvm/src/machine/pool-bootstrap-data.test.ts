/** A machine of a pool has no bootstrap data of its own: it is the MachinePool's, which is found by the label on the machine. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { machinePools } from "../api/index.ts";
import { labelValue } from "../machine-pool/new-member.ts";
import { MachineWorld } from "../testing/machine-world.ts";

const namespace = "default";
const longName = `workers-${"x".repeat(70)}`;

describe("bootstrap data of a pool", () => {
  let world: MachineWorld;
  beforeEach(() => {
    world = new MachineWorld();
  });
  afterEach(() => world.end());

  for (const [what, pool] of [
    ["by its name", "workers"],
    ["by the digest that stands for a name too long for a label", longName],
  ] as const) {
    test(`the pool is found ${what}`, async () => {
      const host = world.addHost("10.0.0.1:9090");
      world.putCluster();
      for (const name of ["other", pool]) {
        world.cluster.put(machinePools, {
          metadata: { namespace, name },
          spec: { clusterName: "demo", template: { spec: { bootstrap: { dataSecretName: `${name}-data` } } } },
        });
      }
      world.putBootstrapData(`${pool}-data`, { value: "#cloud-config\n# of the pool\n" });
      const labels = { "cluster.x-k8s.io/pool-name": labelValue(pool) };
      const key = world.putMachine({ bootstrapData: "later", labels });
      await world.start();
      await world.pass();
      assert.equal(world.condition("BootstrapDataAvailable", key), "True Available");
      assert.equal(host.microVms.length, 1);
    });
  }

  test("a machine whose pool is not there waits, and says what for", async () => {
    const host = world.addHost("10.0.0.1:9090");
    world.putCluster();
    world.putMachine({ bootstrapData: "later", labels: { "cluster.x-k8s.io/pool-name": labelValue(longName) } });
    await world.start();
    await world.pass();
    assert.equal(world.condition("BootstrapDataAvailable"), "False WaitingForBootstrapData");
    assert.equal(host.microVms.length, 0);
  });
});
