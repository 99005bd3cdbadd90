/** What apt's complaints mean, for people and for whoever decides about another try. */
import { PlatformError } from "@liquidmetal/foundation";

const untrusted =
  /Hash Sum mismatch|File has unexpected size|BADSIG|NO_PUBKEY|EXPKEYSIG|REVKEYSIG|is not signed|does not have a Release file|signature verification|invalid signature|Clearsigned file isn't valid|cannot be authenticated/i;
const unreachable =
  /Could not resolve|Temporary failure resolving|Could not connect|Unable to connect|Connection (?:failed|refused|timed out)|Network is unreachable|No route to host|Could not (?:handshake|wait for server)/i;
const full = /No space left on device|Disk quota exceeded|not enough space|don't have enough free space/i;

/** `what` = what was to be got, as in "the package lists". `stderr` is apt's. */
export function aptFailure(what: string, stderr: string): PlatformError {
  const said = complaint(stderr);
  if (untrusted.test(stderr)) {
    return new PlatformError("IMAGE_INPUT_MISMATCH", `${what} cannot be trusted: ${said}`, {
      remedy:
        "the archive, its key or something on the way is not what it should be: run 'apt-get update' and read what it says",
    });
  }
  if (full.test(stderr)) return new PlatformError("DISK_FULL", `no space left for ${what}: ${said}`);
  if (unreachable.test(stderr)) {
    return new PlatformError("IMAGE_BUILD_FAILED", `the package archive cannot be reached for ${what}: ${said}`, {
      remedy:
        "check the network, the proxy settings of apt and its sources, then build again: it starts from the cache",
      details: { network: true },
    });
  }
  return new PlatformError("IMAGE_BUILD_FAILED", `apt could not get ${what}: ${said}`);
}

/** Its errors, else its warnings, else its last lines; on one line. */
export function complaint(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  const errors = lines.filter((line) => line.startsWith("E: "));
  const warnings = lines.filter((line) => line.startsWith("W: "));
  const chosen = [errors, warnings, lines.filter((line) => line !== "")].find((some) => some.length > 0) ?? [];
  return chosen
    .slice(-3)
    .map((line) => line.replace(/^[EW]: /, ""))
    .join("; ");
}
