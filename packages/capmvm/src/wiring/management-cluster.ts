/** The way to the management cluster: who we are to it, and a client that is measured. */
import { backoffDelayMs, type Clock, type Entropy, sleep } from "@liquidmetal/foundation";
import {
  type ClusterConfiguration,
  connectCluster,
  inClusterConfiguration,
  isForbidden,
  type KubernetesClient,
  type KubernetesObject,
  type Logger,
  loadKubeconfig,
  type RuntimeMetrics,
  resource,
} from "@liquidmetal/kubernetes";
import { fieldManager } from "../api/index.ts";
import type { Settings } from "../command-line/settings.ts";
import { ownVersion } from "../version.ts";

const namespaces = resource<KubernetesObject>({
  group: "",
  version: "v1",
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
});

export const userAgent: string = `capmvm/${ownVersion.version}`;

/** The kubeconfig where one is named, else the pod's service account. KUBECONFIG_INVALID when there is neither. */
export function clusterConfiguration(settings: Pick<Settings, "kubeconfig">): Promise<ClusterConfiguration> {
  return settings.kubeconfig === undefined ? inClusterConfiguration() : loadKubeconfig({ path: settings.kubeconfig });
}

export function managementClient(
  configuration: ClusterConfiguration,
  { logger, metrics, connections }: { logger: Logger; metrics: RuntimeMetrics; connections: number },
): KubernetesClient {
  const warned = new Set<string>();
  return connectCluster({
    configuration,
    userAgent,
    fieldManager,
    connections,
    observer: {
      onCall: ({ method, host, status }) =>
        metrics.restRequests.inc({ method, host, code: status === 0 ? "<error>" : String(status) }),
      onRepeat: (repeat) => logger.debug("kubernetes.call.repeated", { ...repeat }),
      onWarning: (text) => {
        // The same words come with every call.
        if (warned.size >= 1_000 || warned.has(text)) return;
        warned.add(text);
        logger.warn("kubernetes.warning", { text });
      },
    },
  });
}

/**
 * What hosts know this management cluster by: the uid of its namespace kube-system, which nobody deletes. Asked until it is answered.
 * Throws when the role does not allow it.
 */
export async function managementPlaneId(
  client: KubernetesClient,
  { clock, entropy, logger, signal }: { clock: Clock; entropy: Entropy; logger: Logger; signal: AbortSignal },
): Promise<string> {
  for (let failures = 1; ; failures += 1) {
    try {
      const found = await client.get(namespaces, { namespace: "", name: "kube-system" }, { signal });
      return found.metadata?.uid ?? "";
    } catch (error) {
      signal.throwIfAborted();
      if (isForbidden(error)) throw error;
      logger.warn("kubernetes.unreachable", { error });
      const delayMs = backoffDelayMs(failures, entropy.fraction(), { baseMs: 500, capMs: 15_000 });
      await sleep(clock, delayMs, signal);
    }
  }
}
