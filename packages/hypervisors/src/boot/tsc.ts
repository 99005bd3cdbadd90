/**
 * The host's TSC rate, for guests that cannot calibrate theirs.
 *
 * Without KVM the `microvm` machine has neither HPET nor PM timer, and about one boot in six hangs while the kernel tries to calibrate against
 * the PIT. `tsc_early_khz=` spares it the attempt. Under TCG the guest's TSC is the host's.
 *
 * The kernel does not trust that TSC by itself, and without any other clock it then counts its ticks: time in steps of 4 ms, seconds lost on a busy host, and a
 * system call for each look at the clock. `tsc=reliable` makes it trust; only where the host knows the rate exactly, since a wrong rate is a wrong clock.
 */
import { readFileSync } from "node:fs";

/** What a kernel may be told of the TSC. */
export interface TscRate {
  readonly khz: number;
  /** The rate itself, of counters that run alike on all processors; else a guess, by how fast a processor runs at the moment. */
  readonly exact: boolean;
}

/** Undefined when the host does not say. */
export function hostTscRate(): TscRate | undefined {
  const khz = hostTscKhz();
  if (khz === undefined) return undefined;
  try {
    const clock = readFileSync("/sys/devices/system/clocksource/clocksource0/available_clocksource", "utf8");
    return { khz, exact: /\btsc\b/.test(clock) && isRateOfTsc(readFileSync("/proc/cpuinfo", "utf8")) };
  } catch {
    return { khz, exact: false };
  }
}

/**
 * Whether the `cpu MHz` of this /proc/cpuinfo is the TSC's: the hypervisor below has told the rate (`tsc_known_freq`), and what is shown is not measured anew
 * (`aperfmperf`).
 */
export function isRateOfTsc(cpuinfo: string): boolean {
  const flags = new Set(/^flags\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(" "));
  return (
    flags.has("hypervisor") && flags.has("constant_tsc") && flags.has("tsc_known_freq") && !flags.has("aperfmperf")
  );
}

/** In kHz; undefined when the host does not say. */
export function hostTscKhz(): number | undefined {
  try {
    const exact = Number(readFileSync("/sys/devices/system/cpu/cpu0/tsc_freq_khz", "utf8"));
    if (exact > 0) return exact;
  } catch {
    // Only few kernels have this file.
  }
  try {
    const megahertz = Number(/^cpu MHz\s*:\s*([\d.]+)/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]);
    return megahertz > 0 ? Math.round(megahertz * 1000) : undefined;
  } catch {
    return undefined;
  }
}
