/**
 * What only metal can show: guests on the processor's own virtualisation. Everything that this machine lacks for it is a skipped test that says so.
 */
import { existsSync } from "node:fs";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { createQemuHypervisor, probeAccelerator } from "@liquidmetal/hypervisors";
import { startSpawner } from "@liquidmetal/spawner";
import { hypervisorSuite } from "../conformance/hypervisors-suite.ts";
import { cgroupRoot, QemuWorld } from "../integration/hypervisors-qemu-world.ts";

/** Why KVM cannot be used; undefined when a probe guest has run to its end with it. */
async function kvmMissing(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "needs root";
  if (!existsSync("/dev/kvm")) return "there is no /dev/kvm";
  const spawner = await startSpawner({ cgroupRoot });
  try {
    const verdict = unwrap(await probeAccelerator({ spawner }));
    return verdict.accelerator === "kvm" ? undefined : "/dev/kvm is there, but a probe guest did not run with it";
  } finally {
    await spawner.close();
  }
}

const missing = await kvmMissing();
if (missing !== undefined) test("QEMU under KVM keeps the port's promises", { skip: missing }, () => undefined);
else {
  hypervisorSuite("QEMU under KVM", async () => {
    const world = await QemuWorld.make();
    return {
      hypervisor: createQemuHypervisor({ spawner: world.spawner, accelerator: "kvm" }),
      spawner: world.spawner,
      restart: async () => {
        const spawner = await startSpawner({ cgroupRoot });
        return { spawner, hypervisor: createQemuHypervisor({ spawner, accelerator: "kvm" }) };
      },
      machine: async (options) => world.machine(options?.deaf === true ? { cmdline: { "test.deaf": "" } } : {}),
      close: () => world.close(),
    };
  });
}

for (const hypervisor of ["Firecracker", "Cloud Hypervisor"]) {
  test(`${hypervisor} on metal`, { skip: "this version has no driver for it; nothing was run" }, () => undefined);
}
