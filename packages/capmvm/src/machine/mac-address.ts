/**
 * The MAC of an interface that names none: made of whose interface it is, so that the same request asked twice is the same request to its host.
 *
 * Locally administered (bit 0x02 of the first octet set) and unicast (bit 0x01 clear).
 */
import { createHash } from "node:crypto";

export function macAddressOf(identity: string, device: string): string {
  const digest = createHash("sha256").update(`${identity}\0${device}`).digest();
  const octets = [...digest.subarray(0, 6)];
  octets[0] = ((octets[0] ?? 0) & 0xfc) | 0x02;
  return octets.map((octet) => octet.toString(16).padStart(2, "0")).join(":");
}
