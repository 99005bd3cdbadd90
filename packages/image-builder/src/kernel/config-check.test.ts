import assert from "node:assert/strict";
import { test } from "node:test";
import { configError, configProblems } from "./config-check.ts";
import { demandsText, mergeDemands, parseConfiguration, parseFragment } from "./config-fragment.ts";
import { type KconfigEntry, parseKconfig, unmetDependencies } from "./kconfig.ts";

const kconfig = (text: string): ReadonlyMap<string, readonly KconfigEntry[]> =>
  new Map(parseKconfig("Kconfig", text).map(([option, entry]) => [option, [entry]]));

const source = kconfig(`
menu "Networking"
	depends on NET

config WIREGUARD
	tristate "WireGuard"
	depends on INET && (IPV6 || !IPV6)
	depends on 64BIT \\
		&& CRYPTO
	help
	  Depends on nothing, says the help:
	  depends on MOON
	  config NOTHING

if BLOCK

config VIRTIO_BLK
	bool "Virtio block"
	depends on VIRTIO

endif # BLOCK
endmenu
config LAST
	bool
`);

test("a fragment says what is wanted; the last one counts; comments and empty lines do not", () => {
  const base = parseFragment(
    "base",
    '# a comment\n\nCONFIG_NET=y\n# CONFIG_USB is not set\nCONFIG_NR_CPUS=64\nCONFIG_LSM="a,b"\n',
  );
  const own = parseFragment("own", "CONFIG_NR_CPUS=128\n");
  const merged = mergeDemands([base, own]);
  assert.deepEqual(
    merged.map(({ option, value, origin }) => `${option} ${value} ${origin}`),
    ['LSM "a,b" base:6', "NET y base:3", "NR_CPUS 128 own:1", "USB n base:4"],
  );
  assert.equal(demandsText(merged), 'CONFIG_LSM="a,b"\nCONFIG_NET=y\nCONFIG_NR_CPUS=128\n# CONFIG_USB is not set\n');
});

test("a line that is none, and one that asks for a module, are refused with file and line", () => {
  for (const [line, message] of [
    ["CONFIG_NET=yes", /^net\.config:2: "CONFIG_NET=yes" is no line/],
    ["NET=y", /^net\.config:2: "NET=y" is no line/],
    ['CONFIG_LSM="a', /no line/],
    ["CONFIG_NET=m", /^net\.config:2: CONFIG_NET=m asks for a module/],
  ] as const) {
    assert.throws(() => parseFragment("net.config", `\n${line}\n`), { code: "RECIPE_INVALID", message });
  }
});

test("what did not survive is named with what was wanted, what came and what it needs", async () => {
  const demands = parseFragment(
    "net.config",
    "CONFIG_NET=y\nCONFIG_WIREGUARD=y\nCONFIG_NR_CPUS=64\nCONFIG_GONE=y\n# CONFIG_USB is not set\n",
  );
  const got = parseConfiguration(
    "CONFIG_NET=y\nCONFIG_INET=y\nCONFIG_64BIT=y\nCONFIG_NR_CPUS=8\nCONFIG_USB=y\n# CONFIG_CRYPTO is not set\n",
  );
  const problems = await configProblems(demands, got, async () => source);
  const { message } = configError(problems);
  assert.match(message, /CONFIG_WIREGUARD: wanted y \(net\.config:2\), got n, which needs CRYPTO(;|$)/);
  assert.match(message, /CONFIG_NR_CPUS: wanted 64 \(net\.config:3\), got 8/);
  assert.match(
    message,
    /CONFIG_GONE: wanted y \(net\.config:4\), got n, which needs an option of that name: this kernel has none/,
  );
  assert.match(message, /CONFIG_USB: wanted n \(net\.config:5\), got y/);
  assert.equal(problems.length, 4);
});

test("a module that nobody asked for is a problem too", async () => {
  const problems = await configProblems([], parseConfiguration("CONFIG_NET=y\nCONFIG_VETH=m\n"), async () => source);
  assert.match(configError(problems).message, /CONFIG_VETH: wanted y or n, got m/);
});

test("a kernel that is as demanded has no problems, and nobody reads Kconfig", async () => {
  const never = (): Promise<never> => assert.fail("read");
  assert.deepEqual(
    await configProblems(parseFragment("f", "CONFIG_NET=y\n"), parseConfiguration("CONFIG_NET=y\n"), never),
    [],
  );
});

test("conditions come from the declaration, from menus and from ifs around it, and not from help texts", () => {
  assert.deepEqual(source.get("WIREGUARD")?.[0]?.conditions, ["NET", "INET && (IPV6 || !IPV6)", "64BIT && CRYPTO"]);
  assert.deepEqual(source.get("VIRTIO_BLK")?.[0]?.conditions, ["NET", "BLOCK", "VIRTIO"]);
  assert.deepEqual(source.get("LAST")?.[0]?.conditions, []);
  assert.equal(source.has("NOTHING"), false);
});

test("expressions: and, or, not, comparisons, parentheses; shell commands are taken as true", () => {
  const set = parseConfiguration('CONFIG_A=y\nCONFIG_M=m\nCONFIG_HZ=250\nCONFIG_T="x"\n');
  const unmet = (conditions: string): readonly string[] =>
    unmetDependencies([{ file: "", conditions: [conditions] }], set);
  assert.deepEqual(unmet("A && B && !A && (B || M)"), ["B", "!A"]);
  assert.deepEqual(unmet("B || C"), ["B || C"]);
  assert.deepEqual(unmet('A=y && B=n && M!=y && HZ >= 100 && T="x" && $(cc-option,-mfoo)'), []);
  assert.deepEqual(unmet("(A && B) || (!A && C)"), ["(A && B) || (!A && C)"]);
});

test("of several declarations the one that lacks least is blamed", () => {
  const entries = [
    { file: "a", conditions: ["B", "C"] },
    { file: "b", conditions: ["D"] },
  ];
  assert.deepEqual(unmetDependencies(entries, new Map()), ["D"]);
});
