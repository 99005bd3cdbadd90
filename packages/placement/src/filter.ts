/**
 * Filters: which hosts may take a workload, and why the others may not.
 *
 * A host falls out at the first filter that refuses it, so the counts of all filters add up to the hosts that fell out. Filters say yes or no on the hot
 * path and build words only when nobody is left.
 */
import { free, type HostCandidate, hostTitle } from "./host-candidate.ts";
import { amount, type Dimension, dimensions } from "./resources.ts";
import type { Workload } from "./workload.ts";

export interface Filter {
  /** Stable, for metrics: "health", "capacity". */
  readonly name: string;
  passes(host: HostCandidate, workload: Workload): boolean;
  /**
   * Why `refused` fell out, as clauses to follow a number of hosts: `{count: 2, clause: "lack 4096 MiB memory"}`.
   * `refused` is never empty, and in the order of ids.
   */
  reasons(refused: readonly HostCandidate[], workload: Workload): readonly Reason[];
}

export interface Reason {
  readonly count: number;
  /** Verb first, for one host and for several: "is unreachable", "are unreachable". */
  readonly one: string;
  readonly many: string;
}

const both = (count: number, rest: string, one = "is", many = "are"): Reason => ({
  count,
  one: `${one} ${rest}`,
  many: `${many} ${rest}`,
});

/** A short list of names, so that a sentence stays a sentence with a thousand hosts. */
function few(names: readonly string[], most = 3): string {
  const shown = names.slice(0, most).join(", ");
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}

const titles = (hosts: readonly HostCandidate[]): string => few(hosts.map(hostTitle));

function countBy(
  refused: readonly HostCandidate[],
  rest: (key: string) => string,
  keyOf: (host: HostCandidate) => string,
  one?: string,
  many?: string,
): readonly Reason[] {
  const counts = new Map<string, number>();
  for (const host of refused) counts.set(keyOf(host), (counts.get(keyOf(host)) ?? 0) + 1);
  return [...counts].map(([key, count]) => both(count, rest(key), one, many));
}

const failureDomain: Filter = {
  name: "failure-domain",
  passes: (host, { failureDomains }) => failureDomains === undefined || failureDomains.includes(host.failureDomain),
  reasons: (refused, { failureDomains = [] }) => [
    both(refused.length, `outside failure domain ${few(failureDomains)}`),
  ],
};

const health: Filter = {
  name: "health",
  passes: (host) => host.health === "reachable",
  reasons: (refused) => {
    const words = {
      unreachable: "unreachable",
      refused: "refusing our credentials",
      unknown: "not heard of yet",
      reachable: "reachable",
    };
    return Object.entries(words).flatMap(([state, words]) => {
      const hosts = refused.filter((host) => host.health === state);
      return hosts.length === 0 ? [] : [both(hosts.length, `${words} (${titles(hosts)})`)];
    });
  },
};

const taint: Filter = {
  name: "taint",
  passes: (host, { tolerations }) => untolerated(host, tolerations) === undefined,
  reasons: (refused, { tolerations }) =>
    countBy(
      refused,
      (key) => `kept free by "${key}"`,
      (host) => untolerated(host, tolerations) ?? "",
    ),
};

function untolerated(host: HostCandidate, tolerations: readonly string[] | undefined): string | undefined {
  for (const taint of host.taints) if (tolerations?.includes(taint) !== true) return taint;
  return undefined;
}

const selector: Filter = {
  name: "selector",
  passes: (host, { selector }) => {
    for (const key in selector) if (host.labels[key] !== selector[key]) return false;
    return true;
  },
  reasons: (refused, { selector = {} }) => {
    const wanted = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
    return [both(refused.length, `the labels ${few(wanted)}`, "lacks", "lack")];
  },
};

const platform: Filter = {
  name: "platform",
  passes: (host, { platform }) => platform === undefined || host.platform === undefined || host.platform === platform,
  reasons: (refused, { platform }) =>
    countBy(
      refused,
      (key) => `${key}, not ${platform}`,
      (host) => host.platform ?? "",
    ),
};

const capability: Filter = {
  name: "capability",
  passes: (host, { requires }) => missingCapability(host, requires) === undefined,
  reasons: (refused, { requires }) =>
    countBy(
      refused,
      (key) => `do ${key}`,
      (host) => missingCapability(host, requires) ?? "",
      "cannot",
      "cannot",
    ),
};

function missingCapability(host: HostCandidate, requires: readonly string[] | undefined): string | undefined {
  const { capabilities } = host;
  if (requires === undefined || capabilities === undefined) return undefined;
  return requires.find((wanted) => !capabilities.includes(wanted));
}

const capacity: Filter = {
  name: "capacity",
  passes: (host, { resources }) => {
    for (const dimension of dimensions) if (lacks(host, dimension, resources[dimension])) return false;
    return true;
  },
  reasons: (refused, { resources }) =>
    dimensions.flatMap((dimension) => {
      const short = refused.filter((host) => lacks(host, dimension, resources[dimension]));
      const most = short.reduce<HostCandidate | undefined>(
        (best, host) => (best === undefined || free(host, dimension) > free(best, dimension) ? host : best),
        undefined,
      );
      if (most === undefined) return [];
      const left = amount(dimension, Math.max(0, free(most, dimension)));
      const rest = `${amount(dimension, resources[dimension])} (most free: ${hostTitle(most)}, ${left})`;
      return [both(short.length, rest, "lacks", "lack")];
    }),
};

/** A host that has promised too much still takes what needs nothing of that. */
function lacks(host: HostCandidate, dimension: Dimension, wanted: number): boolean {
  return wanted > 0 && wanted > free(host, dimension);
}

/** In this order: what people can mend by another name comes first, room last. */
export const standardFilters: readonly Filter[] = [
  failureDomain,
  health,
  taint,
  selector,
  platform,
  capability,
  capacity,
];
