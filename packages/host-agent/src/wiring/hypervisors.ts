/** The drivers of this host, and which one a spec gets that names none. */
import { join } from "node:path";
import { PlatformError, unwrap } from "@liquidmetal/foundation";
import { createFakeHypervisor, createQemuHypervisor, probeAccelerator } from "@liquidmetal/hypervisors";
import type { Hypervisor, Spawner } from "@liquidmetal/microvm";
import type { AgentConfig } from "../config/index.ts";
import type { Logger } from "../observability/logger.ts";

export interface HypervisorParts {
  readonly config: AgentConfig;
  readonly spawner: Spawner;
  readonly logger: Logger;
}

/** Set to 1, adds the driver whose machines only sleep, and makes it the default: for benchmarks and trials of clients. */
export const fakeVariable = "LIQUIDMETAL_FAKE_HYPERVISOR";

export function createHypervisors(parts: HypervisorParts): {
  hypervisors: ReadonlyMap<string, Hypervisor>;
  defaultProvider: string;
} {
  const { config, spawner } = parts;
  const hypervisors = new Map<string, Hypervisor>();
  if (process.env[fakeVariable] === "1") hypervisors.set("fake", createFakeHypervisor({ spawner }));
  const { qemuBin, defaultProvider } = config.hypervisors;
  if (qemuBin !== "") {
    hypervisors.set(
      "qemu",
      createQemuHypervisor({ spawner, program: qemuBin, accelerator: () => chooseAccelerator(parts) }),
    );
  }
  const first = hypervisors.keys().next().value;
  const chosen = defaultProvider === "auto" ? first : defaultProvider;
  if (chosen === undefined || !hypervisors.has(chosen)) {
    const known = [...hypervisors.keys()].join(", ");
    throw new PlatformError(
      "CONFIG_INVALID",
      `default-provider is ${defaultProvider}; this version drives: ${known || "none, as qemu-bin is empty"}`,
    );
  }
  return { hypervisors, defaultProvider: chosen };
}

/** KVM only where a probe guest has run to its end with it; the verdict is kept for this boot of the host. */
async function chooseAccelerator({ config, spawner, logger }: HypervisorParts): Promise<"kvm" | "tcg"> {
  const program = config.hypervisors.qemuBin;
  const cachePath = join(config.stateDir, "accelerator.json");
  const verdict = unwrap(await probeAccelerator({ spawner, program, cachePath }));
  logger.info("hypervisor.accelerator", { ...verdict });
  return verdict.accelerator;
}
