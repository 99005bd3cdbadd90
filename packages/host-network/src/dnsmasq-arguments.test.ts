import assert from "node:assert/strict";
import { test } from "node:test";
import { dnsmasqCommand, dnsmasqTokenPrefix } from "./dnsmasq-arguments.ts";
import { checkConfiguration, embeddedLayout, floatingRange } from "./embedded-configuration.ts";

const layout = (egress: "allow" | "deny"): ReturnType<typeof embeddedLayout> =>
  embeddedLayout({
    platform: "main",
    configuration: { stateDirectory: "/var/lib/x", egress },
    subnet: { base: 0xac1e0700, prefixLength: 24 },
  });

test("without egress there is no resolver outside, and the token names the configuration", () => {
  const denied = dnsmasqCommand(layout("deny"), "dnsmasq", "/etc/resolv.conf");
  assert.ok(denied.args.includes("--no-resolv"));
  assert.ok(denied.args.includes("--dhcp-range=172.30.7.0,static,255.255.255.0,12h"));
  assert.ok(denied.args.some((argument) => argument.includes(denied.token)));
  assert.match(denied.token, /^[A-Za-z0-9][A-Za-z0-9_.-]{3,127}$/);
  const allowed = dnsmasqCommand(layout("allow"), "dnsmasq", "/etc/resolv.conf");
  assert.ok(allowed.args.includes("--resolv-file=/etc/resolv.conf"));
  assert.notEqual(denied.token, allowed.token);
  assert.ok(
    denied.token.startsWith(dnsmasqTokenPrefix("main")) && allowed.token.startsWith(dnsmasqTokenPrefix("main")),
  );
});

test("addresses that move between guests are the last ones of the subnet, at most half of it", () => {
  const subnet = { base: 0xac1e0700, prefixLength: 24 };
  const range = (floatingAddresses: number): string | undefined =>
    floatingRange(
      embeddedLayout({ platform: "main", configuration: { stateDirectory: "/x", floatingAddresses }, subnet }),
    );
  assert.equal(range(0), undefined);
  assert.equal(range(16), "172.30.7.239-172.30.7.254");
  assert.equal(range(1_000), "172.30.7.127-172.30.7.254");
});

test("configurations that break a rule are refused by key", () => {
  const bad = [
    { subnet: "10.0.0.0/8" },
    { subnet: "10.0.0.0/30" },
    { subnet: "x" },
    { bridgeName: "a b" },
    { bridgeName: "x".repeat(16) },
    { domain: "-x" },
    { domain: "a b" },
  ];
  for (const keys of bad)
    assert.throws(() => checkConfiguration({ stateDirectory: "/x", ...keys }), { code: "CONFIG_INVALID" });
  checkConfiguration({ stateDirectory: "/x", subnet: "10.9.0.0/16", bridgeName: "br-lm.0", domain: "vm.example" });
});
