/** The clusters of a namespace, or of all. */
import { printList } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { openManagementCluster } from "./management-cluster.ts";
import { clusterPresentation } from "./present.ts";
import { listSummaries } from "./summary.ts";

export async function listClusters(invocation: Invocation, session: Session): Promise<number | undefined> {
  const { flags } = invocation;
  const everywhere = flags.on("all-namespaces");
  if (everywhere && flags.given("namespace")) throw usage("--all-namespaces and --namespace contradict each other");
  await using management = await openManagementCluster(session);
  const namespace = everywhere ? undefined : management.namespace;
  const summaries = await listSummaries(management.client, namespace, session.signal);
  await printList(session, summaries, clusterPresentation(session.clock.nowMs(), everywhere));
  if (summaries.length === 0 && (session.format === "table" || session.format === "wide"))
    session.note(
      everywhere
        ? "No clusters."
        : `No clusters in namespace ${namespace} ('lm cluster list -A' shows all namespaces).`,
    );
  return undefined;
}
