/** What makes two accesses the same: endpoint, token, TLS material and proxy. A digest, so that no secret is kept as a key. */
import { createHash } from "node:crypto";
import type { HostAccess } from "./host.ts";

/** An access is never changed, and is asked with a thousand times. */
const known = new WeakMap<HostAccess, string>();

export function accessFingerprint(access: HostAccess): string {
  const before = known.get(access);
  if (before !== undefined) return before;
  const fingerprint = digestOf(access);
  known.set(access, fingerprint);
  return fingerprint;
}

function digestOf({ endpoint, token, tls, proxy }: HostAccess): string {
  const hash = createHash("sha256");
  for (const part of [endpoint, token, tls?.ca, tls?.cert, tls?.key, tls?.serverName, proxy]) {
    const bytes = part === undefined ? undefined : Buffer.from(part);
    // Lengths keep neighbours apart, and tell absent from empty.
    hash.update(`${bytes?.length ?? "-"}:`);
    if (bytes !== undefined) hash.update(bytes);
  }
  return hash.digest("base64url");
}
