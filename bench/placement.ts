/** Choosing a host, in memory: one workload among many hosts with labels, capabilities and members of its group. */
import { type HostCandidate, place, type Workload } from "@liquidmetal/placement";
import type { Benchmark } from "./main.ts";
import { distribution } from "./measure/distribution.ts";
import { loadAverage } from "./world/processes.ts";

const choices = 2_000;

export const benchmark: Benchmark = {
  name: "placement",
  summary: "one workload among 100, 1,000 and 5,000 hosts",
  run: async (say) => {
    const figures: Record<string, unknown> = { choices, load: loadAverage() };
    for (const count of [100, 1_000, 5_000]) {
      const hosts = Array.from({ length: count }, (_, index) => hostNumber(index));
      const milliseconds: number[] = [];
      for (let index = -choices; index < choices; index++) {
        const started = performance.now();
        const placed = place(workloadNumber(index), hosts);
        if (!placed.ok) throw new Error(placed.error.summary);
        if (index >= 0) milliseconds.push(performance.now() - started);
      }
      const measured = distribution(milliseconds);
      figures[`hosts${count}Milliseconds`] = measured;
      say(`${count} hosts: p50 ${measured.p50} ms, p99 ${measured.p99} ms`);
    }
    return figures;
  },
};

function hostNumber(index: number): HostCandidate {
  return {
    id: `10.0.${index >> 8}.${index & 255}:9090`,
    failureDomain: `rack-${index % 10}`,
    labels: { disk: index % 2 === 0 ? "nvme" : "hdd" },
    taints: [],
    health: "reachable",
    capabilities: ["tap interfaces", "virtiofs"],
    platform: "linux/amd64",
    allocatable: { vcpu: 64, memoryMiB: 262_144, diskMiB: 1_000_000 },
    allocated: { vcpu: index % 50, memoryMiB: (index * 7_919) % 200_000, diskMiB: 0 },
    members: new Map([["workers", index % 3]]),
  };
}

function workloadNumber(index: number): Workload {
  return {
    name: `worker-${index}`,
    resources: { vcpu: 4, memoryMiB: 8_192, diskMiB: 1_000 },
    selector: { disk: "nvme" },
    requires: ["tap interfaces"],
    spread: { name: "workers", mode: "even" },
  };
}
