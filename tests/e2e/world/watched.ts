/** Waits for what objects of a cluster become, by list and watch: over ends of connections and of the API server itself, up to a deadline. */
import { type KubernetesClient, type KubernetesObject, openCache, type Resource } from "@liquidmetal/kubernetes";

export interface WatchedOptions<T> {
  /** For the message when it does not come. */
  readonly what: string;
  readonly timeoutMs: number;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly signal?: AbortSignal;
  /** What is told of an object in the message. Default: name and conditions. */
  readonly describe?: (object: T) => string;
}

interface Told extends KubernetesObject {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

/** Resolves with the first thing but `undefined` that `judge` makes of all selected objects; it is asked again after every change. */
export async function watched<T extends KubernetesObject, R>(
  client: KubernetesClient,
  kind: Resource<T>,
  options: WatchedOptions<T>,
  judge: (objects: readonly T[]) => R | undefined,
): Promise<R> {
  const { what, timeoutMs, namespace, labelSelector, describe = summary } = options;
  const stop = new AbortController();
  const signals = [
    AbortSignal.timeout(timeoutMs),
    stop.signal,
    ...(options.signal === undefined ? [] : [options.signal]),
  ];
  const signal = AbortSignal.any(signals);
  let problem: unknown;
  const cache = openCache(client, kind, {
    ...(namespace === undefined ? {} : { namespace }),
    ...(labelSelector === undefined ? {} : { labelSelector }),
    observer: { onProblem: (error) => (problem = error), onRecovered: () => (problem = undefined) },
  });
  const { promise, resolve, reject } = Promise.withResolvers<R>();
  const look = (): void => {
    if (!cache.isSynced || signal.aborted) return;
    try {
      const found = judge(cache.list());
      if (found !== undefined) resolve(found);
    } catch (error) {
      reject(error);
    }
  };
  using _listening = cache.onChange(look);
  signal.addEventListener("abort", () => {
    if (options.signal?.aborted === true) return reject(options.signal.reason);
    const seen = cache.list().map(describe);
    const trouble =
      problem === undefined ? [] : [`the API server: ${problem instanceof Error ? problem.message : String(problem)}`];
    reject(
      new Error([`not seen within ${Math.round(timeoutMs / 1_000)} s: ${what}`, ...trouble, ...seen].join("\n  ")),
    );
  });
  const running = cache.start(signal);
  cache.synced(signal).then(look, () => undefined);
  try {
    return await promise;
  } finally {
    stop.abort();
    await running;
  }
}

/** The condition of that type, whatever the kind. */
export function conditionOf(
  object: KubernetesObject,
  type: string,
): { readonly status: string; readonly reason?: string; readonly message?: string } | undefined {
  return (object as Told).status?.conditions?.find((each) => each.type === type);
}

function summary(object: KubernetesObject): string {
  const conditions = (object as Told).status?.conditions ?? [];
  const bad = conditions
    .filter(({ status }) => status !== "True")
    .map(({ type, status, message = "" }) => `${type}=${status} ${message.slice(0, 200)}`);
  const good = conditions.filter(({ status }) => status === "True").map(({ type }) => type);
  return `${object.metadata?.name}: ${[...bad, good.join(" ")].join("; ")}`;
}
