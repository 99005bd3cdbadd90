/** What one VMM has used: processor and memory from procfs, disks from QEMU, network from the VMM's own network namespace. */
import { readFile } from "node:fs/promises";
import type { UsageSample } from "@liquidmetal/microvm";
import { record } from "./qmp.ts";

/** USER_HZ and the page size of Linux on x86-64. */
const ticksPerSecond = 100;
const pageBytes = 4_096;

/** `blockStats` is the answer to `query-blockstats`; `devices` are the host devices of its interfaces. */
export async function usageSample(pid: number, blockStats: unknown, devices: readonly string[]): Promise<UsageSample> {
  const [stat, statm, network] = await Promise.all(
    ["stat", "statm", "net/dev"].map((name) => readFile(`/proc/${pid}/${name}`, "utf8")),
  );
  const fields = (stat ?? "").slice((stat ?? "").lastIndexOf(")") + 2).split(" ");
  const disks = Array.isArray(blockStats) ? blockStats.map((entry) => record(record(entry)["stats"])) : [];
  const traffic = trafficOf(network ?? "", devices);
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    memoryBytes: Number((statm ?? "").split(" ")[1]) * pageBytes,
    diskReadBytes: sum(disks.map((disk) => Number(disk["rd_bytes"] ?? 0))),
    diskWrittenBytes: sum(disks.map((disk) => Number(disk["wr_bytes"] ?? 0))),
    ...traffic,
  };
}

/** What the host's end sent is what the guest received. */
function trafficOf(
  table: string,
  devices: readonly string[],
): { networkReceivedBytes: number; networkSentBytes: number } {
  let networkReceivedBytes = 0;
  let networkSentBytes = 0;
  for (const line of table.split("\n")) {
    const [name = "", counters] = line.split(":");
    if (counters === undefined || !devices.includes(name.trim())) continue;
    const numbers = counters.trim().split(/\s+/).map(Number);
    networkSentBytes += numbers[0] ?? 0;
    networkReceivedBytes += numbers[8] ?? 0;
  }
  return { networkReceivedBytes, networkSentBytes };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
