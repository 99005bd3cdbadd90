/** Rules for addresses: hardware addresses, IPv4 and IPv6 in text, CIDR. Pure parsing, nothing is looked up. */
import type { InterfaceDraft } from "./defaults.ts";
import { checkDeviceId, checkHostDevice } from "./validation-names.ts";
import { shown, type Violations } from "./validation-violations.ts";

const nameserversMax = 8;
const macShape = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/;

/** 4 or 6 for an address in text form (no zone, no mask), undefined for anything else. */
export function ipVersion(text: string): 4 | 6 | undefined {
  if (isIpv4(text)) return 4;
  return isIpv6(text) ? 6 : undefined;
}

/** True for `address/prefix` of either family. */
export function isCidr(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash < 0) return false;
  const version = ipVersion(text.slice(0, slash));
  const prefix = text.slice(slash + 1);
  if (version === undefined || !/^(?:0|[1-9][0-9]{0,2})$/.test(prefix)) return false;
  return Number(prefix) <= (version === 4 ? 32 : 128);
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255);
}

function isIpv6(text: string): boolean {
  if (text.length > 45 || !/^[0-9A-Fa-f:.]+$/.test(text)) return false;
  const halves = text.split("::");
  if (halves.length > 2) return false;
  let groups = 0;
  for (const [index, half] of halves.entries()) {
    if (half === "") continue;
    const parts = half.split(":");
    const last = parts.at(-1) ?? "";
    if (last.includes(".")) {
      if (index !== halves.length - 1 || !isIpv4(last)) return false;
      parts.pop();
      groups += 2;
    }
    if (!parts.every((part) => /^[0-9A-Fa-f]{1,4}$/.test(part))) return false;
    groups += parts.length;
  }
  return halves.length === 2 ? groups <= 7 : groups === 8;
}

/** A guest's own hardware address: six bytes, not a group address, not all zero. */
function macProblem(mac: string): string | undefined {
  if (!macShape.test(mac))
    return `must be a hardware address of six bytes, for example 02:00:00:00:00:01: ${shown(mac)}`;
  if (Number.parseInt(mac.slice(0, 2), 16) % 2 === 1) {
    return `must not be a group address (the lowest bit of its first byte is set): ${shown(mac)}`;
  }
  return mac === "00:00:00:00:00:00" ? "must not be all zero" : undefined;
}

export function checkInterfaces(violations: Violations, interfaces: readonly InterfaceDraft[]): void {
  violations.require(interfaces.length <= 16, "interfaces", `at most 16 interfaces, got ${interfaces.length}`);
  const deviceIds = new Set<string>();
  const macs = new Set<string>();
  for (const [index, nic] of interfaces.slice(0, 64).entries()) {
    const at = `interfaces[${index}]`;
    const deviceId = nic.deviceId ?? "";
    checkDeviceId(violations, `${at}.device_id`, deviceId);
    violations.require(!deviceIds.has(deviceId), `${at}.device_id`, `is used twice: ${shown(deviceId)}`);
    deviceIds.add(deviceId);
    violations.require(nic.type === "tap" || nic.type === "macvtap", `${at}.type`, "must be MACVTAP (0) or TAP (1)");
    if (nic.guestMac) {
      const problem = macProblem(nic.guestMac);
      if (problem !== undefined) violations.add(`${at}.guest_mac`, problem);
      violations.require(!macs.has(nic.guestMac), `${at}.guest_mac`, `is used twice: ${shown(nic.guestMac)}`);
      macs.add(nic.guestMac);
    }
    if (nic.bridgeName) checkHostDevice(violations, `${at}.overrides.bridge_name`, nic.bridgeName);
    checkAddress(violations, `${at}.address`, nic);
  }
}

function checkAddress(violations: Violations, at: string, nic: InterfaceDraft): void {
  const { address } = nic;
  if (address === undefined) return;
  const own = address.address ?? "";
  violations.require(isCidr(own), `${at}.address`, `must be an address with its mask (CIDR): ${shown(own)}`);
  if (address.gateway) {
    violations.require(
      isCidr(address.gateway),
      `${at}.gateway`,
      `must be an address with a mask (CIDR): ${shown(address.gateway)}`,
    );
  }
  const nameservers = address.nameservers ?? [];
  violations.require(nameservers.length <= nameserversMax, `${at}.nameservers`, `at most ${nameserversMax}`);
  for (const [index, server] of nameservers.slice(0, nameserversMax).entries()) {
    violations.require(
      ipVersion(server) !== undefined,
      `${at}.nameservers[${index}]`,
      `must be an IP address: ${shown(server)}`,
    );
  }
}
