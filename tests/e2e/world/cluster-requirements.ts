/** What a machine needs for whole clusters: programs, root, and memory for the guests beside a management plane. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Management plane, containerd, flintlockd and what the test itself takes; resident. */
const platformMiB = 1_900;
/** Of a QEMU process over its guest's memory, under emulation. */
const perGuestMiB = 250;

/** What is missing for guests of these sizes (MiB) at the same time, for people; undefined = nothing. */
export function missingForClusters(guestsMiB: readonly number[]): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  for (const program of ["containerd", "ctr", "ip", "nft", "dnsmasq", "qemu-system-x86_64", "ssh-keygen"]) {
    try {
      execFileSync("sh", ["-c", 'command -v "$1"', "sh", program], { stdio: "ignore" });
    } catch {
      return `needs ${program}`;
    }
  }
  const neededMiB = guestsMiB.reduce((sum, each) => sum + each + perGuestMiB, platformMiB);
  const availableMiB =
    Number(/^MemAvailable: +(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0) / 1_024;
  if (availableMiB >= neededMiB) return undefined;
  const gib = (sizeMiB: number): string => (sizeMiB / 1_024).toFixed(1);
  return `needs ${gib(neededMiB)} GiB of memory for ${guestsMiB.length} guests and a management plane; ${gib(availableMiB)} GiB are available`;
}
