import assert from "node:assert/strict";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import type { HostCandidate } from "./host-candidate.ts";
import { place } from "./place.ts";
import { imageLocality, leastAllocated, standardScorers } from "./score.ts";
import type { Workload } from "./workload.ts";

const host = (id: string, changes: Partial<HostCandidate> = {}): HostCandidate => ({
  id,
  failureDomain: id,
  labels: {},
  taints: [],
  health: "reachable",
  allocatable: { vcpu: 8, memoryMiB: 16_384, diskMiB: 100_000 },
  ...changes,
});
const workload = (changes: Partial<Workload> = {}): Workload => ({
  name: "worker-1",
  resources: { vcpu: 2, memoryMiB: 4_096, diskMiB: 10_000 },
  ...changes,
});
const chosen = (w: Workload, hosts: readonly HostCandidate[]): string => unwrap(place(w, hosts)).host.id;
const refusal = (w: Workload, hosts: readonly HostCandidate[]): string => {
  const placed = place(w, hosts);
  assert.equal(placed.ok, false);
  return placed.ok ? "" : placed.error.summary;
};
const memory = (memoryMiB: number) => ({ vcpu: 8, memoryMiB, diskMiB: 100_000 });

test("the emptier host is chosen", () => {
  const half = { vcpu: 4, memoryMiB: 8_192, diskMiB: 0 };
  assert.equal(chosen(workload(), [host("a", { allocated: half }), host("b")]), "b");
  assert.equal(chosen(workload(), [host("a"), host("b", { reserved: half })]), "a");
});

test("between hosts as full, the one is chosen whose vCPU and memory stay even", () => {
  const odd = host("a", { allocated: { vcpu: 4, memoryMiB: 0, diskMiB: 0 } });
  const even = host("b", { allocated: { vcpu: 2, memoryMiB: 4_096, diskMiB: 0 } });
  assert.equal(chosen(workload(), [odd, even]), "b");
});

test("a control plane goes to the domain with fewest of it, even if that is nearly full", () => {
  const spread = { name: "demo/control-plane", mode: "even" } as const;
  const full = { vcpu: 6, memoryMiB: 12_288, diskMiB: 90_000 };
  const hosts = [
    host("a", { members: new Map([[spread.name, 1]]) }),
    host("b", { allocated: full }),
    host("c", { members: new Map([[spread.name, 1]]) }),
  ];
  assert.equal(chosen(workload({ spread }), hosts), "b");
});

test("members on a host that cannot take more still count for its failure domain", () => {
  const spread = { name: "demo/control-plane", mode: "even" } as const;
  const hosts = [
    host("a1", { failureDomain: "a", health: "unreachable", members: new Map([[spread.name, 1]]) }),
    host("a2", { failureDomain: "a" }),
    host("b1", { failureDomain: "b", allocated: { vcpu: 4, memoryMiB: 8_192, diskMiB: 0 } }),
  ];
  assert.equal(chosen(workload({ spread }), hosts), "b1");
});

test("a group that prefers to spread yields to a host that is nearly full", () => {
  const spread = { name: "demo/md-0", mode: "prefer" } as const;
  const hosts = [
    host("a", { members: new Map([[spread.name, 9]]) }),
    host("b", { members: new Map([[spread.name, 8]]), allocated: { vcpu: 6, memoryMiB: 12_288, diskMiB: 0 } }),
  ];
  assert.equal(chosen(workload({ spread }), hosts), "a");
  assert.equal(chosen(workload({ spread: { ...spread, mode: "even" } }), hosts), "b");
});

test("a host that has the images wins among hosts alike", () => {
  const scorers = [...standardScorers, imageLocality(({ id }) => (id === "c" ? 1 : 0))];
  const placed = place(workload(), [host("a"), host("b"), host("c")], { scorers });
  assert.equal(unwrap(placed).host.id, "c");
});

test("a negative weight packs", () => {
  const hosts = [host("a"), host("b", { allocated: { vcpu: 4, memoryMiB: 8_192, diskMiB: 0 } })];
  assert.equal(unwrap(place(workload(), hosts, { scorers: [{ ...leastAllocated, weight: -1 }] })).host.id, "b");
});

test("hosts that tell nothing of themselves take anything, chosen by the name", () => {
  const silent = ["10.0.0.1:9090", "10.0.0.2:9090", "10.0.0.3:9090"].map((id): HostCandidate => {
    const { allocatable: _, ...rest } = host(id);
    return rest;
  });
  const huge = { vcpu: 999, memoryMiB: 9_999_999, diskMiB: 0 };
  const placed = unwrap(place(workload({ resources: huge, requires: ["macvtap"], platform: "linux/arm64" }), silent));
  assert.equal(placed.host.id, "10.0.0.2:9090");
  assert.equal(placed.tied, 3);
});

test("a host whose numbers are known is preferred to one that tells nothing", () => {
  const { allocatable: _, ...silent } = host("a");
  assert.equal(chosen(workload(), [silent, host("b")]), "b");
});

test("a workload that needs no disk goes to a host that has promised too much disk", () => {
  const over = host("a", { allocated: { vcpu: 0, memoryMiB: 0, diskMiB: 200_000 } });
  assert.equal(chosen(workload({ resources: { vcpu: 1, memoryMiB: 512, diskMiB: 0 } }), [over]), "a");
});

test("a shortage names what is missing, by how many hosts, and who came nearest", () => {
  const control = workload({ name: "cp", failureDomains: ["b"] });
  const rows: readonly (readonly [string, Workload, readonly HostCandidate[]])[] = [
    ["there are no hosts", workload(), []],
    [
      "1 of 3 hosts is unreachable (c); 2 lack 4096 MiB memory (most free: rack-b (b), 2048 MiB memory)",
      workload(),
      [
        host("a", { allocatable: memory(1_024) }),
        host("b", { name: "rack-b", allocatable: memory(2_048) }),
        host("c", { health: "unreachable" }),
      ],
    ],
    [
      "1 of 1 host lacks 64 vCPU (most free: a, 8 vCPU); 1 lacks 99999 MiB memory (most free: a, 16384 MiB memory)",
      workload({ resources: { vcpu: 64, memoryMiB: 99_999, diskMiB: 0 } }),
      [host("a")],
    ],
    [
      "1 of 1 host lacks 2 vCPU (most free: a, 0 vCPU)",
      workload(),
      [host("a", { allocated: { vcpu: 9, memoryMiB: 0, diskMiB: 0 } })],
    ],
    [
      '2 of 2 hosts are kept free by "no-control-plane"',
      workload(),
      [host("a", { taints: ["no-control-plane"] }), host("b", { taints: ["no-control-plane"] })],
    ],
    ["1 of 1 host lacks the labels disk=nvme", workload({ selector: { disk: "nvme" } }), [host("a")]],
    ["1 of 1 host cannot do macvtap", workload({ requires: ["macvtap"] }), [host("a", { capabilities: [] })]],
    [
      "1 of 1 host is linux/amd64, not linux/arm64",
      workload({ platform: "linux/arm64" }),
      [host("a", { platform: "linux/amd64" })],
    ],
    [
      "1 of 2 hosts is outside failure domain b; 1 is refusing our credentials (b)",
      control,
      [host("a"), host("b", { health: "refused" })],
    ],
    [
      "5 of 5 hosts are not heard of yet (a, b, c and 2 more)",
      workload(),
      ["e", "d", "c", "b", "a"].map((id) => host(id, { health: "unknown" })),
    ],
  ];
  for (const [summary, wanted, hosts] of rows) assert.equal(refusal(wanted, hosts), summary);
});

test("a taint that is tolerated keeps nobody away", () => {
  assert.equal(chosen(workload({ tolerations: ["x", "y"] }), [host("a", { taints: ["x"] })]), "a");
});
