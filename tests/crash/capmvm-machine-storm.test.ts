/**
 * Many machines, many hosts, and everything fails at random: the API server (409, 429, 500, lost answers), the hosts (lost answers, restarts, refusals, silence),
 * the microVMs, the controller itself. Then the storm ends, and all must be as wished: one microVM for each machine that is wanted, none for the others.
 *
 * A microVM that dies or vanishes in the storm keeps its machine unhealthy for ever (nothing repairs silently); such machines are only counted.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, PlatformError } from "@liquidmetal/foundation";
import fc from "fast-check";
import { machines, microvmMachines, parseProviderId, secrets } from "../../packages/capmvm/src/api/index.ts";
import type { FakeCall } from "../../packages/capmvm/src/hosts/fake-host.ts";
import { MachineWorld } from "../../packages/capmvm/src/testing/machine-world.ts";
import { Lives } from "./capmvm-machine-lives.ts";

const endpoints = ["10.0.0.1:9090", "10.0.0.2:9090", "10.0.0.3:9090"] as const;
const names = ["m-1", "m-2", "m-3", "m-4", "m-5"] as const;

const name = fc.constantFrom(...names);
const endpoint = fc.constantFrom(...endpoints);
const when = fc.constantFrom("before", "after");
const happening = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("machine"), name }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete"), name }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("pass"), ms: fc.constantFrom(1, 50, 700, 4_000, 60_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("api"),
      status: fc.constantFrom(0, 409, 429, 500),
      nth: fc.integer({ min: 1, max: 6 }),
      times: fc.integer({ min: 1, max: 3 }),
      when,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("call"),
      endpoint,
      call: fc.constantFrom("create", "delete", "list", "get"),
      code: fc.constantFrom<ErrorCode>(
        "CREATE_UNCERTAIN",
        "CAPACITY_EXCEEDED",
        "QUEUE_FULL",
        "HOST_UNREACHABLE",
        "INTERNAL",
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("silent"), endpoint }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("back"), endpoint }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("die"), endpoint }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("watches") }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("kill"),
      call: fc.integer({ min: 1, max: 12 }),
      moment: fc.constantFrom("before", "after", "amid"),
    }),
  },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

class Storm {
  readonly world: MachineWorld = new MachineWorld();
  readonly lives: Lives = new Lives(this.world);
  readonly #faults: Disposable[] = [];
  readonly wanted: Set<string> = new Set();
  readonly #failures: {
    readonly at: string;
    readonly name: string;
    readonly code: ErrorCode;
    readonly lost: boolean;
  }[] = [];
  readonly #twins: Set<string> = new Set();
  #coin = 0;

  async begin(upstream: boolean): Promise<void> {
    for (const at of endpoints) {
      const host = this.world.addHost(at, { upstream, latencyMs: 20 });
      host.before = (call) => this.#fail(call, "before");
      host.after = (call) => this.#fail(call, "after");
    }
    this.world.hosts.onChange(() => this.#watchForTwins());
    this.world.putCluster();
    await this.lives.begin();
  }

  /** Never two at the same time, not even for a moment. */
  #watchForTwins(): void {
    const seen = new Set<string>();
    for (const { identity = "", name } of this.world.hosts.microVms()) {
      if (seen.has(identity)) this.#twins.add(name);
      seen.add(identity);
    }
  }

  async happen(one: Happening): Promise<void> {
    const { world } = this;
    const client = world.cluster.client({ fieldManager: "storm" });
    switch (one.kind) {
      case "machine":
        if (this.wanted.has(one.name) || world.machine(keyOf(one.name)) !== undefined) return;
        this.wanted.add(one.name);
        world.putMachine({ name: one.name });
        return;
      case "delete":
        this.wanted.delete(one.name);
        await client.delete(microvmMachines, keyOf(one.name));
        await client.delete(machines, keyOf(one.name));
        return await client.delete(secrets, keyOf(`${one.name}-bootstrap`));
      case "pass":
        return await world.pass(one.ms);
      case "api": {
        const { status, nth, times } = one;
        const moment = one.when === "after" ? "after" : "before";
        const match = {
          fieldManager: "capmvm",
          where: ({ verb }: { verb: string }) => verb !== "watch" && verb !== "list",
        };
        this.#faults.push(world.cluster.fail(match, { status, nth, times, when: moment }));
        return;
      }
      case "call":
        return this.#failCall(one.endpoint, one.call, one.code);
      case "silent":
        return world.hosts.at(one.endpoint).unreachable();
      case "back":
        return world.hosts.at(one.endpoint).reachable();
      case "die": {
        const host = world.hosts.at(one.endpoint);
        const [first] = host.microVms;
        if (first !== undefined) host.die(first.uid);
        return;
      }
      case "watches":
        return world.cluster.dropWatches("reset");
      case "kill":
        return await this.lives.begin({
          call: one.call,
          moment: one.moment === "amid" ? "amid" : one.moment === "after" ? "after" : "before",
        });
      default:
    }
  }

  /** Only creates can leave in doubt whether they had their effect, and only some failures leave that doubt. */
  #failCall(at: string, name: string, code: ErrorCode): void {
    const doubtful = code === "CREATE_UNCERTAIN" || code === "INTERNAL";
    const answer = name === "create" ? code : code === "HOST_UNREACHABLE" ? code : "INTERNAL";
    this.#failures.push({ at, name, code: answer, lost: name !== "create" || doubtful });
  }

  /** The n-th of equal failures is before the call has its effect when n is odd. */
  #fail(call: FakeCall, moment: "before" | "after"): void {
    const index = this.#failures.findIndex(({ at, name, lost }) => {
      return at === call.endpoint && name === call.name && (moment === "before" || lost);
    });
    const [failure] =
      index < 0 || (moment === "before" && this.#failures[index]?.lost === true && ++this.#coin % 2 === 0)
        ? []
        : this.#failures.splice(index, 1);
    if (failure !== undefined) throw new PlatformError(failure.code, "the storm");
  }

  async calm(): Promise<void> {
    for (const fault of this.#faults) fault[Symbol.dispose]();
    for (const at of endpoints) {
      this.world.hosts.at(at).reachable();
    }
    this.#failures.length = 0;
    await this.lives.settle();
    await this.world.pass(1_800_000);
    await this.lives.settle();
  }

  check(): void {
    const { world } = this;
    assert.deepEqual([...this.#twins], [], "two microVMs of one machine at the same time");
    for (const one of names) {
      const key = keyOf(one);
      const machine = world.machine(key);
      const microVms = world.hosts.microVms().filter((microVm) => microVm.name === one);
      if (!this.wanted.has(one)) {
        assert.equal(machine, undefined, `${one} is still there: ${world.message("Ready", key)}`);
        assert.deepEqual(microVms, [], `${one} has left a microVM`);
        continue;
      }
      assert.equal(microVms.length, 1, `${one} has ${microVms.length} microVMs: ${world.message("Ready", key)}`);
      const [microVm] = microVms;
      assert.deepEqual(parseProviderId(machine?.spec.providerID ?? ""), {
        endpoint: microVm?.endpoint,
        uid: microVm?.uid,
      });
      assert.equal(microVm?.identity, machine?.metadata?.uid);
      if (microVm?.phase !== "stopped")
        assert.equal(world.condition("Ready", key), "True Ready", world.message("Ready", key));
      else assert.match(world.condition("Ready", key), /^False/);
    }
  }
}

const keyOf = (one: string) => ({ namespace: "default", name: one });

for (const upstream of [false, true]) {
  test(`whatever happens on hosts of ${upstream ? "upstream" : "ours"}, in the end all is as wished`, async () => {
    const runs = Number(process.env["LM_STORM_RUNS"] ?? 40);
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { minLength: 5, maxLength: 40 }), async (happenings) => {
        const storm = new Storm();
        try {
          await storm.begin(upstream);
          for (const one of happenings) await storm.happen(one);
          await storm.calm();
          storm.check();
        } finally {
          storm.world.end();
        }
      }),
      {
        numRuns: runs,
        endOnFailure: false,
        ...(process.env["LM_STORM_SEED"] === undefined ? {} : { seed: Number(process.env["LM_STORM_SEED"]) }),
      },
    );
  });
}
