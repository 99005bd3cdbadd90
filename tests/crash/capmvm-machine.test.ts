/**
 * The controller is killed at every call that it makes: before it has its effect, after it, and so that it has its effect ten seconds later; each time a fresh
 * one goes on in the same world.
 *
 * Afterwards: exactly one microVM as long as the machine is wanted, none when it is deleted, the provider id names the one that is there, and no finalizer
 * is left behind.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import type { MachineWorld } from "../../packages/capmvm/src/testing/machine-world.ts";
import type { Death } from "../../packages/capmvm/src/testing/mortal.ts";
import { liveThrough, type Scenario } from "./capmvm-machine-lives.ts";

const [a, b] = ["10.0.0.1:9090", "10.0.0.2:9090"] as const;

const scenarios: readonly Scenario[] = [
  { name: "a host of ours", arrange: (world) => void world.addHost(a) },
  { name: "a host of upstream", arrange: (world) => void world.addHost(a, { upstream: true }) },
  {
    name: "slow hosts",
    arrange: (world) => {
      world.addHost(a, { latencyMs: 400, startupMs: 3_000, deletionMs: 3_000 });
      world.addHost(b, { latencyMs: 400, startupMs: 3_000, deletionMs: 3_000 });
    },
  },
  {
    name: "a host that refuses, and another one",
    arrange: (world) => {
      for (const endpoint of [a, b]) {
        world.addHost(endpoint).fail("create", new PlatformError("CAPACITY_EXCEEDED", "no room after all"));
      }
    },
  },
  {
    name: "a lost answer of upstream's host",
    arrange: (world) =>
      world
        .addHost(a, { upstream: true })
        .fail("create", new PlatformError("CREATE_UNCERTAIN", "no answer"), { applied: true }),
  },
  {
    name: "an answer that never came from upstream's host",
    arrange: (world) =>
      world.addHost(a, { upstream: true }).fail("create", new PlatformError("CREATE_UNCERTAIN", "no answer")),
  },
  ...[100, 600, 1_100].map((deletedAfterMs) => ({
    name: `deleted ${deletedAfterMs} ms after it was wished for`,
    arrange: (world: MachineWorld) => void world.addHost(a, { upstream: true, latencyMs: 500 }),
    deletedAfterMs,
  })),
];

/** All pairs take minutes: LM_CRASH_ALL=1 has them. */
const stride = process.env["LM_CRASH_ALL"] === "1" ? 1 : 11;

/** Every death that a life with these calls can die. */
function deathsOf(calls: readonly string[]): readonly Death[] {
  return calls.flatMap((_, index) =>
    (["before", "after", "amid"] as const).map((moment): Death => ({ call: index + 1, moment })),
  );
}

for (const scenario of scenarios) {
  describe(scenario.name, () => {
    test("nobody dies, then one death at every call", async () => {
      const [calls = []] = await liveThrough(scenario, []);
      assert.ok(calls.length >= 3, calls.join(", "));
      for (const death of deathsOf(calls)) await liveThrough(scenario, [death]);
    });

    test("two deaths, one after another, at pairs of calls", async () => {
      const [calls = []] = await liveThrough(scenario, []);
      for (const [index, first] of deathsOf(calls).entries()) {
        const [, second = []] = await liveThrough(scenario, [first]);
        const pairs = deathsOf(second).filter((_, other) => (index + other) % stride === 0);
        for (const again of pairs) await liveThrough(scenario, [first, again]);
      }
    });
  });
}
