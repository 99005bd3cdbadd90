/**
 * The host's TSC rate, for guests that cannot calibrate theirs.
 *
 * Without KVM the `microvm` machine has neither HPET nor PM timer, and about one boot in six hangs while the kernel tries to calibrate against
 * the PIT. `tsc_early_khz=` spares it the attempt. Under TCG the guest's TSC is the host's.
 */
import { readFileSync } from "node:fs";

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
