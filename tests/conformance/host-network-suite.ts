/** What every host network promises, the real one and the fake. Test files register it with a world of their own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import type { HostNetwork, InterfaceRequest, MadeInterface, NetworkInterface } from "@liquidmetal/microvm";

export interface NetworkWorld {
  readonly network: HostNetwork;
  /** Another network over the same host, that knows nothing yet: the agent after a restart. */
  restarted(): HostNetwork;
  /** Makes a device of this name that is not ours. */
  addForeign(name: string): Promise<void>;
  hasDevice(name: string): Promise<boolean>;
  close(): Promise<void>;
}

export function hostNetworkConformance(name: string, open: () => Promise<NetworkWorld>): void {
  const check = (title: string, body: (world: NetworkWorld) => Promise<void>): void => {
    test(`${name}: ${title}`, { timeout: 30_000 }, async () => {
      const world = await open();
      try {
        unwrap(await world.network.ensureEmbedded());
        await body(world);
      } finally {
        await world.close();
      }
    });
  };

  check("what is allocated is complete, stable, and makes nothing", async ({ network, hasDevice }) => {
    const made = unwrap(await network.allocate(request("vm-1")));
    assert.match(made.hostDevice, /^lmtap[0-9a-f]{10}$/);
    assert.match(made.guestMac, /^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
    assert.equal(made.hostIndex, 0);
    assert.equal(made.addresses.length, 1);
    assert.equal(made.dhcp, true);
    assert.ok(made.gateway !== undefined && made.nameservers.includes(made.gateway));
    assert.deepEqual(unwrap(await network.allocate(request("vm-1"))), made);
    assert.equal(await hasDevice(made.hostDevice), false);
    assert.equal(await network.exists("vm-1", made), false);
  });

  check("create, exists, list, release; each twice is as once", async ({ network, hasDevice }) => {
    const { wanted, made } = await create(network, "vm-1");
    assert.ok(made.hostIndex > 0);
    assert.match(made.hostMac, /^[0-9A-F]{2}(:[0-9A-F]{2}){5}$/);
    assert.deepEqual(unwrap(await network.create(wanted, made)), made);
    assert.equal(await network.exists("vm-1", made), true);
    assert.equal(await network.exists("vm-2", made), false);
    assert.deepEqual(unwrap(await network.list()), [{ name: made.hostDevice, uid: "vm-1", deviceId: "eth0" }]);
    unwrap(await network.release("vm-1", made));
    unwrap(await network.release("vm-1", made));
    assert.equal(await hasDevice(made.hostDevice), false);
    assert.deepEqual(unwrap(await network.list()), []);
  });

  check(
    "a device of that name that is someone else's is refused and left alone",
    async ({ network, addForeign, hasDevice }) => {
      const wanted = request("vm-1");
      const made = unwrap(await network.allocate(wanted));
      await addForeign(made.hostDevice);
      const created = await network.create(wanted, made);
      assert.equal(created.ok ? "made" : created.error.code, "NETWORK_DEVICE_TAKEN");
      assert.equal(await network.exists("vm-1", made), false);
      unwrap(await network.release("vm-1", made));
      assert.equal(await hasDevice(made.hostDevice), true);
      assert.deepEqual(unwrap(await network.list()), []);
    },
  );

  check("a bridge that is not there is said so, at allocation and at creation", async ({ network }) => {
    const wanted = request("vm-1", { bridgeName: "lmnobridge" });
    const allocated = await network.allocate(wanted);
    assert.equal(allocated.ok ? "made" : allocated.error.code, "BRIDGE_MISSING");
    const made = { ...unwrap(await network.allocate(request("vm-2"))), bridge: "lmnobridge" };
    const [created, other] = await Promise.all([network.create(request("vm-2"), made), create(network, "vm-3")]);
    assert.equal(created.ok ? "made" : created.error.code, "BRIDGE_MISSING");
    assert.ok(other.made.hostIndex > 0, "a neighbour in the same batch is not harmed");
    assert.deepEqual(
      unwrap(await network.list()).map(({ uid }) => uid),
      ["vm-3"],
    );
  });

  check("addresses are unique; one that is taken is refused; a released one is free", async ({ network }) => {
    const { made } = await create(network, "vm-1");
    const [address = ""] = made.addresses;
    const wanted = request("vm-2", { address: { address, nameservers: [] } });
    const refused = await network.allocate(wanted);
    assert.equal(refused.ok ? "made" : refused.error.code, "ADDRESS_TAKEN");
    const sameMac = await network.allocate(request("vm-2", { guestMac: made.guestMac.toUpperCase() }));
    assert.equal(sameMac.ok ? "made" : sameMac.error.code, "ADDRESS_TAKEN");
    unwrap(await network.release("vm-1", made));
    const second = unwrap(await network.allocate(wanted));
    assert.deepEqual([second.addresses, second.dhcp], [[address], false]);
  });

  check("the gateway's address is nobody's", async ({ network }) => {
    const { gateway = "" } = unwrap(await network.allocate(request("vm-1")));
    const refused = await network.allocate(request("vm-2", { address: { address: `${gateway}/24`, nameservers: [] } }));
    assert.equal(refused.ok ? "made" : refused.error.code, "ADDRESS_TAKEN");
  });

  check("a user's own hardware address and static address are kept", async ({ network }) => {
    const address = { address: "198.51.100.7/24", gateway: "198.51.100.1/24", nameservers: ["192.0.2.53"] };
    const { made } = await create(network, "vm-1", { guestMac: "AA:BB:CC:00:00:01", address });
    assert.equal(made.guestMac, "aa:bb:cc:00:00:01");
    assert.deepEqual(made.addresses, ["198.51.100.7/24"]);
    assert.equal(made.gateway, "198.51.100.1");
    assert.deepEqual(made.nameservers, ["192.0.2.53"]);
  });

  check("after a restart: devices are found, what records hold is never given again", async (world) => {
    const { made } = await create(world.network, "vm-1");
    const again = world.restarted();
    unwrap(await again.ensureEmbedded());
    again.reserve("vm-1", made);
    assert.equal(await again.exists("vm-1", made), true);
    const [address = ""] = made.addresses;
    const refused = await again.allocate(request("vm-2", { address: { address, nameservers: [] } }));
    assert.equal(refused.ok ? "made" : refused.error.code, "ADDRESS_TAKEN");
    const [orphan] = unwrap(await again.list());
    assert.ok(orphan !== undefined);
    unwrap(await again.removeDevice(orphan));
    assert.equal(await world.hasDevice(made.hostDevice), false);
    await again.close();
  });

  check("twenty at once, all different", async ({ network }) => {
    const all = await Promise.all(Array.from({ length: 20 }, (_, index) => create(network, `vm-${index}`)));
    const distinct = (of: (made: MadeInterface) => string): number => new Set(all.map(({ made }) => of(made))).size;
    assert.deepEqual(
      [distinct((m) => m.hostDevice), distinct((m) => m.guestMac), distinct((m) => m.addresses[0] ?? "")],
      [20, 20, 20],
    );
    assert.equal(unwrap(await network.list()).length, 20);
    await Promise.all(all.map(async ({ wanted, made }) => unwrap(await network.release(wanted.uid, made))));
    assert.deepEqual(unwrap(await network.list()), []);
  });

  check("a caller that has given up already is not served", async ({ network }) => {
    const signal = AbortSignal.abort();
    const allocated = await network.allocate(request("vm-1"), { signal });
    assert.equal(allocated.ok ? "made" : allocated.error.code, "CANCELLED");
  });
}

export function request(uid: string, more: Partial<NetworkInterface> = {}): InterfaceRequest {
  return { uid, interface: { deviceId: "eth0", type: "tap", ...more } };
}

export async function create(
  network: HostNetwork,
  uid: string,
  more: Partial<NetworkInterface> & { readonly hostName?: string } = {},
): Promise<{ readonly wanted: InterfaceRequest; readonly made: MadeInterface }> {
  const { hostName, ...nic } = more;
  const wanted = { ...request(uid, nic), ...(hostName === undefined ? {} : { hostName }) };
  const allocated = unwrap(await network.allocate(wanted));
  return { wanted, made: unwrap(await network.create(wanted, allocated)) };
}
