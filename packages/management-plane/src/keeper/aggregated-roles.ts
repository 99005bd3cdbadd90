/** Waits until kube-controller-manager has collected the rules of ClusterRoles: a manager that starts before may do nothing, and says so only in its log. */
import { type Clock, PlatformError, sleep } from "@liquidmetal/foundation";
import { type KubernetesClient, type KubernetesObject, resource } from "@liquidmetal/kubernetes";

interface ClusterRole extends KubernetesObject {
  readonly rules?: readonly unknown[] | null;
}

const clusterRoles = resource<ClusterRole>({
  ...{ group: "rbac.authorization.k8s.io", version: "v1", kind: "ClusterRole" },
  ...{ plural: "clusterroles", namespaced: false },
});
const lookMs = 200;
const deadlineMs = 60_000;

export interface AggregatedRolesOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** DEADLINE_EXCEEDED after a minute, with the roles that are still empty. */
export async function awaitAggregated(
  names: readonly string[],
  { client, clock, signal }: AggregatedRolesOptions,
): Promise<void> {
  const endMs = clock.monotonicMs() + deadlineMs;
  let waiting = names;
  for (;;) {
    const roles = await Promise.all(
      waiting.map((name) => client.find(clusterRoles, { namespace: "", name }, { signal })),
    );
    waiting = waiting.filter((_, index) => (roles[index]?.rules ?? []).length === 0);
    if (waiting.length === 0) return;
    if (clock.monotonicMs() > endMs) {
      throw new PlatformError("DEADLINE_EXCEEDED", `the rules of ${waiting.join(", ")} are not collected`, {
        remedy: "see whether kube-controller-manager runs",
      });
    }
    await sleep(clock, lookMs, signal);
  }
}
