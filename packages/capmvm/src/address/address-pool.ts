/**
 * The grammar of a pool of addresses, and what is free in it.
 *
 * An entry is one address ("10.0.0.240"), a range with both ends ("10.0.0.240-10.0.0.250"), or a CIDR block ("10.0.0.240/28"). Of a block the addresses that
 * no machine may have are left out: network and broadcast of IPv4 (not of /31 and /32), the subnet-router anycast address of IPv6 (not of /127 and /128).
 * Who wants them nevertheless writes a range. Addresses are given out in the order in which they are written.
 */
import { err, ok, type Result } from "@liquidmetal/foundation";
import { addressBits, formatIpAddress, type IpAddress, type IpFamily, parseIpAddress } from "./ip-address.ts";

export interface AddressRange {
  /** As the user wrote it. */
  readonly entry: string;
  readonly family: IpFamily;
  readonly first: bigint;
  /** Included; never before `first`. */
  readonly last: bigint;
}

/** In the order written. */
export type AddressPool = readonly AddressRange[];

export interface AddressPoolFault {
  /** Index of the entry. */
  readonly index: number;
  readonly message: string;
}

/** Every fault of every entry, not only the first; entries of one pool must not overlap. */
export function parseAddressPool(entries: readonly string[]): Result<AddressPool, readonly AddressPoolFault[]> {
  const pool: AddressRange[] = [];
  const faults: AddressPoolFault[] = [];
  for (const [index, entry] of entries.entries()) {
    const range = parseEntry(entry);
    if (typeof range === "string") {
      faults.push({ index, message: `"${entry}" ${range}` });
      continue;
    }
    const other = pool.find((earlier) => rangesOverlap(earlier, range));
    if (other !== undefined) faults.push({ index, message: `"${entry}" overlaps "${other.entry}"` });
    pool.push(range);
  }
  return faults.length === 0 ? ok(pool) : err(faults);
}

export function rangesOverlap(a: AddressRange, b: AddressRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** How many addresses there are in the pool. */
export function poolSize(pool: AddressPool): bigint {
  return pool.reduce((sum, { first, last }) => sum + last - first + 1n, 0n);
}

export function poolHolds(pool: AddressPool, address: IpAddress): boolean {
  return pool.some(
    ({ family, first, last }) => family === address.family && first <= address.value && address.value <= last,
  );
}

/**
 * The first address of the pool, in its canonical spelling, that `taken` (by canonical spelling) does not have. Undefined = all are taken.
 * Takes at most as many steps as there are taken addresses, however large the pool is.
 */
export function nextFree(pool: AddressPool, taken: { has(address: string): boolean }): string | undefined {
  for (const { family, first, last } of pool) {
    for (let value = first; value <= last; value++) {
      const text = formatIpAddress({ family, value });
      if (!taken.has(text)) return text;
    }
  }
  return undefined;
}

/** The range, or what is wrong with the entry. */
function parseEntry(entry: string): AddressRange | string {
  if (entry.includes("/")) return parseBlock(entry);
  const [firstText = "", lastText = firstText, ...rest] = entry.split("-").map((part) => part.trim());
  const first = parseIpAddress(firstText);
  const last = parseIpAddress(lastText);
  if (first === undefined || last === undefined || rest.length > 0) {
    return "is neither an address nor a range (10.0.0.240-10.0.0.250) nor a CIDR block (10.0.0.240/28)";
  }
  if (first.family !== last.family) return "mixes IPv4 and IPv6";
  if (first.value > last.value) return "ends before it begins";
  return { entry, family: first.family, first: first.value, last: last.value };
}

function parseBlock(entry: string): AddressRange | string {
  const [addressText = "", prefixText = "", ...rest] = entry.split("/");
  const address = parseIpAddress(addressText.trim());
  if (address === undefined || rest.length > 0) return "is not a CIDR block, as in 10.0.0.240/28";
  const { family } = address;
  const bits = addressBits[family];
  const prefix = /^\d{1,3}$/.test(prefixText.trim()) ? Number(prefixText) : Number.NaN;
  if (!(prefix >= 0 && prefix <= bits)) return `has no prefix length from 0 to ${bits}`;
  const size = 1n << BigInt(bits - prefix);
  const start = (address.value / size) * size;
  const end = start + size - 1n;
  if (start !== address.value) {
    return `has bits set beyond its prefix; its block is ${formatIpAddress({ family, value: start })}/${prefix}`;
  }
  const usableEnds = bits - prefix <= 1;
  if (usableEnds) return { entry, family, first: start, last: end };
  return { entry, family, first: start + 1n, last: family === "IPv4" ? end - 1n : end };
}
