/** Internet addresses as numbers and text: just what pools, filters and subnets need. */
import { isIPv4, isIPv6 } from "node:net";

/** An IPv4 network: `base` is its first address as an unsigned 32-bit number. */
export interface Subnet {
  readonly base: number;
  readonly prefixLength: number;
}

/** Number of an IPv4 address in dotted form; undefined when it is not one. */
export function ipv4Number(text: string): number | undefined {
  if (!isIPv4(text)) return undefined;
  return text.split(".").reduce((number, part) => number * 256 + Number(part), 0);
}

export function ipv4Text(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join(".");
}

/** Network of `172.30.4.7/24`; a bare address is a /32; `default` is everything. Undefined when it is not IPv4. */
export function parseSubnet(text: string): Subnet | undefined {
  if (text === "default") return { base: 0, prefixLength: 0 };
  const [address = "", length = "32", ...rest] = text.split("/");
  const number = ipv4Number(address);
  if (number === undefined || rest.length > 0 || !/^\d{1,2}$/.test(length) || Number(length) > 32) return undefined;
  const prefixLength = Number(length);
  return { base: (number & mask(prefixLength)) >>> 0, prefixLength };
}

export function subnetText(subnet: Subnet): string {
  return `${ipv4Text(subnet.base)}/${subnet.prefixLength}`;
}

export function subnetSize(subnet: Subnet): number {
  return 2 ** (32 - subnet.prefixLength);
}

export function subnetContains(subnet: Subnet, address: number): boolean {
  return (address & mask(subnet.prefixLength)) >>> 0 === subnet.base;
}

export function subnetsOverlap(a: Subnet, b: Subnet): boolean {
  return a.prefixLength <= b.prefixLength ? subnetContains(a, b.base) : subnetContains(b, a.base);
}

/** The address without its mask. */
export function withoutMask(cidr: string): string {
  return cidr.split("/", 1)[0] ?? cidr;
}

export function familyOf(cidr: string): 4 | 6 | undefined {
  const address = withoutMask(cidr);
  return isIPv4(address) ? 4 : isIPv6(address) ? 6 : undefined;
}

/** Link-local IPv6 address that a host derives from its hardware address (RFC 4291, appendix A). */
export function linkLocalOf(mac: string): string {
  const bytes = mac.split(":").map((part) => Number.parseInt(part, 16));
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = bytes;
  const groups = [((a ^ 0x02) << 8) | b, (c << 8) | 0xff, 0xfe00 | d, (e << 8) | f];
  return `fe80::${groups.map((group) => group.toString(16)).join(":")}`;
}

function mask(prefixLength: number): number {
  return prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
}
