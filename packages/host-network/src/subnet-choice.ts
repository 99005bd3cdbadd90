/**
 * Which subnet the embedded network gets: never one that this host uses.
 *
 * Candidates are the /24 networks of 172.30.0.0/16, then 172.29, 172.28 and 10.231 to 10.239: private ranges (RFC 1918) that container
 * engines and home routers seldom take. The start depends on the platform's name, so that two platforms rarely ask for the same.
 */
import { createHash } from "node:crypto";
import { PlatformError } from "@liquidmetal/foundation";
import { type Subnet, subnetsOverlap, subnetText } from "./ip-address.ts";

const ranges: readonly (readonly [first: number, second: number])[] = [
  [172, 30],
  [172, 29],
  [172, 28],
  ...Array.from({ length: 9 }, (_, index) => [10, 231 + index] as const),
];

/** A free /24. Networks wider than /8 (default routes, aggregates such as 0.0.0.0/1) say nothing about use. ADDRESS_EXHAUSTED. */
export function chooseSubnet(platform: string, used: readonly Subnet[]): Subnet {
  const relevant = used.filter((subnet) => subnet.prefixLength >= 8);
  const start = createHash("sha256").update(platform).digest().readUInt8(0);
  for (const [first, second] of ranges) {
    for (let step = 0; step < 256; step++) {
      const candidate = {
        base: ((first << 24) | (second << 16) | (((start + step) % 256) << 8)) >>> 0,
        prefixLength: 24,
      };
      if (!relevant.some((subnet) => subnetsOverlap(subnet, candidate))) return candidate;
    }
  }
  throw new PlatformError("ADDRESS_EXHAUSTED", "every candidate subnet is in use on this host", {
    remedy: "name a subnet for the embedded network in the configuration",
  });
}

/** A free /30 beside `taken` for the link between a network namespace and the host, out of 100.64.0.0/10 (RFC 6598). */
export function chooseLinkSubnet(platform: string, used: readonly Subnet[]): Subnet {
  const relevant = used.filter((subnet) => subnet.prefixLength >= 8);
  const start = createHash("sha256").update(`link\0${platform}`).digest().readUInt32BE(0);
  for (let step = 0; step < 4096; step++) {
    const base = (0x64400000 + (((start + step) % 0x100000) << 2)) >>> 0;
    const candidate = { base, prefixLength: 30 };
    if (!relevant.some((subnet) => subnetsOverlap(subnet, candidate))) return candidate;
  }
  throw new PlatformError(
    "ADDRESS_EXHAUSTED",
    `no free link network found near ${subnetText({ base: 0x64400000, prefixLength: 10 })}`,
  );
}
