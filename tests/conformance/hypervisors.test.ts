/** The fake hypervisor keeps the port's promises, over the fake and over the real spawner. QEMU's run is in tests/integration. */
import { randomUUID } from "node:crypto";
import { createFakeHypervisor } from "@liquidmetal/hypervisors";
import type { Hypervisor, Machine, Spawner } from "@liquidmetal/microvm";
import { FakeSpawner, startSpawner } from "@liquidmetal/spawner";
import { type HypervisorWorld, hypervisorSuite } from "./hypervisors-suite.ts";

function machine(): Machine {
  const uid = randomUUID();
  return {
    uid,
    namespace: "test",
    name: "sleeper",
    vcpu: 1,
    memoryMiB: 128,
    kernelPath: "/none",
    cmdline: {},
    hasRootVolume: false,
    volumes: [],
    interfaces: [],
    vsock: false,
    directory: "/tmp",
    runDirectory: "/tmp",
    bootGeneration: 1,
    token: `lmt-${uid}`,
  };
}

async function world(makeSpawner: (first?: Spawner) => Promise<Spawner>): Promise<HypervisorWorld> {
  const spawner = await makeSpawner();
  const deaf = new Set<string>();
  const driver = (own: Spawner): Hypervisor =>
    createFakeHypervisor({ spawner: own, script: ({ uid }) => ({ ignoresGracefulStop: deaf.has(uid) }) });
  return {
    hypervisor: driver(spawner),
    spawner,
    restart: async () => {
      const next = await makeSpawner(spawner);
      return { hypervisor: driver(next), spawner: next };
    },
    machine: async (options) => {
      const fresh = machine();
      if (options?.deaf === true) deaf.add(fresh.uid);
      return fresh;
    },
    close: () => spawner.close(),
  };
}

hypervisorSuite("fake, real processes", () => world(() => startSpawner()));
hypervisorSuite("fake, no processes", () =>
  world(async (first) => (first instanceof FakeSpawner ? first.successor() : new FakeSpawner())),
);
