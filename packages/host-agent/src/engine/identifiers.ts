/**
 * Identifiers: uids (ULIDs, as upstream has them) and the tokens that VMM processes carry in their command line.
 *
 * A token is `lmvm.<first 8 of the host id>.<uid>.<boots>`: unique per start, and enough to tell whose a stray process is. Dots, because
 * QEMU's `-name` and file names take them as they are.
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

/** How the token of every process of this host begins. */
export function tokenPrefix(hostId: string): string {
  return `lmvm.${hostId.slice(0, 8)}.`;
}

/** How the tokens of one microVM's processes begin. */
export function tokenPrefixOf(hostId: string, uid: string): string {
  return `${tokenPrefix(hostId)}${uid}.`;
}

export function vmmToken(hostId: string, uid: string, boots: number): string {
  return `${tokenPrefixOf(hostId, uid)}${boots}`;
}

/** Token of the server of a shared folder. */
export function folderToken(hostId: string, uid: string, volumeId: string): string {
  return `${tokenPrefixOf(hostId, uid)}fs-${volumeId}`;
}

/** The uid in a token; undefined when it is not one of ours. */
export function uidOfToken(token: string): string | undefined {
  const [head, , uid] = token.split(".");
  return head === "lmvm" && uid !== undefined && isUid(uid) ? uid : undefined;
}
