/**
 * The kernel command line: the driver's defaults, overridden key by key by the user, in an order that never changes.
 *
 * Defaults keep their place, also with another value; the user's further keys follow, sorted. `rw` and `ro` are one switch.
 */
import { PlatformError } from "@liquidmetal/foundation";

/** COMMAND_LINE_SIZE of x86, with the closing NUL. */
const bytesMax = 2048;

/** One text. An empty value is a bare word (`quiet`), a value with blanks is quoted. Throws SPEC_INVALID when it is too long or cannot be written. */
export function kernelArguments(
  defaults: readonly (readonly [string, string])[],
  user: Readonly<Record<string, string>>,
): string {
  const chosen = new Map(defaults);
  if ("rw" in user || "ro" in user) {
    chosen.delete("rw");
    chosen.delete("ro");
  }
  for (const key of Object.keys(user).sort()) chosen.set(key, user[key] ?? "");
  const text = [...chosen].map(([key, value]) => word(key, value)).join(" ");
  if (Buffer.byteLength(text) >= bytesMax) {
    throw new PlatformError("SPEC_INVALID", `the kernel command line is longer than ${bytesMax - 1} bytes`);
  }
  return text;
}

function word(key: string, value: string): string {
  if (!/^[\x21\x23-\x3c\x3e-\x7e]+$/.test(key) || /[\x00-\x1f"]/.test(value)) {
    throw new PlatformError(
      "SPEC_INVALID",
      `kernel argument ${JSON.stringify(key)} cannot be written on a command line`,
    );
  }
  if (value === "") return key;
  return /\s/.test(value) ? `${key}="${value}"` : `${key}=${value}`;
}
