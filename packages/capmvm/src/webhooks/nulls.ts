/**
 * Fields that are null are left out, as they are meant.
 *
 * Templates write `initrd: null` for "none". The API server drops such fields from what is created and refuses them in what is applied server-side (as GitOps tools
 * do): with this it makes no difference.
 */
import type { KubernetesObject } from "@liquidmetal/kubernetes";

/** The object without null fields in its spec; the very same one if there is none. */
export function withoutNulls<T extends KubernetesObject & { readonly spec?: unknown }>(object: T): T {
  const spec = dropped(object.spec);
  return spec === object.spec ? object : { ...object, spec };
}

function dropped(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(dropped);
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  if (typeof value !== "object" || value === null) return value;
  const before = Object.entries(value);
  const after = before.filter(([, field]) => field !== null).map(([name, field]) => [name, dropped(field)] as const);
  const same = after.length === before.length && after.every(([, field], index) => field === before[index]?.[1]);
  return same ? value : Object.fromEntries(after);
}
