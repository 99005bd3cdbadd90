/** Names of clusters for completion, from the management cluster that the environment means. */
import type { Session } from "../program/session.ts";
import { connect, localOrNamed } from "./management-cluster.ts";
import { clusters } from "./objects.ts";

export async function clusterNames(session: Session, timeoutMs: number): Promise<readonly string[]> {
  const client = connect(await localOrNamed(session));
  try {
    const signal = AbortSignal.any([session.signal, AbortSignal.timeout(timeoutMs)]);
    return (await client.list(clusters, { signal, timeoutMs })).items.map(({ metadata }) => metadata?.name ?? "");
  } finally {
    await client.close();
  }
}
