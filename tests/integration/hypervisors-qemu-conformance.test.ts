/**
 * QEMU keeps the port's promises: real machines under TCG, as an unprivileged user, with sandbox and cgroup.
 *
 * Needs root, qemu-system-x86_64, busybox, and apt for the first download of the kernel.
 */
import { createQemuHypervisor } from "@liquidmetal/hypervisors";
import { startSpawner } from "@liquidmetal/spawner";
import { hypervisorSuite } from "../conformance/hypervisors-suite.ts";
import { cgroupRoot, QemuWorld } from "./hypervisors-qemu-world.ts";

hypervisorSuite("QEMU under TCG, as an unprivileged user", async () => {
  const world = await QemuWorld.make();
  return {
    hypervisor: world.hypervisor,
    spawner: world.spawner,
    restart: async () => {
      const spawner = await startSpawner({ cgroupRoot });
      return { spawner, hypervisor: createQemuHypervisor({ spawner, accelerator: "tcg" }) };
    },
    machine: async (options) => world.machine(options?.deaf === true ? { cmdline: { "test.deaf": "" } } : {}),
    close: () => world.close(),
  };
});
