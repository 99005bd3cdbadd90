/**
 * Secrets that `hostAccess` names get clusterctl's label, so that `clusterctl move` takes them along: without them the new management cluster could not reach a
 * single host. No owner reference: Kubernetes would then delete the user's secret with the first cluster that used it.
 */
import { isForbidden, type KubernetesClient } from "@liquidmetal/kubernetes";
import { clusterApiNames, type MicrovmCluster, secrets } from "../api/index.ts";
import { accessSecretsOf } from "../hosts/access-of.ts";

export class AccessSecretLabels {
  readonly #client: KubernetesClient;
  /** Names by uid of the cluster that have the label, or may not get it: asked once in the life of a process. */
  readonly #done: Map<string, ReadonlySet<string>> = new Map();

  constructor(client: KubernetesClient) {
    this.#client = client;
  }

  async ensure(cluster: MicrovmCluster, signal: AbortSignal): Promise<void> {
    const { uid = "", namespace = "" } = cluster.metadata ?? {};
    const names = new Set(Object.values(accessSecretsOf(cluster)).map(({ name }) => name));
    const done = this.#done.get(uid);
    const labelled = new Set<string>();
    for (const name of names) {
      if (done?.has(name) === true || (await this.#label({ namespace, name }, signal))) labelled.add(name);
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
