/**
 * By what a device on the host is known to be ours.
 *
 * Names are derived, never counted, so the same microVM finds its device again after any crash. Linux allows 15 bytes (IFNAMSIZ - 1): five
 * letters and 40 bits of a hash. The name alone proves nothing; the alias does, and it is set in the same netlink message that gives the name.
 */
import { createHash } from "node:crypto";
import { PlatformError } from "@liquidmetal/foundation";
import type { InterfaceType, OwnedDevice } from "@liquidmetal/microvm";

/** IFALIASZ - 1: the kernel refuses a longer alias. */
const aliasBytesMax = 255;
const platformPattern = /^[a-z][a-z0-9-]{0,31}$/;

/** Throws CONFIG_INVALID unless `platform` is 1 to 32 lower-case letters, digits and hyphens, beginning with a letter. */
export function checkPlatform(platform: string): string {
  if (!platformPattern.test(platform)) {
    throw new PlatformError(
      "CONFIG_INVALID",
      `platform name ${JSON.stringify(platform)}: 1 to 32 lower-case letters, digits and hyphens are wanted, a letter first`,
    );
  }
  return platform;
}

/** Ten hex digits that stand for these words. */
export function shortHash(...words: readonly string[]): string {
  return createHash("sha256").update(words.join("\0")).digest("hex").slice(0, 10);
}

/** Name of the host device of one interface: `lmtap…` or `lmmvt…`. */
export function hostDeviceName(platform: string, uid: string, deviceId: string, type: InterfaceType): string {
  return `${type === "tap" ? "lmtap" : "lmmvt"}${shortHash(platform, uid, deviceId)}`;
}

/** Name that a device bears for the instant between its making and its naming. Nothing else on a host is ever called so. */
export function unfinishedName(hostDevice: string): string {
  return `lmnew${hostDevice.slice(5)}`;
}

/** `liquidmetal:<platform>:<uid>/<deviceId>`; whatever is not a plain letter, digit, dot, hyphen or underscore is percent-encoded. */
export function aliasOf(platform: string, uid: string, deviceId: string): string {
  const alias = `liquidmetal:${platform}:${encode(uid)}/${encode(deviceId)}`;
  if (alias.length > aliasBytesMax) {
    throw new PlatformError(
      "SPEC_INVALID",
      `interface ${JSON.stringify(deviceId.slice(0, 32))}…: its device id is too long`,
    );
  }
  return alias;
}

/** Whose device this alias names, if it is one of this platform's. */
export function ownerOfAlias(
  platform: string,
  alias: string,
): { readonly uid: string; readonly deviceId: string } | undefined {
  const prefix = `liquidmetal:${platform}:`;
  if (!alias.startsWith(prefix)) return undefined;
  const [uid, deviceId, ...rest] = alias.slice(prefix.length).split("/");
  if (uid === undefined || uid === "" || deviceId === undefined || deviceId === "" || rest.length > 0) return undefined;
  try {
    return { uid: decodeURIComponent(uid), deviceId: decodeURIComponent(deviceId) };
  } catch {
    return undefined;
  }
}

export function ownedDevice(platform: string, name: string, alias: string): OwnedDevice | undefined {
  const owner = ownerOfAlias(platform, alias);
  return owner === undefined ? undefined : { name, ...owner };
}

/** A stable, locally administered unicast address; `attempt` counts up past collisions. */
export function derivedMac(platform: string, uid: string, deviceId: string, attempt = 0): string {
  const digest = createHash("sha256")
    .update(["mac", platform, uid, deviceId, String(attempt)].join("\0"))
    .digest();
  const first = ((digest[0] ?? 0) & 0xfc) | 0x02;
  return [first, ...digest.subarray(1, 6)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/**
 * Hardware address of a tap's host side: the guest's, with a first byte higher than any vendor's. A bridge without an address of its own takes the lowest of
 * its ports, so such a tap never changes the address of a user's bridge.
 */
export function tapMac(guestMac: string): string {
  const rest = guestMac.slice(2).toLowerCase();
  return guestMac.slice(0, 2).toLowerCase() === "fe" ? `fa${rest}` : `fe${rest}`;
}

function encode(word: string): string {
  return Array.from(Buffer.from(word, "utf8"), (byte) => {
    const letter = String.fromCharCode(byte);
    return /[A-Za-z0-9._-]/.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
