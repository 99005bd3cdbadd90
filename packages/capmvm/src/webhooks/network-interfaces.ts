/** Network interfaces of a machine: names that the guest and its host take, addresses that are some, nothing twice. */
import { normaliseMac } from "@liquidmetal/api";
import type { IpAddress } from "../address/ip-address.ts";
import { addressBits, canonicalHost, parseIpAddress } from "../address/ip-address.ts";
import type { MicrovmMachineSpec, MicrovmNetworkInterface } from "../api/index.ts";
import type { Findings } from "./findings.ts";

export function checkInterfaces(findings: Findings, spec: MicrovmMachineSpec, path: string): void {
  const seen = { names: new Set<string>(), macs: new Set<string>(), addresses: new Set<string>() };
  for (const [index, one] of spec.networkInterfaces.entries()) {
    const at = `${path}[${index}]`;
    checkName(findings, one, at);
    checkType(findings, one, spec.provider, at);
    checkMac(findings, one, at);
    checkAddress(findings, one, at);
    refuseTwice(findings, seen.names, one.guestDeviceName, `${at}.guestDeviceName`);
    refuseTwice(findings, seen.macs, one.guestMac && normaliseMac(one.guestMac), `${at}.guestMac`);
    refuseTwice(findings, seen.addresses, one.address && canonicalHost(hostOf(one.address)), `${at}.address`);
  }
}

/** flintlock's own rule, and the length that Linux gives. */
function checkName(findings: Findings, { guestDeviceName }: MicrovmNetworkInterface, at: string): void {
  if (!/^[a-z][a-z0-9_]{0,14}$/.test(guestDeviceName)) {
    findings.refuse(
      `${at}.guestDeviceName`,
      "Invalid",
      `${JSON.stringify(guestDeviceName)} is no name for a guest's network device: give 1 to 15 lower-case letters, digits or _, as in eth1`,
    );
  }
  if (guestDeviceName === "eth0") {
    findings.warn(
      `${at}.guestDeviceName`,
      "eth0 takes the place of the interface that metadata comes through on some providers; eth1 is the first free name",
    );
  }
}

function checkType(findings: Findings, one: MicrovmNetworkInterface, provider: string | undefined, at: string): void {
  if (one.type === "macvtap" && provider === "firecracker") {
    findings.warn(`${at}.type`, "Firecracker as it is released has no macvtap; use tap, or another provider");
  }
  if (one.type === "macvtap" && one.bridge !== undefined) {
    findings.warn(`${at}.bridge`, "has no effect on macvtap, which is attached to the host's own interface");
  }
}

function checkMac(findings: Findings, { guestMac }: MicrovmNetworkInterface, at: string): void {
  if (guestMac === undefined) return;
  const mac = normaliseMac(guestMac);
  const first = Number.parseInt(mac.slice(0, 2), 16);
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) {
    findings.refuse(`${at}.guestMac`, "Invalid", `"${guestMac}" is no MAC address, as in 02:00:00:00:00:01`);
  } else if (mac === "00:00:00:00:00:00") {
    findings.refuse(`${at}.guestMac`, "Invalid", "must not be all zero; leave it out to get a random one");
  } else if ((first & 1) === 1) {
    findings.refuse(`${at}.guestMac`, "Invalid", `"${guestMac}" is a group address: the first byte must be even`);
  }
}

function checkAddress(findings: Findings, one: MicrovmNetworkInterface, at: string): void {
  const { address, gateway, nameservers = [] } = one;
  const own = address === undefined ? undefined : readCidr(address);
  if (address !== undefined && own === undefined) {
    findings.refuse(
      `${at}.address`,
      "Invalid",
      `"${address}" is no address with prefix length; write it as in 10.0.0.5/24 or fd00::5/64, or leave it out for DHCP`,
    );
  }
  if (address === undefined && (gateway !== undefined || nameservers.length > 0)) {
    findings.refuse(
      `${at}.address`,
      "Required",
      "gateway and nameservers need an address: without one the guest asks DHCP for all three",
    );
  }
  if (gateway !== undefined) {
    const parsed = parseIpAddress(gateway);
    if (parsed === undefined) findings.refuse(`${at}.gateway`, "Invalid", `"${gateway}" is no IP address`);
    else if (own !== undefined && own.family !== parsed.family) {
      findings.refuse(`${at}.gateway`, "Invalid", `"${gateway}" is ${parsed.family} and the address is ${own.family}`);
    }
  }
  for (const [index, server] of nameservers.entries()) {
    if (parseIpAddress(server) === undefined) {
      findings.refuse(`${at}.nameservers[${index}]`, "Invalid", `"${server}" is no IP address`);
    }
  }
}

function readCidr(text: string): IpAddress | undefined {
  const [, host = "", prefix = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = parseIpAddress(host);
  return address !== undefined && Number(prefix) <= addressBits[address.family] ? address : undefined;
}

function hostOf(cidr: string): string {
  return cidr.split("/", 1)[0] ?? cidr;
}

function refuseTwice(findings: Findings, seen: Set<string>, value: string | undefined, path: string): void {
  if (value === undefined || value === "") return;
  if (seen.has(value)) findings.refuse(path, "Duplicate", `"${value}" is there twice; each interface needs its own`);
  seen.add(value);
}
