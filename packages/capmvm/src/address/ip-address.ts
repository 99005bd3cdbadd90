/**
 * IP addresses as numbers, so that ranges can be counted and compared.
 *
 * Texts: dotted IPv4 without leading zeros, IPv6 as in RFC 4291 without a zone; written as RFC 5952 wants it. An IPv4 address inside IPv6 (::ffff:10.0.0.1) is
 * read as IPv6.
 */
import { isIPv4, isIPv6 } from "node:net";

export type IpFamily = "IPv4" | "IPv6";

export interface IpAddress {
  readonly family: IpFamily;
  /** The 32 or 128 bits. */
  readonly value: bigint;
}

export const addressBits: Readonly<Record<IpFamily, number>> = { IPv4: 32, IPv6: 128 };

/** Undefined if the text is no address. */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) return { family: "IPv4", value: ipv4Value(text) };
  if (isIPv6(text) && !text.includes("%")) return { family: "IPv6", value: ipv6Value(text) };
  return undefined;
}

export function formatIpAddress({ family, value }: IpAddress): string {
  if (family === "IPv4") return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(112 - 16 * index)) & 0xffffn));
  const { start, length } = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** The same address in one spelling, or the text itself if it is no address (a DNS name), in lower case. Brackets around IPv6 are dropped. */
export function canonicalHost(text: string): string {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  const address = parseIpAddress(bare);
  return address === undefined ? bare.toLowerCase() : formatIpAddress(address);
}

function ipv4Value(text: string): bigint {
  return text.split(".").reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function ipv6Value(text: string): bigint {
  const [head = "", tail] = text.split("::");
  const before = ipv6Groups(head);
  const after = tail === undefined ? [] : ipv6Groups(tail);
  const zeros: bigint[] = new Array<bigint>(8 - before.length - after.length).fill(0n);
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | group, 0n);
}

function ipv6Groups(text: string): readonly bigint[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [BigInt(`0x${part}`)];
    const value = ipv4Value(part);
    return [value >> 16n, value & 0xffffn];
  });
}

function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
