/**
 * Whatever happens to a host and to the way there, in the end capmvm knows exactly what the host has, and has told every change that led there.
 *
 * A listener keeps its own books from the events alone; they must agree with the host's, too: that is what reconcilers live by.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FakeFlintlockd, startFakeFlintlockd } from "@liquidmetal/host-agent/fake";
import type { Host, HostMicroVm } from "../../packages/capmvm/src/hosts/host.ts";
import { HostsWorld, request } from "./capmvm-hosts-world.ts";

const rounds = 120;

/** Mulberry32: small, and the same everywhere. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function happen(fake: FakeFlintlockd, host: Host, fraction: () => number, round: number): Promise<void> {
  const microVms = fake.host.microVms.filter(({ phase }) => phase !== "deleting");
  const uid = microVms[Math.floor(fraction() * microVms.length)]?.uid;
  const pick = Math.floor(fraction() * 14);
  if (pick < 5) {
    const made = host.create(request({ name: `vm-${round}`, identity: `i-${round}` }));
    await made.catch(() => undefined);
  } else if (pick < 7 && uid !== undefined) await host.delete(uid).catch(() => undefined);
  else if (pick === 7 && uid !== undefined) fake.host.die(uid);
  else if (pick === 8 && uid !== undefined) fake.host.vanish(uid);
  else if (pick === 9) fake.cut();
  else if (pick === 10) {
    fake.freeze();
    if (uid !== undefined) fake.host.vanish(uid);
    await new Promise((resolve) => setTimeout(resolve, fraction() * 600));
    fake.thaw();
  } else if (pick === 11) await fake.restart({ empty: fraction() < 0.3 });
  else if (pick === 12) fake.dropEvents();
  else if (uid !== undefined) {
    await fake.stop();
    fake.host.vanish(uid);
    await fake.start();
  }
}

function essence(microVms: Iterable<Pick<HostMicroVm, "uid" | "name" | "state">>): readonly string[] {
  return [...microVms].map(({ uid, name, state }) => `${uid} ${name} ${state}`).sort();
}

const states: Readonly<Record<string, HostMicroVm["state"]>> = {
  pending: "pending",
  running: "created",
  failed: "failed",
  deleting: "deleting",
};

for (const [name, likeUpstream, seed] of [
  ["ours", false, 1],
  ["ours", false, 2],
  ["ours", false, 3],
  ["like upstream", true, 4],
  ["like upstream", true, 5],
] as const) {
  test(`a host ${name} in trouble, seed ${seed}`, { timeout: 120_000 }, async () => {
    await using fake = await startFakeFlintlockd({
      likeUpstream,
      eventsMax: 50,
      facts: { capacity: { vcpu: 10_000 } },
    });
    await using world = new HostsWorld({ callMs: 1_000 });
    const host = await world.synced(fake);
    host.knownByName("team-a", "");
    const told = new Map<string, HostMicroVm>();
    world.hosts.onChange((change) => {
      if (change.type === "microvm") told.set(change.microVm.uid, change.microVm);
      if (change.type === "microvm-deleted") told.delete(change.microVm.uid);
    });
    const fraction = random(seed);
    for (let round = 0; round < rounds; round++) await happen(fake, host, fraction, round);
    const truth = (): readonly string[] =>
      essence(
        fake.host.microVms.map(({ uid, spec, phase }) => ({ uid, name: spec.name, state: states[phase] ?? "unknown" })),
      );
    const agree = (): boolean => {
      const there = truth().join("\n");
      return host.synced && there === essence(told.values()).join("\n");
    };
    const until = performance.now() + 15_000;
    while (!agree() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(essence(told.values()), truth(), "what was told");
    const known = fake.host.microVms.map(({ uid }) => host.known(uid)).filter((one) => one !== undefined);
    assert.deepEqual(essence(known), truth(), "what is known");
    assert.equal(host.health().state, "reachable");
  });
}
