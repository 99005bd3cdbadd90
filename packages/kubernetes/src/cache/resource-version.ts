/**
 * Order of resource versions. They are decimal numbers of any length, which may be compared for the same kind.
 *
 * Source: Kubernetes API concepts, "Resource versions" (comparable since 1.35; always so in fact with etcd).
 */

/** Negative when `a` is older than `b`. Versions that are no numbers count as equal. */
export function compareVersions(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined || !decimal.test(a) || !decimal.test(b)) return 0;
  return a.length - b.length || (a < b ? -1 : Number(a > b));
}

const decimal = /^(0|[1-9][0-9]*)$/;
