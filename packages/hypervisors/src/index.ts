/** Hypervisor drivers behind one port: QEMU, and a fake whose machines only sleep. */
export {
  createFakeHypervisor,
  type FakeHypervisor,
  type FakeHypervisorOptions,
  type GuestScript,
} from "./fake/driver.ts";
export { createQemuHypervisor, type QemuOptions } from "./qemu/driver.ts";
export { type QemuTimings, qemuTimings } from "./qemu/timings.ts";
