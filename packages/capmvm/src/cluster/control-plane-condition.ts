/**
 * ControlPlaneReachable: nobody is asked before the control plane is initialised, so that a cluster that comes up makes no noise. Until this process has an
 * answer of its own, what an earlier one said stays.
 */
import { findCondition, type ObjectKey } from "@liquidmetal/kubernetes";
import type { ApiEndpoint, Cluster, MicrovmCluster } from "../api/index.ts";
import { type Said, said } from "./cluster-findings.ts";
import type { ControlPlaneProbes } from "./control-plane-probes.ts";
import { formatEndpoint } from "./endpoint.ts";

export function controlPlaneCondition(
  key: ObjectKey,
  cluster: Cluster,
  object: MicrovmCluster,
  endpoint: ApiEndpoint | undefined,
  probes: Pick<ControlPlaneProbes, "want" | "forget">,
): Said<"ControlPlaneReachable"> | undefined {
  if (endpoint === undefined) {
    probes.forget(key);
    return said("Unknown", "WaitingForEndpoint", "there is no endpoint yet");
  }
  if (cluster.status?.initialization?.controlPlaneInitialized !== true) {
    probes.forget(key);
    return said("Unknown", "WaitingForControlPlane", "the control plane is not initialised yet");
  }
  const where = formatEndpoint(endpoint);
  const { namespace = "", name = "" } = cluster.metadata ?? {};
  const answer = probes.want(key, { namespace, name });
  if (answer === undefined) {
    const before = findCondition(object.status?.conditions, "ControlPlaneReachable");
    return isAnswer(before?.reason) ? undefined : said("Unknown", "WaitingForControlPlane", `${where} is being asked`);
  }
  switch (answer.answer) {
    case "nodes":
      return said("True", "Reachable");
    case "no-nodes":
      return said("False", "NoNodes", `${where} answers; ${answer.message}`);
    case "silent":
      return said("False", "Unreachable", `${where} does not answer: ${answer.message}`);
    case "kubeconfig-invalid":
      return said("False", "KubeconfigInvalid", answer.message);
    default:
      return answer.answer satisfies never;
  }
}

function isAnswer(reason: string | undefined): boolean {
  return reason !== undefined && !reason.startsWith("WaitingFor");
}
