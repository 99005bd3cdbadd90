import assert from "node:assert/strict";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import fc from "fast-check";
import { nextFree, parseAddressPool, poolHolds, poolSize, rangesOverlap } from "./address-pool.ts";
import { addressBits, canonicalHost, formatIpAddress, type IpAddress, parseIpAddress } from "./ip-address.ts";

test("addresses, ranges and blocks are read, and given out in the order written", () => {
  const rows: readonly (readonly [readonly string[], bigint, string])[] = [
    [["10.0.0.240"], 1n, "10.0.0.240"],
    [["10.0.0.240 - 10.0.0.250"], 11n, "10.0.0.240"],
    [["10.0.0.240/28"], 14n, "10.0.0.241"],
    [["10.0.0.240/31"], 2n, "10.0.0.240"],
    [["10.0.0.240/32"], 1n, "10.0.0.240"],
    [["0.0.0.0/0"], 2n ** 32n - 2n, "0.0.0.1"],
    [["2001:db8::/120"], 255n, "2001:db8::1"],
    [["2001:DB8:0::10-2001:db8::1f"], 16n, "2001:db8::10"],
    [["2001:db8::/64"], 2n ** 64n - 1n, "2001:db8::1"],
    [["10.0.0.9", "10.0.0.1-10.0.0.2"], 3n, "10.0.0.9"],
    [[], 0n, ""],
  ];
  for (const [entries, size, first] of rows) {
    const pool = unwrap(parseAddressPool(entries));
    assert.equal(poolSize(pool), size, entries.join());
    assert.equal(nextFree(pool, new Set()) ?? "", first);
  }
});

test("every fault of a pool is told, with its place and what to write instead", () => {
  const parsed = parseAddressPool([
    "10.0.0.1",
    "10.0.0.300",
    "10.0.0.9-10.0.0.5",
    "10.0.0.1-fd00::1",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.17/28",
    "10.0.0.0-10.0.0.2",
    "vip.example.com",
    "fe80::1%eth0",
    "10.0.0.01",
    "",
    "1.1.1.1-1.1.1.2-1.1.1.3",
  ]);
  assert.deepEqual(parsed.ok ? [] : parsed.error.map(({ index, message }) => `${index}: ${message}`), [
    '1: "10.0.0.300" is neither an address nor a range (10.0.0.240-10.0.0.250) nor a CIDR block (10.0.0.240/28)',
    '2: "10.0.0.9-10.0.0.5" ends before it begins',
    '3: "10.0.0.1-fd00::1" mixes IPv4 and IPv6',
    '4: "10.0.0.0/33" has no prefix length from 0 to 32',
    '5: "10.0.0.0/" has no prefix length from 0 to 32',
    '6: "10.0.0.17/28" has bits set beyond its prefix; its block is 10.0.0.16/28',
    '7: "10.0.0.0-10.0.0.2" overlaps "10.0.0.1"',
    '8: "vip.example.com" is neither an address nor a range (10.0.0.240-10.0.0.250) nor a CIDR block (10.0.0.240/28)',
    '9: "fe80::1%eth0" is neither an address nor a range (10.0.0.240-10.0.0.250) nor a CIDR block (10.0.0.240/28)',
    '10: "10.0.0.01" is neither an address nor a range (10.0.0.240-10.0.0.250) nor a CIDR block (10.0.0.240/28)',
    '11: "" is neither an address nor a range (10.0.0.240-10.0.0.250) nor a CIDR block (10.0.0.240/28)',
    '12: "1.1.1.1-1.1.1.2-1.1.1.3" is neither an address nor a range (10.0.0.240-10.0.0.250) nor a CIDR block (10.0.0.240/28)',
  ]);
});

test("an address is the same in every spelling", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["2001:0DB8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"],
    ["[::1]", "::1"],
    ["::", "::"],
    ["1::", "1::"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
    ["10.0.0.1", "10.0.0.1"],
    ["API.Example.Com", "api.example.com"],
  ];
  for (const [written, canonical] of rows) assert.equal(canonicalHost(written), canonical);
});

const addresses: fc.Arbitrary<IpAddress> = fc.oneof(
  fc.bigInt(0n, 2n ** 32n - 1n).map((value): IpAddress => ({ family: "IPv4", value })),
  fc.bigInt(0n, 2n ** 128n - 1n).map((value): IpAddress => ({ family: "IPv6", value })),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map(
    (bytes): IpAddress => ({
      family: "IPv6",
      value: bytes.reduce((value, byte) => (value << 8n) | BigInt(byte > 127 ? byte : 0), 0n),
    }),
  ),
);

test("what is written is read back", () => {
  fc.assert(fc.property(addresses, (address) => assert.deepEqual(parseIpAddress(formatIpAddress(address)), address)));
});

test("a block holds just the addresses with its prefix, less those that no machine may have", () => {
  fc.assert(
    fc.property(addresses, fc.nat(6), addresses, ({ family, value }, hostBits, other) => {
      const size = 1n << BigInt(hostBits);
      const start = (value / size) * size;
      const pool = unwrap(
        parseAddressPool([`${formatIpAddress({ family, value: start })}/${addressBits[family] - hostBits}`]),
      );
      const lost = hostBits <= 1 ? 0n : family === "IPv4" ? 2n : 1n;
      assert.equal(poolSize(pool), size - lost);
      const taken = new Set<string>();
      for (let address = nextFree(pool, taken); address !== undefined; address = nextFree(pool, taken)) {
        const parsed = parseIpAddress(address);
        assert.ok(parsed !== undefined && parsed.value / size === value / size && poolHolds(pool, parsed));
        taken.add(address);
      }
      assert.equal(BigInt(taken.size), poolSize(pool));
      if (other.family !== family || other.value / size !== value / size) assert.ok(!poolHolds(pool, other));
    }),
  );
});

test("an address that is given out is in the pool and not taken; none is given only when all are taken", () => {
  const ranges = fc.array(fc.tuple(fc.nat(40), fc.nat(8)), { minLength: 1, maxLength: 4 });
  const text = (value: number): string => formatIpAddress({ family: "IPv4", value: 0x0a000000n + BigInt(value) });
  fc.assert(
    fc.property(ranges, fc.uniqueArray(fc.nat(50)), (spans, takenValues) => {
      const parsed = parseAddressPool(spans.map(([from, length]) => `${text(from)}-${text(from + length)}`));
      const sorted = [...spans].sort(([a], [b]) => a - b);
      const overlap = sorted.some(([from], index) => {
        const before = sorted[index - 1];
        return before !== undefined && before[0] + before[1] >= from;
      });
      assert.equal(parsed.ok, !overlap);
      if (!parsed.ok) return;
      const taken = new Set(takenValues.map(text));
      const given = nextFree(parsed.value, taken);
      const all = spans.flatMap(([from, length]) =>
        Array.from({ length: length + 1 }, (_, index) => text(from + index)),
      );
      assert.equal(
        given,
        all.find((address) => !taken.has(address)),
      );
      for (const a of parsed.value) for (const b of parsed.value) assert.equal(rangesOverlap(a, b), a === b);
    }),
  );
});
