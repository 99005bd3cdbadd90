import assert from "node:assert/strict";
import { test } from "node:test";
import { strayElements } from "./anti-spoofing.ts";
import { GroupNumbers, isolationRules, joining, leaving } from "./isolation.ts";

test("the sets are emptied and the rules written in one go; the way by the bridge is closed where there is one", () => {
  const rules = isolationRules("demo-1", { subnet: "172.30.7.0/24", gateway: "172.30.7.1" });
  assert.match(rules, /^flush map bridge lm_demo_1 groups$/m);
  assert.match(rules, /^add rule bridge lm_demo_1 forward iifname @taps oifname @taps jump meeting$/m);
  assert.match(
    rules,
    /^add rule .* local iifname @taps ether type ip ip daddr 172\.30\.7\.0\/24 ip daddr != 172\.30\.7\.1 drop$/m,
  );
  assert.doesNotMatch(isolationRules("demo-1"), /add rule .* local/);
});

test("a tap joins and leaves in a way that can be repeated", () => {
  assert.equal(
    joining("p", "lmtap1", 7),
    'add element bridge lm_p groups { "lmtap1" : 7 }\nadd element bridge lm_p peers { 7 . "lmtap1" }\n',
  );
  assert.ok(leaving("p", "lmtap1", 7).startsWith(joining("p", "lmtap1", 7)));
  assert.match(
    leaving("p", "lmtap1", 7),
    /delete element bridge lm_p groups \{ "lmtap1" : 7 \}\ndelete element bridge lm_p peers/,
  );
});

test("a group keeps its number, after a restart too, and two whose numbers meet are told apart", () => {
  const numbers = new GroupNumbers();
  const [demo, none] = [numbers.of("ns/demo"), numbers.of("")];
  assert.notEqual(demo, none);
  assert.deepEqual([numbers.of("ns/demo"), new GroupNumbers().of("ns/demo")], [demo, demo]);
  // Found by trying: their digests begin with the same 32 bits.
  const [one, other] = ["ns/2yj", "ns/1j7z"];
  assert.equal(new GroupNumbers().of(one), new GroupNumbers().of(other));
  const first = numbers.of(one);
  assert.equal(numbers.of(other), first + 1);
  assert.deepEqual([numbers.of(one), numbers.of(other)], [first, first + 1]);
  numbers.keep(new Set([first + 1]));
  assert.equal(numbers.of(other), first, "what is forgotten is free");
});

test("what the table knows of a stray is found in sets, concatenations and maps, at whatever place", () => {
  const listing = JSON.stringify({
    nftables: [
      { metainfo: {} },
      { set: { name: "taps", elem: ["lmtap1", "lmtap2"] } },
      { set: { name: "macs", elem: [{ concat: ["lmtap1", "02:00:00:00:00:01"] }] } },
      {
        map: {
          name: "groups",
          elem: [
            ["lmtap1", 7],
            ["lmtap2", 7],
          ],
        },
      },
      { set: { name: "peers", elem: [{ concat: [7, "lmtap1"] }, { concat: [7, "lmtap2"] }] } },
    ],
  });
  const deletions = strayElements("p", "lmtap1", listing)
    .split("\n")
    .filter((line) => line.startsWith("delete"));
  assert.deepEqual(
    deletions.map((line) => line.replace("delete element bridge lm_p ", "")),
    ['taps { "lmtap1" }', 'macs { "lmtap1" . 02:00:00:00:00:01 }', 'groups { "lmtap1" : 7 }', 'peers { 7 . "lmtap1" }'],
  );
  assert.equal(strayElements("p", "lmtap3", listing), "");
});
