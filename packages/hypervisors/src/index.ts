/** Hypervisor drivers behind one port: QEMU, and a fake whose machines only sleep. */
export {
  createFakeHypervisor,
  type FakeHypervisor,
  type FakeHypervisorOptions,
  type GuestScript,
} from "./fake/driver.ts";
export {
  type AcceleratorVerdict,
  type ProbeFinding,
  type ProbeOptions,
  probeAccelerator,
} from "./qemu/accelerator-probe.ts";
export { createQemuHypervisor, type QemuOptions } from "./qemu/driver.ts";
export { type QemuTimings, qemuTimings } from "./qemu/timings.ts";
