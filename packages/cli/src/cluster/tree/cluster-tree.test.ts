import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Condition } from "@liquidmetal/kubernetes";
import type { Conditioned } from "../objects.ts";
import { type Moment, type RecordedObjects, recordedCluster, recordedMs } from "../testing/recorded-cluster.ts";
import { isAvailable } from "../wait.ts";
import type { ClusterObjects } from "./cluster-objects.ts";
import { clusterTree, firstReason } from "./cluster-tree.ts";
import { drawTree } from "./draw-tree.ts";
import { oneLine } from "./standing.ts";

function drawn(
  objects: ClusterObjects,
  options: { readonly width?: number; readonly everything?: boolean } = {},
): string {
  const tree = clusterTree(objects);
  assert.ok(tree !== undefined);
  return drawTree(tree, { paint: (_style, text) => text, nowMs: recordedMs, ...options }).join("\n");
}

function reason(objects: ClusterObjects): string | undefined {
  const tree = clusterTree(objects);
  assert.ok(tree !== undefined);
  return firstReason(tree);
}

/** The first of a list with a condition of its own. */
function saying<T extends Conditioned>(list: readonly T[], type: string, change: Partial<Condition>): readonly T[] {
  return list.map((object, index) => {
    if (index > 0) return object;
    const conditions = (object.status?.conditions ?? []).map((each) =>
      each.type === type ? { ...each, ...change } : each,
    );
    return { ...object, status: { ...object.status, conditions } };
  });
}

describe("the tree of a cluster", () => {
  const reasons: readonly [Moment, RegExp | undefined][] = [
    ["infrastructure-ready", /^KubeadmControlPlane demo-control-plane: nothing is known of it yet\.$/],
    ["machine-is-new", /^Machine demo-control-plane-kkjbh: nothing is known of it yet\.$/],
    ["waiting-for-bootstrap-data", /^Machine demo-control-plane-\w+: waiting for the bootstrap provider to set/],
    [
      "control-plane-boots",
      /^Machine demo-control-plane-\w+: its microVM runs; the guest boots and joins the cluster\.$/,
    ],
    ["control-plane-available", /^Machine demo-workers-\S+: /],
    ["available", undefined],
    ["scaling-up", /^Machine demo-workers-bjplr-tpw7j: /],
    ["deleting", /^Cluster demo is being deleted and waits for Machine demo-workers-/],
  ];
  for (const [moment, expected] of reasons) {
    test(`${moment}: what matters first`, () => {
      const said = reason(recordedCluster(moment));
      if (expected === undefined) assert.equal(said, undefined);
      else assert.match(said ?? "", expected);
    });
  }

  test("an available one is all ticks, and nothing is explained", () => {
    assert.equal(
      drawn(recordedCluster("available")),
      [
        "✓ Cluster demo  ready 31s",
        "├─ ✓ infrastructure demo  endpoint 127.0.0.1:25418  ready 44s",
        "├─ ✓ control plane demo-control-plane  1/1 available, v1.36.3  ready 35s",
        "│  └─ ✓ Machine demo-control-plane-kkjbh  v1.36.3, 127.0.0.1:36727  ready 34s",
        "└─ ✓ workers demo-workers  1/1 available, v1.36.3  ready 31s",
        "   └─ ✓ Machine demo-workers-bjplr-b8g9c  v1.36.3, 127.0.0.1:46061  ready 33s",
      ].join("\n"),
    );
  });

  test("what is waited for stands below whom it concerns, with how long", () => {
    const text = drawn(recordedCluster("control-plane-boots"));
    assert.match(
      text,
      /Machine demo-control-plane-kkjbh .* waiting 37s\n.*WaitingForNode: its microVM runs; the guest boots/,
    );
    assert.match(
      text,
      /workers demo-workers .*\n.*Machine demo-workers\S+ .*\n.*WaitingForBootstrapData: waiting for the control plane/,
    );
  });

  test("fits the terminal", () => {
    for (const line of drawn(recordedCluster("control-plane-boots"), { width: 60 }).split("\n"))
      assert.ok([...line].length <= 60, line);
  });

  test("shows every condition on demand", () => {
    const text = drawn(recordedCluster("available"), { everything: true });
    assert.match(text, /RemoteConnectionProbe True ProbeSucceeded/);
    assert.match(text, /MicrovmMachine demo-workers/);
  });

  test("control characters of a condition's message do not reach the terminal", () => {
    const objects = recordedCluster("waiting-for-bootstrap-data", (all) => ({
      ...all,
      microvmMachines: all.microvmMachines.flatMap((each) =>
        saying([each], "BootstrapDataAvailable", { message: "a\u001b[2Jb" }),
      ),
    }));
    assert.ok(!drawn(objects).includes("\u001b"));
  });
});

describe("what matters first", () => {
  const failing = (all: RecordedObjects): RecordedObjects => ({
    ...all,
    microvmMachines: all.microvmMachines.map((each) =>
      each.metadata?.name?.startsWith("demo-workers") === true
        ? (saying([each], "VMProvisioned", {
            status: "False",
            reason: "NoHostFits",
            message: "no host has 64 vCPU: host-1 has 8",
          })[0] ?? each)
        : each,
    ),
  });

  test("a failure comes before what is only waited for, wherever it is", () => {
    const said = reason(recordedCluster("waiting-for-bootstrap-data", failing));
    assert.match(said ?? "", /^Machine demo-workers-\S+: no host has 64 vCPU: host-1 has 8\.$/);
  });

  test("an infrastructure without hosts comes before its machines", () => {
    const said = reason(
      recordedCluster("waiting-for-bootstrap-data", (all) => ({
        ...all,
        microvmClusters: saying(all.microvmClusters, "Ready", {
          status: "False",
          reason: "NotReady",
          message: "HostsAvailable: no host answers",
        }),
      })),
    );
    assert.equal(said, "MicrovmCluster demo: HostsAvailable: no host answers.");
  });

  test("a class that cannot be followed comes before everything below", () => {
    const said = reason(
      recordedCluster("waiting-for-bootstrap-data", (all) => ({
        ...failing(all),
        clusters: all.clusters.map((each) => ({
          ...each,
          status: {
            ...each.status,
            conditions: [
              ...(each.status?.conditions ?? []),
              {
                type: "TopologyReconciled",
                status: "False" as const,
                reason: "ClassMissing",
                message: "no class 'x'",
                lastTransitionTime: "",
              },
            ],
          },
        })),
      })),
    );
    assert.match(said ?? "", /does not follow its class: no class 'x'/);
  });

  test("a paused cluster says so", () => {
    const said = reason(
      recordedCluster("scaling-up", (all) => ({
        ...all,
        clusters: saying(all.clusters, "Paused", { status: "True", reason: "Paused" }),
      })),
    );
    assert.match(said ?? "", /is paused/);
  });

  test("a microVM that runs is believed before its machine has heard of it", () => {
    const objects = recordedCluster("control-plane-boots");
    const machine = objects.machines.find(({ metadata }) => metadata?.name?.includes("control-plane"));
    assert.equal(machine?.status?.conditions?.find(({ type }) => type === "InfrastructureReady")?.status, "False");
    assert.doesNotMatch(reason(objects) ?? "", /bootstrap provider/);
  });
});

describe("available", () => {
  const moments: readonly [Moment, boolean][] = [
    ["infrastructure-ready", false],
    ["control-plane-boots", false],
    ["control-plane-available", false],
    ["scaling-up", false],
    ["deleting", false],
  ];
  for (const [moment, expected] of moments)
    test(`${moment}: ${expected}`, () => assert.equal(isAvailable(recordedCluster(moment)), expected));

  /** Of this generation, of which the controllers have seen the second. */
  const at = (generation: number): ClusterObjects =>
    recordedCluster("available", (all) => ({
      ...all,
      clusters: saying(all.clusters, "Available", { observedGeneration: 2 }).map((each) => ({
        ...each,
        metadata: { ...each.metadata, generation },
      })),
      machineDeployments: all.machineDeployments.map((each) => ({
        ...each,
        metadata: { ...each.metadata, generation: 1 },
      })),
      controlPlanes: all.controlPlanes.map((each) => ({ ...each, metadata: { ...each.metadata, generation: 1 } })),
    }));

  test("only once the controllers have looked at what was asked for last", () => {
    assert.equal(isAvailable(at(2)), true);
    assert.equal(isAvailable(at(3)), false);
  });

  test("only once the Cluster counts its workers as its parts do", () => {
    const available = at(2);
    const { cluster } = available;
    assert.ok(cluster?.status?.workers?.availableReplicas === 1 && isAvailable(available));
    const status = { ...cluster.status, workers: { ...cluster.status.workers, availableReplicas: 0 } };
    assert.equal(isAvailable({ ...available, cluster: { ...cluster, status } }), false);
  });

  test("only once the machines that were replaced are gone", () => {
    const available = at(2);
    const [replaced, ...others] = available.machines;
    assert.ok(replaced !== undefined && isAvailable(available));
    const deleting = { ...replaced, metadata: { ...replaced.metadata, deletionTimestamp: "2026-11-01T00:00:00Z" } };
    assert.equal(isAvailable({ ...available, machines: [deleting, ...others] }), false);
    // Counts that say so already, while the Machines that are too many are still seen.
    assert.equal(isAvailable({ ...available, machines: [replaced, ...available.machines] }), false);
    assert.equal(isAvailable({ ...available, machines: others }), false);
  });

  test("only once every machine has the version that was asked for, whatever the counts say", () => {
    const available = at(2);
    const machineDeployments = available.machineDeployments.map((each) => ({
      ...each,
      spec: { ...each.spec, template: { spec: { ...each.spec?.template?.spec, version: "v1.99.0" } } },
    }));
    assert.ok(isAvailable(available));
    assert.equal(isAvailable({ ...available, machineDeployments }), false);
    const controlPlane = { ...available.controlPlane, spec: { ...available.controlPlane?.spec, version: "v1.99.0" } };
    assert.equal(isAvailable({ ...available, controlPlane }), false);
    const machines = saying(available.machines, "UpToDate", { status: "False" });
    assert.equal(isAvailable({ ...available, machines }), false);
  });
});

test("messages over several lines become one", () => {
  assert.equal(
    oneLine("* Machine a:\n  * NodeHealthy: waiting\n  * Ready: no\n"),
    "Machine a: NodeHealthy: waiting; Ready: no",
  );
  assert.equal(oneLine(""), "");
});
