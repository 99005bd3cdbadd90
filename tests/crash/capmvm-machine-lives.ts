/** What the crash tests do to machines, and what has to be so when all has settled, whoever died meanwhile. */
import assert from "node:assert/strict";
import type { ObjectKey } from "@liquidmetal/kubernetes";
import { type MicrovmMachine, microvmMachines, parseProviderId } from "../../packages/capmvm/src/api/index.ts";
import { MachineWorld } from "../../packages/capmvm/src/testing/machine-world.ts";
import { type Death, Life } from "../../packages/capmvm/src/testing/mortal.ts";

/** Longer than any quiet or hold of the reconciler, milliseconds. */
export const settleMs = 150_000;

/** One machine from its making to its deletion, on hosts that the scenario arranges. */
export interface Scenario {
  readonly name: string;
  arrange(world: MachineWorld): void;
  /** Milliseconds after which the machine is deleted, wherever its making is then. Default: when all has settled. */
  readonly deletedAfterMs?: number;
}

/** Lives through the scenario; each death in turn ends a life, and the next begins at once. Returns the calls of each life. */
export async function liveThrough(
  scenario: Scenario,
  deaths: readonly Death[],
): Promise<readonly (readonly string[])[]> {
  const world = new MachineWorld();
  const where = `${scenario.name}, ${deaths.map(({ call, moment }) => `dead ${moment} call ${call}`).join(", then ")}`;
  let most = 0;
  world.hosts.onChange(() => {
    most = Math.max(most, world.hosts.microVms().length);
  });
  try {
    const lives = new Lives(world, deaths);
    scenario.arrange(world);
    world.putCluster();
    const key = world.putMachine();
    await lives.begin();
    if (scenario.deletedAfterMs === undefined) {
      await lives.settle();
      hasExactlyOne(world, key, where);
    } else await world.pass(scenario.deletedAfterMs);
    await world.cluster.client({ fieldManager: "someone" }).delete(microvmMachines, key);
    await lives.settle();
    assert.equal(world.machine(key), undefined, `${where}: the object stays`);
    assert.deepEqual(world.hosts.microVms(), [], `${where}: a microVM without an owner`);
    assert.ok(most <= 1, `${where}: ${most} microVMs of one machine at the same time`);
    return lives.calls;
  } finally {
    world.end();
  }
}

/** One controller after another. */
export class Lives {
  readonly #world: MachineWorld;
  readonly #deaths: Death[];
  readonly #lives: Life[] = [];
  #living: { kill(): void; life: Life } | undefined;

  constructor(world: MachineWorld, deaths: readonly Death[] = []) {
    this.#world = world;
    this.#deaths = [...deaths];
  }

  get calls(): readonly (readonly string[])[] {
    return this.#lives.map(({ calls }) => calls);
  }

  async begin(death: Death | undefined = this.#deaths.shift()): Promise<void> {
    this.#living?.kill();
    const life = new Life(this.#world.clock, death);
    this.#lives.push(life);
    this.#living = await this.#world.start(life);
  }

  get dead(): boolean {
    return this.#living?.life.dead !== false;
  }

  /** Until nothing moves any more, with a new life at once whenever one ends. */
  async settle(): Promise<void> {
    for (let passed = 0; passed < settleMs; ) {
      const step = passed < 2_000 ? 200 : passed < 20_000 ? 3_000 : 30_000;
      await this.#world.pass(step);
      passed += step;
      if (!this.dead) continue;
      await this.begin();
      passed = 0;
    }
  }
}

export function hasExactlyOne(world: MachineWorld, key: ObjectKey, where: string): void {
  const machine = world.machine(key);
  const ours = world.hosts.microVms().filter(({ name }) => name === key.name);
  assert.equal(ours.length, 1, `${where}: ${ours.length} microVMs of ${key.name}`);
  const [microVm] = ours;
  const recorded = parseProviderId(machine?.spec.providerID ?? "");
  assert.deepEqual(recorded, { endpoint: microVm?.endpoint, uid: microVm?.uid }, `${where}: provider id`);
  assert.equal(microVm?.identity, identityOf(machine), `${where}: identity`);
  assert.equal(machine?.status?.initialization?.provisioned, true, `${where}: provisioned`);
  assert.equal(world.condition("Ready", key), "True Ready", `${where}: ${world.message("Ready", key)}`);
}

function identityOf(machine: MicrovmMachine | undefined): string | undefined {
  return machine?.metadata?.annotations?.["capmvm.liquidmetal.dev/identity"];
}
