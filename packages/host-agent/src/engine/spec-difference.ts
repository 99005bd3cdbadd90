/** Comparing specs: the same microVM asked for again is the same; another one under its name is a conflict that says where it differs. */
import type { MicroVmSpec } from "@liquidmetal/microvm";

/** Dotted path of the first field that differs, for example `kernel.image` or `interfaces[1].guestMac`; undefined when nothing does. */
export function firstDifference(left: MicroVmSpec, right: MicroVmSpec): string | undefined {
  return differ(left, right, "");
}

/** Absent and undefined are the same; the order of keys does not matter, the order of lists does. */
function differ(left: unknown, right: unknown, path: string): string | undefined {
  if (Object.is(left, right)) return undefined;
  if (Array.isArray(left) && Array.isArray(right)) {
    if (left.length !== right.length) return path;
    for (let index = 0; index < left.length; index++) {
      const found = differ(left[index], right[index], `${path}[${index}]`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (isObject(left) && isObject(right)) {
    for (const key of [...new Set([...Object.keys(left), ...Object.keys(right)])].sort()) {
      const found = differ(left[key], right[key], path === "" ? key : `${path}.${key}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return path;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
