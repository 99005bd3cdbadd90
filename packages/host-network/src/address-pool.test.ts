import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AddressPool, key } from "./address-pool.ts";
import { ipv4Number, parseSubnet, type Subnet, subnetContains } from "./ip-address.ts";

const subnet = (text: string): Subnet => parseSubnet(text) ?? assert.fail(text);

test("a /29 has five addresses for guests; the sixth is refused", () => {
  const pool = new AddressPool();
  const given = Array.from({ length: 5 }, (_, index) => pool.choose("br0", subnet("10.0.0.0/29"), `vm-${index}`));
  assert.deepEqual([...given].sort(), ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
  assert.throws(() => pool.choose("br0", subnet("10.0.0.0/29"), "vm-6"), { code: "ADDRESS_EXHAUSTED" });
  pool.release("vm-3");
  assert.equal(pool.choose("br0", subnet("10.0.0.0/29"), "vm-6"), given[3]);
});

test("the last addresses may be kept for those that move between guests", () => {
  const pool = new AddressPool();
  const given = Array.from({ length: 3 }, (_, index) => pool.choose("br0", subnet("10.0.0.0/29"), `vm-${index}`, 2));
  assert.deepEqual([...given].sort(), ["10.0.0.2", "10.0.0.3", "10.0.0.4"]);
  assert.throws(() => pool.choose("br0", subnet("10.0.0.0/29"), "vm-3", 2), { code: "ADDRESS_EXHAUSTED" });
});

test("network, gateway and broadcast are nobody's; what is taken is taken, on one bridge", () => {
  const pool = new AddressPool();
  for (const address of ["10.0.0.0", "10.0.0.1", "10.0.0.255"]) {
    assert.throws(() => pool.claim("br0", subnet("10.0.0.0/24"), address, "vm-1"), { code: "ADDRESS_TAKEN" });
  }
  pool.claim("br0", subnet("10.0.0.0/24"), "10.0.0.9", "vm-1");
  pool.claim("br0", subnet("10.0.0.0/24"), "10.0.0.9", "vm-1");
  assert.throws(() => pool.claim("br0", subnet("10.0.0.0/24"), "10.0.0.9", "vm-2"), { code: "ADDRESS_TAKEN" });
  pool.claim("br1", undefined, "10.0.0.9", "vm-2");
});

test("whatever comes and goes, no address is ever held twice", () => {
  const act = fc.tuple(fc.constantFrom("choose", "release", "reserve"), fc.integer({ min: 0, max: 30 }));
  fc.assert(
    fc.property(fc.array(act, { maxLength: 120 }), (acts) => {
      const pool = new AddressPool();
      const held = new Map<string, string>();
      for (const [what, number] of acts) {
        const owner = `vm-${number}`;
        if (what === "release") {
          pool.release(owner);
          held.delete(owner);
        } else if (what === "reserve") {
          const address = `10.0.0.${number + 2}`;
          if (held.has(owner) || [...held.values()].includes(address)) continue;
          pool.reserve(key("br0", address), owner);
          held.set(owner, address);
        } else {
          const address = pool.choose("br0", subnet("10.0.0.0/26"), owner);
          assert.ok(subnetContains(subnet("10.0.0.0/26"), ipv4Number(address) ?? -1));
          held.set(owner, address);
        }
        assert.equal(new Set(held.values()).size, held.size);
      }
    }),
  );
});
