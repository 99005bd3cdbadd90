/** Groups of guests on one bridge, by real frames: who meets whom, after restarts and mishaps too, and what every guest reaches. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { PlatformError, unwrap } from "@liquidmetal/foundation";
import type { LinuxHostNetworkOptions } from "@liquidmetal/host-network";
import type { NetworkInterface } from "@liquidmetal/microvm";
import { request } from "../conformance/host-network-suite.ts";
import { Guest } from "./host-network-guest.ts";
import { type RealWorld, realWorld, whyNotHere } from "./host-network-world.ts";

const skip = whyNotHere() ?? false;
const timeout = 120_000;

type Boot = (uid: string, group?: string, nic?: Partial<NetworkInterface>) => Promise<Guest>;

async function inWorld(
  work: (world: RealWorld, boot: Boot, guests: Guest[]) => Promise<void>,
  options: Partial<LinuxHostNetworkOptions> = {},
  floatingAddresses = 0,
): Promise<void> {
  const world = realWorld({ isolation: true, ...options }, "deny", floatingAddresses);
  const guests: Guest[] = [];
  try {
    unwrap(await world.network.ensureEmbedded());
    await work(
      world,
      async (uid, group, nic = {}) => {
        const wanted = {
          ...request(uid, nic),
          hostName: `${uid}.ns`,
          ...(group === undefined ? {} : { isolationGroup: group }),
        };
        const guest = await Guest.boot(world, wanted);
        guests.push(guest);
        guest.configure();
        return guest;
      },
      guests,
    );
  } finally {
    for (const guest of guests) guest.unplug();
    await world.close();
  }
}

test("guests of one group meet by address, ARP and broadcast; guests of two do not; all reach the bridge", {
  skip,
  timeout,
}, async () => {
  await inWorld(async (_, boot) => {
    const [a1, a2] = [await boot("a-1", "ns/a"), await boot("a-2", "ns/a")];
    const b1 = await boot("b-1", "ns/b");
    const [plain1, plain2] = [await boot("plain-1"), await boot("plain-2")];
    assert.deepEqual(await meetings([a1, a2, b1, plain1, plain2]), ["a-1 a-2", "plain-1 plain-2"]);
    for (const guest of [a1, a2, b1, plain1]) {
      const { gateway = "" } = guest.made;
      assert.ok(guest.pings(gateway), `${guest.wanted.uid} reaches the gateway`);
      assert.equal(guest.dhcp()?.["ip"], addressOf(guest), `${guest.wanted.uid} gets its lease`);
      guest.configure();
      const name = `${guest.wanted.uid}.ns.lm.internal`;
      assert.ok(guest.can("busybox", "nslookup", "-type=a", name, gateway), `${name} resolves`);
    }
  });
});

test("a neighbour's hardware address known, or the bridge asked to pass it on: no way into another group", {
  skip,
  timeout,
}, async () => {
  await inWorld(async (world, boot) => {
    const [a, b] = [await boot("a-1", "ns/a"), await boot("b-1", "ns/b")];
    a.run("ip", "neigh", "replace", addressOf(b), "lladdr", b.made.guestMac, "dev", "eth0");
    b.run("ip", "neigh", "replace", addressOf(a), "lladdr", a.made.guestMac, "dev", "eth0");
    assert.ok(!a.pings(addressOf(b)), "straight");
    execFileSync("ip", ["netns", "exec", world.namespace, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      from.run("ip", "neigh", "del", addressOf(to), "dev", "eth0");
      from.run("ip", "route", "replace", addressOf(to), "via", from.made.gateway ?? "");
    }
    assert.ok(!a.pings(addressOf(b)), "by the gateway");
    assert.ok(a.pings(a.made.gateway ?? ""));
  });
});

test("an address that moves passes within its group, is claimed by no other, and is nobody's lease", {
  skip,
  timeout,
}, async () => {
  await inWorld(
    async (world, boot) => {
      const [a1, a2, a3] = [await boot("a-1", "ns/a"), await boot("a-2", "ns/a"), await boot("a-3", "ns/a")];
      const b = await boot("b-1", "ns/b");
      const floating = addressOf(a1).replace(/\d+$/, "254");
      const lies = (guest: Guest): boolean => Number(addressOf(guest).split(".")[3]) >= 239;
      assert.deepEqual([a1, a2, a3, b].filter(lies), [], "leases");
      claim(a1, floating);
      assert.ok(a3.pings(floating));
      assert.equal(neighbour(a3, floating), a1.made.guestMac);
      a1.run("ip", "addr", "del", `${floating}/32`, "dev", "eth0");
      claim(a2, floating);
      assert.equal(neighbour(a3, floating), a2.made.guestMac, "the announcement alone moved it");
      assert.ok(a3.pings(floating));
      claim(b, floating);
      assert.equal(neighbour(a3, floating), a2.made.guestMac, "a claim from another group is not heard");
      assert.ok(a3.pings(floating));
      assert.ok(!b.pings(addressOf(a3), floating));
      const leases = await Promise.all(
        Array.from({ length: 236 }, async (_, index) => await world.network.allocate(request(`more-${index}`))),
      );
      const given = leases.flatMap((lease) => (lease.ok ? lease.value.addresses : []));
      assert.ok(given.length > 200 && given.length < leases.length, "the subnet is used up");
      assert.deepEqual(
        given.filter((cidr) => Number(cidr.split(/[./]/)[3]) >= 239),
        [],
      );
    },
    {},
    16,
  );
});

test("two clusters with one network of pods: each meets its own pods only", { skip, timeout }, async () => {
  await inWorld(
    async (_, boot) => {
      const [a1, a2] = [await boot("a-1", "ns/a"), await boot("a-2", "ns/a")];
      const [b1, b2] = [await boot("b-1", "ns/b"), await boot("b-2", "ns/b")];
      const pod = "172.25.1.9";
      for (const node of [a2, b2]) node.run("ip", "addr", "add", `${pod}/32`, "dev", "lo");
      for (const node of [a1, b1]) node.run("ip", "addr", "add", "172.25.0.9/32", "dev", "lo");
      for (const [from, node] of [
        [a1, a2],
        [b1, b2],
      ] as const) {
        from.run("ip", "route", "add", "172.25.1.0/24", "via", addressOf(node));
        node.run("ip", "route", "add", "172.25.0.0/24", "via", addressOf(from));
      }
      assert.ok(a1.pings(pod, "172.25.0.9") && b1.pings(pod, "172.25.0.9"), "pod to pod within each cluster");
      a1.run("ip", "route", "replace", "172.25.1.0/24", "via", addressOf(b2));
      a1.run("ip", "neigh", "replace", addressOf(b2), "lladdr", b2.made.guestMac, "dev", "eth0");
      assert.ok(!a1.pings(pod, "172.25.0.9"), "the other cluster's node passes nothing on");
      listen(b2);
      announce(a1, "172.25.0.9");
      assert.ok(!a1.pings(pod, "172.25.0.9"));
      assert.deepEqual(heard(b2, a1), [], "not a frame of it arrives");
    },
    { sharedNetworks: ["172.25.0.0/16"] },
  );
});

test("isolation outlasts the agent, is put right when it comes back, and goes with the guests", {
  skip,
  timeout,
}, async () => {
  await inWorld(async (world, boot) => {
    const guests = [await boot("a-1", "ns/a"), await boot("a-2", "ns/a"), await boot("b-1", "ns/b")];
    const before = elements(world);
    const again = world.restarted();
    unwrap(await again.ensureEmbedded());
    assert.deepEqual(await meetings(guests), ["a-1 a-2"], "before it knows of any record");
    for (const { wanted, made } of guests) again.reserve(wanted.uid, made, wanted.isolationGroup);
    await again.close();
    assert.deepEqual(elements(world), before);
    nft(world, "flush", "ruleset");
    unwrap(await again.ensureEmbedded());
    assert.deepEqual(elements(world), before, "after somebody flushed everything");
    nft(world, "flush", "ruleset");
    const late = Object.assign(request("b-2"), { isolationGroup: "ns/b" });
    const made = unwrap(await again.create(late, unwrap(await again.allocate(late))));
    assert.deepEqual(await meetings(guests), ["a-1 a-2"], "put right by the next create");
    unwrap(await again.release("b-2", made));
    assert.deepEqual(elements(world), before);
    const [, a2, b1] = guests as [Guest, Guest, Guest];
    unwrap(await again.release("a-2", a2.made));
    unwrap(await again.removeDevice({ name: b1.made.hostDevice, uid: "b-1", deviceId: "eth0" }));
    for (const { hostDevice } of [a2.made, b1.made, made]) assert.ok(!elements(world).join().includes(hostDevice));
    unwrap(await again.release("a-1", guests[0]?.made ?? assert.fail()));
    assert.deepEqual(elements(world), []);
  });
});

test("turned on over guests that run, and off again", { skip, timeout }, async () => {
  await inWorld(
    async (world, boot) => {
      const guests = [await boot("a-1", "ns/a"), await boot("b-1", "ns/b")];
      assert.deepEqual(await meetings(guests), ["a-1 b-1"]);
      for (const [isolation, met] of [
        [true, []],
        [false, ["a-1 b-1"]],
      ] as const) {
        const again = world.restarted({ isolation });
        unwrap(await again.ensureEmbedded());
        for (const { wanted, made } of guests) again.reserve(wanted.uid, made, wanted.isolationGroup);
        await again.close();
        assert.deepEqual(await meetings(guests), met, `isolation ${isolation}`);
      }
    },
    { isolation: false },
  );
});

test("on a bridge of the user's own both groups reach what else is on it, and not each other", {
  skip,
  timeout,
}, async () => {
  await inWorld(async (world, boot, guests) => {
    world.ip("link", "add", "name", "user0", "type", "bridge", "mcast_snooping", "0");
    world.ip("link", "set", "dev", "user0", "up");
    const outside = Guest.stranger(world, "02:00:00:00:00:99", "user0");
    guests.push(outside);
    outside.run("ip", "addr", "add", "198.51.100.99/24", "dev", "eth0");
    const on = (host: number): Partial<NetworkInterface> => ({
      bridgeName: "user0",
      address: { address: `198.51.100.${host}/24`, nameservers: [] },
    });
    const inside = [
      await boot("a-1", "ns/a", on(1)),
      await boot("a-2", "ns/a", on(2)),
      await boot("b-1", "ns/b", on(3)),
    ];
    assert.deepEqual(await meetings(inside), ["a-1 a-2"]);
    for (const guest of inside) {
      assert.ok(guest.pings("198.51.100.99"), `${guest.wanted.uid} reaches outside`);
      assert.ok(outside.pings(addressOf(guest)), `outside reaches ${guest.wanted.uid}`);
    }
  });
});

test("a record that cannot be written keeps nobody else from being isolated", { skip, timeout }, async () => {
  await inWorld(async (world, boot) => {
    const guests = [await boot("a-1", "ns/a"), await boot("b-1", "ns/b")];
    const again = world.restarted();
    unwrap(await again.ensureEmbedded());
    const [first] = guests;
    const odd = { ...(first?.made ?? assert.fail()), hostDevice: "lmtap0000000000", guestMac: "no address" };
    again.reserve("odd", odd, "ns/a");
    for (const { wanted, made } of guests) again.reserve(wanted.uid, made, wanted.isolationGroup);
    await again.close();
    assert.deepEqual(await meetings(guests), []);
    const failed = await again.create(request("odd"), odd);
    assert.ok(!failed.ok && failed.error instanceof PlatformError);
    const late = await boot("a-2", "ns/a");
    assert.deepEqual(await meetings([...guests, late]), ["a-1 a-2"]);
  });
});

/**
 * Pairs that meet: each reaches the other, and hears its broadcasts. Who does not meet must not get a single frame of the other; what lies between is told
 * in the pair's words, so that no test takes it for one or the other.
 */
async function meetings(guests: readonly Guest[]): Promise<readonly string[]> {
  for (const guest of guests) listen(guest);
  const reached = new Set<string>();
  for (const one of guests) {
    // Who has to ask for the others' hardware addresses does it by broadcast.
    one.can("ip", "neigh", "flush", "dev", "eth0");
    const others = guests.filter((other) => other !== one);
    const answers = await Promise.all(others.map((other) => one.reaches(addressOf(other))));
    for (const [index, other] of others.entries()) {
      if (answers[index] === true) reached.add(`${one.wanted.uid} ${other.wanted.uid}`);
    }
  }
  const met: string[] = [];
  for (const [index, one] of guests.entries()) {
    for (const other of guests.slice(index + 1)) {
      const pair = `${one.wanted.uid} ${other.wanted.uid}`;
      const ways = [reached.has(pair), reached.has(`${other.wanted.uid} ${one.wanted.uid}`)];
      const frames = [heard(one, other), heard(other, one)];
      const all = ways.every(Boolean) && frames.every((kinds) => kinds.length === 2);
      if (all) met.push(pair);
      else if (ways.some(Boolean) || frames.some((kinds) => kinds.length > 0)) {
        met.push(`${pair}: reached ${ways.join()}, frames ${JSON.stringify(frames)}`);
      }
    }
  }
  return met;
}

/** Notes from now on whose frames reach a guest. */
function listen(guest: Guest): void {
  const script = `add table netdev ears
delete table netdev ears
add table netdev ears
add set netdev ears broadcast { type ether_addr; size 64; flags dynamic; }
add set netdev ears any { type ether_addr; size 64; flags dynamic; }
add chain netdev ears ingress { type filter hook ingress device eth0 priority 0; }
add rule netdev ears ingress ether daddr ff:ff:ff:ff:ff:ff update @broadcast { ether saddr }
add rule netdev ears ingress update @any { ether saddr }
`;
  execFileSync("ip", ["netns", "exec", guest.namespace, "nft", "-f", "-"], { input: script });
}

/** Which kinds of frames of another one reached a guest since it listens. */
function heard(guest: Guest, of: Guest): readonly string[] {
  return ["any", "broadcast"].filter((kind) =>
    guest.run("nft", "list", "set", "netdev", "ears", kind).includes(of.made.guestMac),
  );
}

/** Takes an address that moves, and tells everybody. */
function claim(guest: Guest, address: string): void {
  guest.run("ip", "addr", "add", `${address}/32`, "dev", "eth0");
  announce(guest, address);
}

/** Gratuitous ARP. */
function announce(guest: Guest, address: string): void {
  guest.can("busybox", "arping", "-c", "1", "-w", "1", "-U", "-I", "eth0", address);
}

/** Hardware address that a guest has in mind for an address. */
function neighbour(guest: Guest, address: string): string | undefined {
  const known = JSON.parse(
    guest.run("ip", "-json", "neigh", "show", "to", address, "dev", "eth0") || "[]",
  ) as readonly {
    readonly lladdr?: string;
  }[];
  return known[0]?.lladdr;
}

function addressOf(guest: Guest): string {
  return guest.made.addresses[0]?.split("/")[0] ?? "";
}

function nft(world: RealWorld, ...args: readonly string[]): string {
  return execFileSync("ip", ["netns", "exec", world.namespace, "nft", ...args], { encoding: "utf8" });
}

/** Everything that the table knows of taps, in an order of its own. */
function elements(world: RealWorld): readonly string[] {
  const { nftables } = JSON.parse(nft(world, "-j", "list", "table", "bridge", `lm_${world.platform}`)) as {
    readonly nftables: readonly Readonly<
      Record<string, { readonly name?: string; readonly elem?: readonly unknown[] }>
    >[];
  };
  return nftables
    .flatMap((entry) => entry["set"] ?? entry["map"] ?? [])
    .flatMap(({ name = "", elem = [] }) => elem.map((element) => `${name} ${JSON.stringify(element)}`))
    .toSorted();
}
