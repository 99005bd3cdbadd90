/**
 * Resolving a path inside an image as the kernel would after a chroot: links are followed, and none of them leads out.
 */
import { posix } from "node:path";

/** Target of the link at this path (relative to the image's root, without a slash at its start); undefined = no link. */
export type ReadLink = (path: string) => Promise<string | undefined>;

const linksMax = 40;

/** The path without links, relative to the root; undefined when links run in a circle. What does not exist is `readLink`'s to report. */
export async function resolveInside(filename: string, readLink: ReadLink): Promise<string | undefined> {
  const pending = filename.split("/").filter((part) => part !== "" && part !== ".");
  const done: string[] = [];
  let links = 0;
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part === "..") {
      done.pop();
      continue;
    }
    const target = await readLink(posix.join(...done, part));
    if (target === undefined) {
      done.push(part);
      continue;
    }
    if (++links > linksMax) return undefined;
    if (target.startsWith("/")) done.length = 0;
    pending.unshift(...target.split("/").filter((one) => one !== "" && one !== "."));
  }
  return done.join("/");
}
