import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  aliasOf,
  checkPlatform,
  derivedMac,
  hostDeviceName,
  ownerOfAlias,
  tapMac,
  unfinishedName,
} from "./device-identity.ts";

test("names fit the kernel's 15 bytes, are stable, and differ by platform, microVM and device", () => {
  const name = hostDeviceName("main", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "eth0", "tap");
  assert.equal(name, hostDeviceName("main", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "eth0", "tap"));
  assert.match(name, /^lmtap[0-9a-f]{10}$/);
  const others = [
    hostDeviceName("other", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "eth0", "tap"),
    hostDeviceName("main", "01ARZ3NDEKTSV4RRFFQ69G5FAW", "eth0", "tap"),
    hostDeviceName("main", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "eth1", "tap"),
    hostDeviceName("main", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "eth0", "macvtap"),
  ];
  assert.equal(new Set([name, ...others]).size, 5);
  assert.match(unfinishedName(name), /^lmnew[0-9a-f]{10}$/);
});

test("an alias tells its owner, whatever the ids are, and is one word without quotes", () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }),
      fc.string({ minLength: 1, maxLength: 15 }),
      (uid, deviceId) => {
        // A grapheme may be many bytes long, each of which takes three letters in an alias.
        fc.pre(Buffer.byteLength(uid) <= 60);
        const alias = aliasOf("main", uid, deviceId);
        assert.match(alias, /^[A-Za-z0-9._:/%-]+$/);
        assert.deepEqual(ownerOfAlias("main", alias), { uid, deviceId });
        assert.equal(ownerOfAlias("mai", alias), undefined);
      },
    ),
  );
});

test("aliases of others have no owner here", () => {
  for (const alias of [
    "",
    "liquidmetal:main:",
    "liquidmetal:main:x",
    "liquidmetal:main:x/",
    "liquidmetal:main:x/y/z",
    "liquidmetal:main:%/y",
  ]) {
    assert.equal(ownerOfAlias("main", alias), undefined, alias);
  }
});

test("derived addresses are local, unicast, and others at every attempt", () => {
  const all = Array.from({ length: 100 }, (_, attempt) => derivedMac("main", "uid", "eth0", attempt));
  for (const mac of all) assert.match(mac, /^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
  assert.equal(new Set(all).size, 100);
});

test("the host's side of a tap never has the guest's address", () => {
  assert.equal(tapMac("52:54:00:12:34:56"), "fe:54:00:12:34:56");
  assert.equal(tapMac("FE:54:00:12:34:56"), "fa:54:00:12:34:56");
});

test("platform names are plain words", () => {
  for (const name of ["", "A", "1a", "a_b", "a b", "a".repeat(33), "a;b"])
    assert.throws(() => checkPlatform(name), { code: "CONFIG_INVALID" });
  assert.equal(checkPlatform("lm-1"), "lm-1");
});
