/** Network configuration, held against golden files; `LM_UPDATE_GOLDEN=1` writes them anew. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { MadeInterface } from "@liquidmetal/microvm";
import { parse } from "yaml";
import { networkConfig } from "./network-config.ts";
import { made } from "./testing/seed-request.ts";

const still = { dhcp: false, nameservers: ["192.0.2.53", "2001:db8::53"] };
const cases: Readonly<Record<string, readonly MadeInterface[]>> = {
  dhcp: [made()],
  "static-ipv4": [made({ ...still, addresses: ["192.168.100.7/24"], gateway: "192.168.100.1" })],
  "static-ipv6": [made({ ...still, addresses: ["2001:db8::7/64"], gateway: "2001:db8::1" })],
  "static-without-gateway": [made({ dhcp: false, addresses: ["10.0.0.7/8"] })],
  "embedded-and-storage": [
    made({ deviceId: "eth0", addresses: ["172.30.7.44/24"], gateway: "172.30.7.1", nameservers: ["172.30.7.1"] }),
    made({ deviceId: "eth1", guestMac: "aa:ff:00:00:00:02", dhcp: false, addresses: ["169.254.0.1/16"] }),
  ],
  none: [],
};

for (const [name, interfaces] of Object.entries(cases)) {
  test(`network configuration: ${name}`, () => {
    const path = new URL(`./golden/network-config-${name}.yaml`, import.meta.url);
    const text = networkConfig(interfaces);
    if (process.env["LM_UPDATE_GOLDEN"] === "1") writeFileSync(path, text);
    assert.equal(text, readFileSync(path, "utf8"));
  });
}

test("a hardware address of digits stays a text for readers of YAML 1.1, as cloud-init is one", () => {
  const parsed = parse(networkConfig([made()]), { version: "1.1" }) as {
    readonly ethernets: Readonly<Record<string, { readonly match: { readonly macaddress: unknown } }>>;
  };
  assert.equal(parsed.ethernets["eth1"]?.match.macaddress, "52:54:00:12:34:56");
});
