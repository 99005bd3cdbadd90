/**
 * The names of a busybox binary's applets, read out of the binary: nothing of a guest is run, and it may be of any machine.
 *
 * busybox keeps them as one sorted table of strings that begins with `[`, `[[` (include/applets.src.h sorts by name). The table ends where the next
 * string is no name or out of order.
 */
import { PlatformError } from "@liquidmetal/foundation";

const appletsMin = 20;
const appletsMax = 2_000;

/** Errors: IMAGE_BUILD_FAILED when the file has no such table. */
export function busyboxApplets(file: Buffer): string[] {
  const mark = Buffer.from("\0[\0[[\0", "latin1");
  for (let at = file.indexOf(mark); at >= 0; at = file.indexOf(mark, at + 1)) {
    const names = tableAt(file, at + 1);
    if (names.length >= appletsMin) return names;
  }
  throw new PlatformError("IMAGE_BUILD_FAILED", "the file has no table of busybox applets: it is no busybox");
}

function tableAt(file: Buffer, start: number): string[] {
  const names: string[] = [];
  let at = start;
  while (names.length < appletsMax) {
    const end = file.indexOf(0, at);
    const name = end < 0 ? "" : file.toString("latin1", at, Math.min(end, at + 65));
    if (!/^(\[\[?|[a-z0-9][a-z0-9_.+-]{0,30})$/.test(name) || name <= (names.at(-1) ?? "")) break;
    names.push(name);
    at = end + 1;
  }
  return names;
}
