/** The embedded network as guests meet it: leases, names, what they reach and what they do not. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { request } from "../conformance/host-network-suite.ts";
import { Guest } from "./host-network-guest.ts";
import { type RealWorld, realWorld, succeeds, whyNotHere } from "./host-network-world.ts";

const skip = whyNotHere() ?? false;

async function inWorld(
  work: (world: RealWorld, boot: (uid: string, hostName?: string) => Promise<Guest>, guests: Guest[]) => Promise<void>,
  egress: "allow" | "deny" = "deny",
  options: Parameters<typeof realWorld>[0] = {},
): Promise<void> {
  const world = realWorld(options, egress);
  const guests: Guest[] = [];
  try {
    unwrap(await world.network.ensureEmbedded());
    const boot = async (uid: string, hostName?: string): Promise<Guest> => {
      const guest = await Guest.boot(world, { ...request(uid), ...(hostName === undefined ? {} : { hostName }) });
      guests.push(guest);
      return guest;
    };
    await work(world, boot, guests);
  } finally {
    for (const guest of guests) guest.unplug();
    await world.close();
  }
}

test("DHCP gives the reserved lease, DNS the names, and both forget what is released", {
  skip,
  timeout: 60_000,
}, async () => {
  await inWorld(async (world, boot) => {
    const guest = await boot("vm-1", "vm1.ns1");
    const other = await boot("vm-2", "vm2.ns1");
    const lease = guest.dhcp();
    const { gateway = "" } = guest.made;
    assert.deepEqual(
      [lease?.["ip"], lease?.["router"], lease?.["dns"], lease?.["domain"]],
      [guest.made.addresses[0]?.split("/")[0], gateway, gateway, "lm.internal"],
    );
    guest.configure();
    const resolves = (): boolean => guest.can("busybox", "nslookup", "-type=a", "vm2.ns1.lm.internal", gateway);
    assert.ok(resolves(), "a neighbour's name resolves");
    unwrap(await world.network.release("vm-2", other.made));
    await until(() => !resolves(), "the name of a released microVM to be forgotten");
    assert.ok(guest.can("busybox", "nslookup", "-type=a", "vm1.ns1.lm.internal", gateway));
  });
});

test("a machine without a reservation gets no address", { skip, timeout: 60_000 }, async () => {
  await inWorld(async (world, _, guests) => {
    const stranger = Guest.stranger(world, "02:00:00:00:00:99");
    guests.push(stranger);
    assert.equal(stranger.dhcp(), undefined);
  });
});

test("a guest is heard only as itself", { skip, timeout: 60_000 }, async () => {
  await inWorld(async (_, boot) => {
    const guest = await boot("vm-1");
    const { gateway = "", guestMac, addresses } = guest.made;
    guest.configure();
    assert.ok(guest.pings(gateway), "as itself");
    const alien = `${gateway.replace(/\.1$/, "")}.${addresses[0]?.startsWith(`${gateway.replace(/\.1$/, "")}.200/`) === true ? 201 : 200}`;
    guest.run("ip", "addr", "add", `${alien}/24`, "dev", "eth0");
    assert.ok(!guest.pings(gateway, alien), "under another address");
    guest.run("ip", "addr", "del", `${alien}/24`, "dev", "eth0");
    guest.run("ip", "link", "set", "dev", "eth0", "address", "02:00:00:00:00:77");
    assert.ok(!guest.pings(gateway), "under another hardware address");
    guest.run("ip", "link", "set", "dev", "eth0", "address", guestMac);
    guest.configure();
    assert.ok(guest.pings(gateway), "as itself again");
  });
});

test("a network that guests share may be sent from: pods behind their node", { skip, timeout: 60_000 }, async () => {
  await inWorld(
    async (world, boot) => {
      const guest = await boot("vm-1");
      const { gateway = "", addresses } = guest.made;
      guest.configure();
      assert.ok(guest.pings(gateway));
      guest.run("ip", "addr", "add", "10.244.3.7/32", "dev", "lo");
      world.ip("route", "add", "10.244.3.0/24", "via", (addresses[0] ?? "").split("/")[0] ?? "");
      assert.ok(guest.pings(gateway, "10.244.3.7"));
      guest.run("ip", "addr", "add", "10.245.3.7/32", "dev", "lo");
      world.ip("route", "add", "10.245.3.0/24", "via", (addresses[0] ?? "").split("/")[0] ?? "");
      assert.ok(!guest.pings(gateway, "10.245.3.7"));
    },
    "deny",
    { sharedNetworks: ["10.244.0.0/16"] },
  );
});

test("with egress denied guests reach DHCP, DNS and each other, and nothing else", {
  skip,
  timeout: 60_000,
}, async () => {
  await inWorld(async (world, boot) => {
    const guest = await boot("vm-1");
    const other = await boot("vm-2");
    guest.configure();
    other.configure();
    const { gateway = "" } = guest.made;
    const [neighbour = ""] = (other.made.addresses[0] ?? "").split("/");
    await using outside = new Outside(world);
    assert.ok(
      succeeds("ip", "netns", "exec", world.namespace, "busybox", "ping", "-c1", "-W1", outside.address),
      "the host itself gets out",
    );
    assert.ok(guest.pings(neighbour), "guest to guest");
    assert.ok(!guest.pings(outside.address), "no way out");
    await using listener = await service(world);
    const knock = ["nc", "-w", "2", gateway, listener.port] as const;
    assert.ok(succeeds("ip", "netns", "exec", world.namespace, "busybox", ...knock), "the service is there");
    assert.ok(!guest.can("busybox", ...knock), "a service of the host is out of reach");
    const [address = ""] = (guest.made.addresses[0] ?? "").split("/");
    assert.ok(
      succeeds("ip", "netns", "exec", world.namespace, "busybox", "ping", "-c1", "-W1", address),
      "the host reaches the guest",
    );
  });
});

test("with egress allowed guests get out behind the host's address, and nobody gets in", {
  skip,
  timeout: 60_000,
}, async () => {
  await inWorld(async (world, boot) => {
    const guest = await boot("vm-1");
    guest.configure();
    await using outside = new Outside(undefined);
    assert.ok(guest.pings(outside.address), "out through namespace and host");
    const [address = ""] = (guest.made.addresses[0] ?? "").split("/");
    outside.run("ip", "route", "add", "default", "via", outside.gateway);
    assert.ok(
      !succeeds("ip", "netns", "exec", outside.namespace, "busybox", "ping", "-c1", "-W1", address),
      "not in from outside",
    );
    unwrap(await world.network.removeEmbedded());
    const left = execFileSync("sh", ["-c", "ip -o link show; nft list tables; ip route"], { encoding: "utf8" });
    assert.ok(!left.includes(world.platform) && !/lmv[hn][0-9a-f]{10}/.test(left), left);
  }, "allow");
});

/** A network beyond the bridge: a namespace behind a veth of the platform's namespace (or of the host's own). */
class Outside {
  readonly namespace: string = `lm-world-${randomBytes(4).toString("hex")}`;
  readonly gateway: string;
  readonly address: string;

  constructor(world: RealWorld | undefined) {
    const net = `198.${18 + (randomBytes(1).readUInt8() & 1)}.${randomBytes(1).readUInt8()}`;
    this.gateway = `${net}.1`;
    this.address = `${net}.2`;
    const device = `lmw${randomBytes(4).toString("hex")}`;
    const ip = world?.ip ?? ((...args: readonly string[]) => execFileSync("ip", args, { encoding: "utf8" }));
    execFileSync("ip", ["netns", "add", this.namespace]);
    ip("link", "add", "name", device, "type", "veth", "peer", "name", "out0", "netns", this.namespace);
    ip("addr", "add", `${this.gateway}/24`, "dev", device);
    ip("link", "set", "dev", device, "up");
    this.run("ip", "link", "set", "dev", "out0", "up");
    this.run("ip", "addr", "add", `${this.address}/24`, "dev", "out0");
  }

  run(program: string, ...args: readonly string[]): void {
    execFileSync("ip", ["netns", "exec", this.namespace, program, ...args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    succeeds("ip", "netns", "delete", this.namespace);
  }
}

/** Something that listens in the platform's namespace. */
async function service(world: RealWorld): Promise<AsyncDisposable & { readonly port: string }> {
  const port = "8099";
  const script = `require("node:net").createServer((socket) => socket.end("hello\\n")).listen(${port}, () => console.log("listening"))`;
  const child = spawn("ip", ["netns", "exec", world.namespace, process.execPath, "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `waited for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
