import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { linkLocalOf, parseSubnet, type Subnet, subnetsOverlap, subnetText } from "./ip-address.ts";
import { chooseLinkSubnet, chooseSubnet } from "./subnet-choice.ts";

const subnet = (text: string): Subnet => parseSubnet(text) ?? assert.fail(text);

test("never a subnet in use", () => {
  const used = fc.array(
    fc.tuple(
      fc.constantFrom(172, 10),
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 12, max: 32 }),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(used, fc.string(), (networks, platform) => {
      const taken = networks.map(([a, b, c, length]) => subnet(`${a}.${b}.${c}.0/${length}`));
      const chosen = chooseSubnet(platform, [...taken, subnet("default")]);
      assert.equal(chosen.prefixLength, 24);
      assert.ok(!taken.some((other) => subnetsOverlap(other, chosen)), subnetText(chosen));
      assert.ok(!taken.some((other) => subnetsOverlap(other, chooseLinkSubnet(platform, taken))));
    }),
  );
});

test("a host that uses all of the first ranges gets one of the last", () => {
  assert.match(subnetText(chooseSubnet("x", [subnet("172.16.0.0/12")])), /^10\.231\./);
  assert.throws(() => chooseSubnet("x", [subnet("172.16.0.0/12"), subnet("10.0.0.0/8")]), {
    code: "ADDRESS_EXHAUSTED",
  });
});

test("networks are read, and what is none is not", () => {
  assert.equal(subnetText(subnet("172.30.4.7/24")), "172.30.4.0/24");
  assert.equal(subnetText(subnet("255.255.255.255")), "255.255.255.255/32");
  assert.equal(subnetText(subnet("default")), "0.0.0.0/0");
  for (const text of ["", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "::1/64", "1.2.3.4/24/1", "x"])
    assert.equal(parseSubnet(text), undefined, text);
});

test("link-local addresses as a host derives them", () => {
  assert.equal(linkLocalOf("52:54:00:12:34:56"), "fe80::5054:ff:fe12:3456");
});
