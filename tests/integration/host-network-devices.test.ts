/** Devices under load and after crashes, and several platforms side by side. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { err, PlatformError, type Result, unwrap } from "@liquidmetal/foundation";
import type { RunRequest, RunResult } from "@liquidmetal/microvm";
import { create, request } from "../conformance/host-network-suite.ts";
import { DirectSpawner } from "./host-network-spawner.ts";
import { type RealWorld, realWorld, succeeds, whyNotHere } from "./host-network-world.ts";

const skip = whyNotHere() ?? false;
const timeout = 60_000;

async function inWorld(
  work: (world: RealWorld) => Promise<void>,
  options: Parameters<typeof realWorld>[0] = {},
): Promise<void> {
  const world = realWorld(options);
  try {
    unwrap(await world.network.ensureEmbedded());
    await work(world);
  } finally {
    await world.close();
  }
}

test("two hundred taps at once, in a handful of commands", { skip, timeout }, async (context) => {
  await inWorld(async (world) => {
    await world.network.features();
    const runsBefore = world.spawner.runs;
    const startMs = performance.now();
    const all = await Promise.all(
      Array.from({ length: 200 }, (_, index) => create(world.network, `vm-${index}`, { deviceId: "eth0" })),
    );
    context.diagnostic(
      `created 200 in ${(performance.now() - startMs).toFixed(0)} ms with ${world.spawner.runs - runsBefore} commands`,
    );
    assert.ok(world.spawner.runs - runsBefore < 20);
    assert.equal(unwrap(await world.network.list()).length, 200);
    await Promise.all(all.map(async ({ wanted, made }) => unwrap(await world.network.release(wanted.uid, made))));
    assert.deepEqual(unwrap(await world.network.list()), []);
    const filters = execFileSync("ip", [
      "netns",
      "exec",
      world.namespace,
      "nft",
      "list",
      "table",
      "bridge",
      `lm_${world.platform}`,
    ]);
    assert.ok(!filters.toString().includes("lmtap"), "no filter element is left");
  });
});

test("a tap opens to the user it was made for, is up, on its bridge, and carries its mark", {
  skip,
  timeout,
}, async () => {
  await inWorld(async (world) => {
    const wanted = { ...request("vm-1"), owner: { uid: 61_234, gid: 61_235 } };
    const made = unwrap(await world.network.create(wanted, unwrap(await world.network.allocate(wanted))));
    const [link] = JSON.parse(world.ip("-json", "-d", "link", "show", "dev", made.hostDevice)) as readonly {
      readonly ifalias: string;
      readonly master: string;
      readonly flags: readonly string[];
      readonly linkinfo: {
        readonly info_data: { readonly user: number; readonly group: number; readonly persist: boolean };
      };
    }[];
    assert.equal(link?.ifalias, `liquidmetal:${world.platform}:vm-1/eth0`);
    assert.equal(link?.master, made.bridge);
    assert.equal(
      made.hostMac,
      `FE${made.guestMac.slice(2).toUpperCase()}`,
      "higher than the bridge's, so that the bridge keeps its own",
    );
    assert.ok(link?.flags.includes("UP"));
    assert.deepEqual(
      [link?.linkinfo.info_data.user, link?.linkinfo.info_data.group, link?.linkinfo.info_data.persist],
      [61_234, 61_235, true],
    );
  });
});

test("killed in the middle of a batch: what was made is listed, and everything can be made again", {
  skip,
  timeout,
}, async () => {
  const spawner = new CutShort();
  await inWorld(
    async (world) => {
      const wanted = Array.from({ length: 10 }, (_, index) => request(`vm-${index}`));
      const chosen = await Promise.all(wanted.map(async (one) => unwrap(await world.network.allocate(one))));
      // The tool dies after the first line of the fifth device.
      spawner.cutAfterLines = 4 * 3 + 1;
      const outcomes = await Promise.all(
        wanted.map((one, index) => world.network.create(one, chosen[index] ?? assert.fail())),
      );
      assert.ok(outcomes.every(({ ok }) => !ok));
      assert.match(world.ip("-o", "link", "show"), / lmnew[0-9a-f]{10}:/, "a device without its name is left");
      const again = world.restarted();
      unwrap(await again.ensureEmbedded());
      for (const [index, made] of chosen.entries()) again.reserve(`vm-${index}`, made);
      await Promise.all(
        wanted.map(async (one, index) => unwrap(await again.create(one, chosen[index] ?? assert.fail()))),
      );
      assert.equal(unwrap(await again.list()).length, 10);
      assert.doesNotMatch(world.ip("-o", "link", "show"), / lmnew/);
      for (const device of unwrap(await again.list())) unwrap(await again.removeDevice(device));
      assert.deepEqual(unwrap(await again.list()), []);
    },
    { spawner },
  );
});

test("dnsmasq that dies is started again; an agent that restarts adopts it", { skip, timeout }, async () => {
  await inWorld(async (world) => {
    const first = await onlyDnsmasq(world);
    const again = world.restarted();
    unwrap(await again.ensureEmbedded());
    assert.equal(await onlyDnsmasq(world), first, "adopted, not doubled");
    await again.close();
    process.kill(first, "SIGKILL");
    const second = await onlyDnsmasq(world, first);
    assert.notEqual(second, first);
  });
});

test("two platforms in one namespace do not meet", { skip, timeout }, async () => {
  const networkNamespace = `lm-shared-${randomBytes(4).toString("hex")}`;
  execFileSync("ip", ["netns", "add", networkNamespace]);
  const worlds = [realWorld({ networkNamespace }), realWorld({ networkNamespace })] as const;
  try {
    for (const { network } of worlds) unwrap(await network.ensureEmbedded());
    const [a, b] = worlds;
    const subnets = await Promise.all(worlds.map(async ({ network }) => (await network.features()).subnet));
    assert.notEqual(subnets[0], subnets[1]);
    const made = await Promise.all(worlds.map(async ({ network }) => await create(network, "vm-1")));
    assert.notEqual(made[0]?.made.hostDevice, made[1]?.made.hostDevice);
    assert.equal(unwrap(await a.network.list()).length, 1);
    unwrap(await a.network.release("vm-1", made[0]?.made ?? assert.fail()));
    unwrap(await a.network.removeEmbedded());
    assert.equal(unwrap(await b.network.list()).length, 1);
    const { bridgeName } = await b.network.features();
    assert.ok(b.ip("link", "show", "dev", bridgeName ?? "").includes("UP"));
    assert.ok(await onlyDnsmasq(b));
    assert.ok(succeeds("ip", "-n", networkNamespace, "link"), "a namespace that was there before stays");
  } finally {
    for (const world of worlds) await world.close();
    succeeds("ip", "netns", "delete", networkNamespace);
  }
});

test("asked for features before its namespace is there, it comes up all the same", { skip, timeout }, async () => {
  const world = realWorld();
  try {
    assert.equal((await world.network.features()).subnet, undefined);
    unwrap(await world.network.ensureEmbedded());
    const features = await world.network.features();
    assert.deepEqual([features.nftables, features.tap, features.bridge, features.dnsmasq], [true, true, true, true]);
    assert.match(features.subnet ?? "", /^\d+\.\d+\.\d+\.0\/24$/);
  } finally {
    await world.close();
  }
});

test("a bridge of someone else's name is not taken over", { skip, timeout }, async () => {
  const world = realWorld();
  try {
    unwrap(await world.network.ensureEmbedded());
    const { bridgeName = "" } = await world.network.features();
    unwrap(await world.network.removeEmbedded());
    execFileSync("ip", ["netns", "add", world.namespace]);
    world.ip("link", "add", "name", bridgeName, "type", "bridge");
    const refused = await world.restarted().ensureEmbedded();
    assert.equal(refused.ok ? "made" : refused.error.code, "NETWORK_DEVICE_TAKEN");
    unwrap(await world.restarted().removeEmbedded());
    assert.ok(world.ip("link", "show", "dev", bridgeName));
  } finally {
    await world.close();
  }
});

test("macvtaps, where the kernel has them, answer to the guest's address", { skip, timeout }, async (context) => {
  await inWorld(
    async (world) => {
      if (!(await world.network.features()).macvtap) return context.skip("this kernel has no macvtap");
      world.ip("link", "add", "name", "parent0", "type", "veth", "peer", "name", "parent1");
      world.ip("link", "set", "dev", "parent0", "up");
      const { made } = await create(world.network, "vm-1", { type: "macvtap" });
      assert.match(made.hostDevice, /^lmmvt/);
      assert.equal(made.hostMac, made.guestMac.toUpperCase());
      assert.equal(made.dhcp, true);
      unwrap(await world.network.release("vm-1", made));
      assert.deepEqual(unwrap(await world.network.list()), []);
    },
    { parentInterface: "parent0" },
  );
});

/** A spawner whose `ip -batch` gets only the beginning of its script, once, and is then gone. */
class CutShort extends DirectSpawner {
  cutAfterLines = 0;

  override async run(asked: RunRequest): Promise<Result<RunResult, PlatformError>> {
    if (this.cutAfterLines === 0 || !asked.stdin?.startsWith("tuntap")) return await super.run(asked);
    const stdin = `${asked.stdin.split("\n").slice(0, this.cutAfterLines).join("\n")}\n`;
    // All of them go into one batch: the first one, alone in its run, is let through to nothing.
    if (asked.stdin.split("\n").length <= 4) return err(new PlatformError("SPAWNER_UNAVAILABLE", "gone"));
    this.cutAfterLines = 0;
    await super.run({ ...asked, stdin });
    return err(new PlatformError("SPAWNER_UNAVAILABLE", "gone"));
  }
}

async function onlyDnsmasq(world: RealWorld, otherThan = 0): Promise<number> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const found = (await world.spawner.findByTokenPrefix(`lmdns_${world.platform}_`)).filter(
      ({ pid }) => pid !== otherThan,
    );
    if (found.length === 1 && found[0] !== undefined) return found[0].pid;
    assert.ok(Date.now() < deadline, `waited for one dnsmasq, found ${found.length}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
