/**
 * cloud-init network configuration, version 2, in upstream's form: one entry an interface, matched by hardware address, DHCP or static.
 *
 * `gateway4`/`gateway6` are deprecated in netplan and understood by every cloud-init that knows version 2 (22.4 in Debian 12 turns them into routes), where
 * `to: default` needs a newer one; so upstream's form stays. Texts are quoted: YAML 1.1, which cloud-init reads, takes `52:54:00:12:34:56` for a number.
 */
import type { MadeInterface } from "@liquidmetal/microvm";
import { stringify } from "yaml";

export function networkConfig(interfaces: readonly MadeInterface[]): string {
  const ethernets = Object.fromEntries(interfaces.map((made) => [made.deviceId, ethernet(made)]));
  return stringify(
    { version: 2, ethernets },
    { defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "PLAIN", lineWidth: 0 },
  );
}

function ethernet(made: MadeInterface): Readonly<Record<string, unknown>> {
  const { gateway, nameservers } = made;
  const match = { macaddress: made.guestMac };
  if (made.dhcp || made.addresses.length === 0) return { match, dhcp4: true, dhcp6: true, "dhcp-identifier": "mac" };
  return {
    match,
    addresses: made.addresses,
    ...(gateway === undefined ? {} : { [gateway.includes(".") ? "gateway4" : "gateway6"]: gateway.split("/", 1)[0] }),
    dhcp4: false,
    dhcp6: false,
    ...(nameservers.length === 0 ? {} : { nameservers: { addresses: nameservers } }),
    "dhcp-identifier": "mac",
  };
}
