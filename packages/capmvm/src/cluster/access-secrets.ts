/**
 * Secrets that `hostAccess` names get clusterctl's label, so that `clusterctl move` takes them along: without them the new management cluster could not reach a
 * single host. Looked at again from time to time: a secret that is deleted and made anew has lost the label. No owner reference: Kubernetes would then delete
 * the user's secret with the first cluster that used it.
 */
import type { Clock } from "@liquidmetal/foundation";
import { isForbidden, type KubernetesClient } from "@liquidmetal/kubernetes";
import { clusterApiNames, type MicrovmCluster, secrets } from "../api/index.ts";
import { accessSecretsOf } from "../hosts/access-of.ts";

/** A secret that had the label is looked at again after so long. */
const lookAgainMs = 120_000;

export class AccessSecretLabels {
  readonly #client: KubernetesClient;
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** By uid of the cluster and name: when each secret was last seen with the label, or refused us, in monotonic milliseconds. */
  readonly #done: Map<string, ReadonlyMap<string, number>> = new Map();

  constructor(client: KubernetesClient, clock: Pick<Clock, "monotonicMs">) {
    this.#client = client;
    this.#clock = clock;
  }

  async ensure(cluster: MicrovmCluster, signal: AbortSignal): Promise<void> {
    const { uid = "", namespace = "" } = cluster.metadata ?? {};
    const names = new Set(Object.values(accessSecretsOf(cluster)).map(({ name }) => name));
    const done = this.#done.get(uid);
    const labelled = new Map<string, number>();
    const nowMs = this.#clock.monotonicMs();
    for (const name of names) {
      const seenMs = done?.get(name);
      if (seenMs !== undefined && nowMs - seenMs < lookAgainMs) labelled.set(name, seenMs);
      else if (await this.#label({ namespace, name }, signal)) labelled.set(name, nowMs);
    }
    this.#done.set(uid, labelled);
  }

  forget(uid: string): void {
    this.#done.delete(uid);
  }

  /** False when the secret is not there yet. */
  async #label(key: { readonly namespace: string; readonly name: string }, signal: AbortSignal): Promise<boolean> {
    const secret = await this.#client.find(secrets, key, { signal });
    if (secret === undefined) return false;
    if (secret.metadata?.labels?.[clusterApiNames.clusterctlMoveLabel] !== undefined) return true;
    try {
      const labels = { [clusterApiNames.clusterctlMoveLabel]: "" };
      await this.#client.mergePatch(secrets, key, { metadata: { labels } }, { signal });
    } catch (error) {
      // Whoever does not want us to touch secrets labels them himself.
      if (!isForbidden(error)) throw error;
    }
    return true;
  }
}
