/**
 * One probe of a control plane: with the kubeconfig that Cluster API made, through the endpoint, asking for one Node. As upstream, an API server that answers
 * without a single Node does not count as reachable yet.
 */
import { PlatformError, type Result } from "@liquidmetal/foundation";
import { isForbidden, type KubernetesClient, type ObjectKey } from "@liquidmetal/kubernetes";
import { type Secret, secrets } from "../api/index.ts";
import type { ProbeAnswer, ProbeControlPlane } from "./control-plane-probes.ts";
import { readWorkloadKubeconfig, type WorkloadConfiguration } from "./workload-kubeconfig.ts";

export interface ProbeOptions {
  /** Of the management cluster. */
  readonly client: KubernetesClient;
  readonly connect: (configuration: WorkloadConfiguration) => Promise<KubernetesClient> | KubernetesClient;
  /** Milliseconds for one question. Default 8,000. */
  readonly timeoutMs?: number;
}

export function controlPlaneProbe({ client, connect, timeoutMs = 8_000 }: ProbeOptions): ProbeControlPlane {
  return async (cluster, signal) => {
    const read = await kubeconfigOf(client, cluster, signal);
    if (read === undefined) return undefined;
    if (!read.ok) return { answer: "kubeconfig-invalid", message: read.error };
    let remote: KubernetesClient | undefined;
    try {
      remote = await connect(read.value);
      const nodes = await remote.request("GET", "/api/v1/nodes?limit=1", undefined, { timeoutMs, signal });
      return hasItems(nodes) ? { answer: "nodes", message: "" } : { answer: "no-nodes", message: "it has no node yet" };
    } catch (error) {
      signal.throwIfAborted();
      return silent(error);
    } finally {
      await remote?.close();
    }
  };
}

/** Undefined = the management cluster does not tell now: its trouble is no news of the control plane, and must not look like it on every cluster. */
async function kubeconfigOf(
  client: KubernetesClient,
  cluster: ObjectKey,
  signal: AbortSignal,
): Promise<Result<WorkloadConfiguration, string> | undefined> {
  const name = `${cluster.name}-kubeconfig`;
  let secret: Secret | undefined;
  try {
    secret = await client.find(secrets, { namespace: cluster.namespace, name }, { signal });
  } catch (error) {
    signal.throwIfAborted();
    return isForbidden(error) ? { ok: false, error: `capmvm may not read the secret ${name}` } : undefined;
  }
  if (secret === undefined) return { ok: false, error: `the secret ${name} is not there` };
  const value = secret.data?.["value"] ?? "";
  if (value === "") return { ok: false, error: `the secret ${name} has no key "value"` };
  const read = readWorkloadKubeconfig(Buffer.from(value, "base64").toString());
  return read.ok ? read : { ok: false, error: `the kubeconfig in secret ${name} cannot be used: ${read.error}` };
}

function hasItems(list: unknown): boolean {
  return (
    typeof list === "object" && list !== null && "items" in list && Array.isArray(list.items) && list.items.length > 0
  );
}

/** Without what differs from try to try. */
function silent(error: unknown): ProbeAnswer {
  const message = error instanceof PlatformError || error instanceof Error ? error.message : String(error);
  return { answer: "silent", message };
}
