/**
 * The planner against a model of the world: from every state of it, for every wish, the steps lead to where nothing is missing,
 * also when the agent dies between any two of them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Observation, VmmObservation } from "./observation.ts";
import { plan } from "./plan.ts";
import type { DesiredState, MadeInterface, MadeVolume, MicroVmRecord } from "./record.ts";
import { type MicroVmSpec, volumesOf } from "./spec.ts";
import type { Step } from "./steps.ts";

/** What the model remembers: the host, and what the record says was made. */
interface Model {
  readonly directory: boolean;
  readonly kernel: boolean;
  readonly initrd: boolean;
  readonly volumes: ReadonlySet<string>;
  readonly interfaces: ReadonlySet<string>;
  readonly seed: boolean;
  readonly vmm: VmmObservation;
  readonly forgotten: boolean;
}

const nothing: Model = {
  directory: false,
  kernel: false,
  initrd: false,
  volumes: new Set(),
  interfaces: new Set(),
  seed: false,
  vmm: { state: "absent" },
  forgotten: false,
};

const names = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { maxLength: 4 });
const desired = fc.constantFrom<DesiredState>("running", "paused", "stopped", "deleted");
const generation = fc.integer({ min: 1, max: 3 });

const specs: fc.Arbitrary<MicroVmSpec> = fc
  .record({ volumes: names, interfaces: names, initrd: fc.boolean(), root: fc.boolean() })
  .map(({ volumes, interfaces, initrd, root }) => ({
    namespace: "n",
    name: "m",
    labels: {},
    provider: "",
    vcpu: 1,
    memoryMiB: 128,
    kernel: { image: "k", filename: "f", cmdline: {}, addNetworkConfig: false },
    ...(initrd ? { initrd: { image: "i", filename: "f" } } : {}),
    ...(root ? { rootVolume: { id: "root", readOnly: false, source: { kind: "image", image: "r" } as const } } : {}),
    additionalVolumes: volumes.map((id) => ({ id, readOnly: true, source: { kind: "image", image: "v" } as const })),
    interfaces: interfaces.map((deviceId) => ({ deviceId, type: "tap" as const })),
    metadata: {},
    allowGuestAgent: false,
  }));

const vmms: fc.Arbitrary<VmmObservation> = fc.oneof(
  fc.constant<VmmObservation>({ state: "absent" }),
  generation.map((bootGeneration): VmmObservation => ({ state: "running", bootGeneration })),
  generation.map((bootGeneration): VmmObservation => ({ state: "paused", bootGeneration })),
);

/** Any world in which this spec may be found, however it came to that. */
const worldOf = (spec: MicroVmSpec): fc.Arbitrary<Model> =>
  fc.record({
    directory: fc.boolean(),
    kernel: fc.boolean(),
    initrd: fc.boolean(),
    volumes: fc.subarray(volumesOf(spec).map(({ id }) => id)).map((ids) => new Set(ids)),
    interfaces: fc.subarray(spec.interfaces.map(({ deviceId }) => deviceId)).map((ids) => new Set(ids)),
    seed: fc.boolean(),
    vmm: vmms,
    forgotten: fc.constant(false),
  });

const situations = specs.chain((spec) =>
  fc.record({ spec: fc.constant(spec), world: worldOf(spec), desired, generation }),
);

function recordOf(spec: MicroVmSpec, wish: DesiredState, bootGeneration: number, world: Model): MicroVmRecord {
  const volume = (id: string): MadeVolume => ({
    ...{ id, kind: "block", path: `/${id}`, format: "raw", readOnly: true, sizeBytes: 1, store: "s", imageDigest: "d" },
  });
  const nic = (deviceId: string): MadeInterface => ({
    ...{ deviceId, type: "tap", hostDevice: deviceId, hostIndex: 1, hostMac: "", guestMac: "", bridge: "" },
    ...{ addresses: [], nameservers: [], dhcp: true },
  });
  return {
    uid: "u",
    spec,
    desired: wish,
    version: 1,
    createdAtMs: 0,
    updatedAtMs: 0,
    phase: "pending",
    reason: "",
    message: "",
    retry: { attempts: 0, notBeforeMs: 0 },
    guest: { ready: false, addresses: [] },
    bootGeneration,
    boots: 0,
    made: {
      directory: "/d",
      runDirectory: "/r",
      vmmUserId: 0,
      provider: "p",
      volumes: Object.fromEntries([...world.volumes].map((id) => [id, volume(id)])),
      interfaces: Object.fromEntries(spec.interfaces.map(({ deviceId }) => [deviceId, nic(deviceId)])),
    },
  };
}

const observationOf = ({ forgotten: _, ...observed }: Model): Observation => observed;

/** Does a step to the model. A start with something missing, or beside another VMM, is what must never be planned. */
function executed(world: Model, step: Step, spec: MicroVmSpec, bootGeneration: number): Model {
  const without = (set: ReadonlySet<string>, one: string): ReadonlySet<string> =>
    new Set([...set].filter((x) => x !== one));
  switch (step.kind) {
    case "create-directory":
      return { ...world, directory: true };
    case "fetch-kernel":
      return { ...world, kernel: true };
    case "fetch-initrd":
      return { ...world, initrd: true };
    case "create-volume":
      return { ...world, volumes: new Set([...world.volumes, step.volumeId]) };
    case "create-interface":
      return { ...world, interfaces: new Set([...world.interfaces, step.deviceId]) };
    case "write-seed":
      assert.ok(world.directory);
      return { ...world, seed: true };
    case "start-vmm":
      assert.equal(world.vmm.state, "absent");
      assert.ok(world.directory && world.kernel && world.seed && (world.initrd || spec.initrd === undefined));
      for (const { id } of volumesOf(spec)) assert.ok(world.volumes.has(id));
      for (const { deviceId } of spec.interfaces) assert.ok(world.interfaces.has(deviceId));
      return { ...world, vmm: { state: "running", bootGeneration } };
    case "pause-vmm":
      assert.equal(world.vmm.state, "running");
      return { ...world, vmm: { state: "paused", bootGeneration: generationOf(world.vmm) } };
    case "resume-vmm":
      assert.equal(world.vmm.state, "paused");
      return { ...world, vmm: { state: "running", bootGeneration: generationOf(world.vmm) } };
    case "stop-vmm":
      return { ...world, vmm: { state: "absent" } };
    case "release-interface":
      assert.equal(world.vmm.state, "absent");
      return { ...world, interfaces: without(world.interfaces, step.deviceId) };
    case "release-volume":
      assert.equal(world.vmm.state, "absent");
      return { ...world, volumes: without(world.volumes, step.volumeId) };
    case "release-images":
      return world;
    case "delete-directory":
      return { ...world, directory: false, seed: false };
    case "forget":
      assert.equal(world.volumes.size + world.interfaces.size, 0);
      return { ...world, forgotten: true };
    default:
      return step satisfies never;
  }
}

function generationOf(vmm: VmmObservation): number {
  return "bootGeneration" in vmm ? vmm.bootGeneration : 0;
}

/** Plans and acts until nothing is missing; in round `n` the agent dies after `deaths[n]` steps. */
function converged(
  spec: MicroVmSpec,
  wish: DesiredState,
  bootGeneration: number,
  start: Model,
  deaths: readonly number[],
): Model {
  let world = start;
  for (let round = 0; round < deaths.length + 4; round++) {
    if (world.forgotten) return world;
    const steps = plan(recordOf(spec, wish, bootGeneration, world), observationOf(world));
    if (steps.length === 0) return world;
    for (const step of steps.slice(0, deaths[round] ?? steps.length))
      world = executed(world, step, spec, bootGeneration);
  }
  assert.fail("the plan never became empty");
}

test("from any world, for any wish, through any deaths, the plan leads to what is wished", () => {
  fc.assert(
    fc.property(
      situations,
      fc.array(fc.nat(6), { maxLength: 6 }),
      ({ spec, world, desired: wish, generation: wanted }, deaths) => {
        const end = converged(spec, wish, wanted, world, deaths);
        switch (wish) {
          case "running":
            assert.deepEqual(end.vmm, { state: "running", bootGeneration: wanted });
            break;
          case "paused":
            assert.equal(end.vmm.state, "paused");
            break;
          case "stopped":
            assert.equal(end.vmm.state, "absent");
            break;
          case "deleted":
            assert.ok(end.forgotten && end.vmm.state === "absent");
            break;
          default:
            wish satisfies never;
        }
      },
    ),
    { numRuns: 1_000 },
  );
});

test("a wish that changes half way is followed from there", () => {
  fc.assert(
    fc.property(
      situations,
      desired,
      fc.nat(8),
      ({ spec, world, desired: first, generation: wanted }, second, steps) => {
        let half = world;
        const planned = plan(recordOf(spec, first, wanted, world), observationOf(world));
        for (const step of planned.slice(0, steps)) half = executed(half, step, spec, wanted);
        if (!half.forgotten) converged(spec, second, wanted, half, []);
      },
    ),
  );
});

test("the same world gives the same steps", () => {
  fc.assert(
    fc.property(situations, ({ spec, world, desired: wish, generation: wanted }) => {
      const record = recordOf(spec, wish, wanted, world);
      assert.deepEqual(
        plan(record, observationOf(world)),
        plan(structuredClone(record), structuredClone(observationOf(world))),
      );
    }),
  );
});

test("nothing is done to, or beside, a process that cannot be proven ours", () => {
  fc.assert(
    fc.property(situations, ({ spec, world, desired: wish, generation: wanted }) => {
      const observed: Observation = { ...observationOf(world), vmm: { state: "unverifiable", why: "procfs" } };
      assert.deepEqual(plan(recordOf(spec, wish, wanted, world), observed), []);
    }),
  );
});

test("a first start makes everything, in this order", () => {
  const [sample] = fc.sample(specs, { numRuns: 1, seed: 1 });
  assert.ok(sample !== undefined);
  const volume = (id: string) => ({ id, readOnly: false, source: { kind: "image", image: "i" } as const });
  const spec: MicroVmSpec = {
    ...sample,
    initrd: { image: "i", filename: "f" },
    rootVolume: volume("root"),
    additionalVolumes: [volume("data")],
    interfaces: [{ deviceId: "eth0", type: "tap" }],
  };
  assert.deepEqual(plan(recordOf(spec, "running", 1, nothing), observationOf(nothing)), [
    { kind: "create-directory" },
    { kind: "fetch-kernel" },
    { kind: "fetch-initrd" },
    { kind: "create-volume", volumeId: "root" },
    { kind: "create-volume", volumeId: "data" },
    { kind: "create-interface", deviceId: "eth0" },
    { kind: "write-seed" },
    { kind: "start-vmm" },
  ]);
});
