/**
 * Identifiers: uids (ULIDs, as upstream has them) and the tokens that VMM processes carry in their command line.
 *
 * A token is `lmvm.<first 8 of the host id>.<uid>.<boots>`: unique per start, and enough to tell whose a stray process is.
 */
import type { Clock, Entropy } from "@liquidmetal/foundation";
import { monotonicFactory } from "ulid";

/** Makes uids that are unique and, within one agent, ever growing. */
export function uidSource(clock: Clock, entropy: Entropy): () => string {
  const next = monotonicFactory(() => (entropy.bytes(1)[0] ?? 0) / 256);
  return () => next(clock.nowMs());
}

/** Whether `text` can be a uid of ours (26 characters of Crockford's alphabet); the orphan sweep touches nothing that cannot. */
export function isUid(text: string): boolean {
  return /^[0-9A-HJKMNP-TV-Z]{26}$/.test(text);
}

export function tokenPrefix(hostId: string): string {
  return `lmvm.${hostId.slice(0, 8)}.`;
}

export function vmmToken(hostId: string, uid: string, boots: number): string {
  return `${tokenPrefix(hostId)}${uid}.${boots}`;
}

/** The uid in a token; undefined when it is not one of ours. */
export function uidOfToken(token: string): string | undefined {
  const [head, , uid] = token.split(".");
  return head === "lmvm" && uid !== undefined && isUid(uid) ? uid : undefined;
}
