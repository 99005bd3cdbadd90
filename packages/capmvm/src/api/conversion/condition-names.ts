/**
 * Conditions of both versions by name: types, reasons and the severity that only v1alpha1 has.
 *
 * Reasons of v1alpha1 are upstream's, "WaitingForBoostrapData" with its missing letter included: dashboards match on it.
 */
export type Severity = "Error" | "Warning" | "Info";

/** v1beta2 to v1alpha1. Types that are not here are called the same. */
export const conditionTypes: ReadonlyMap<string, string> = new Map([
  ["VMProvisioned", "MicrovmReady"],
  ["ControlPlaneReachable", "LoadBalancerAvailable"],
]);

/**
 * Reasons of conditions that are not True: v1beta2, v1alpha1, severity there. Several may become one; on the way back the first row with that name counts.
 * Reasons that are not here are called the same, with the severity that `severityOf` gives.
 */
export const conditionReasons: readonly (readonly [v1beta2: string, v1alpha1: string, severity: Severity])[] = [
  ["WaitingForClusterInfrastructure", "WaitingForClusterInfra", "Info"],
  ["WaitingForBootstrapData", "WaitingForBoostrapData", "Info"],
  ["Pending", "MicrovmPending", "Info"],
  ["Creating", "MicrovmPending", "Info"],
  ["Failed", "MicrovmProvisionFailed", "Error"],
  ["CreateFailed", "MicrovmProvisionFailed", "Error"],
  ["CreateRefused", "MicrovmProvisionFailed", "Error"],
  ["NotRunning", "MicrovmProvisionFailed", "Error"],
  ["Vanished", "MicrovmProvisionFailed", "Error"],
  ["UnknownState", "MicrovmUnknownState", "Error"],
  ["Deleting", "MicrovmDeleting", "Info"],
  ["DeleteFailed", "MicrovmDeleteFailed", "Error"],
  ["Unreachable", "LoadBalancerNotAvailable", "Info"],
  ["WaitingForControlPlane", "LoadBalancerNotAvailable", "Info"],
  ["WaitingForEndpoint", "LoadBalancerNotAvailable", "Info"],
  ["NoNodes", "LoadBalancerNotAvailable", "Info"],
  ["KubeconfigInvalid", "LoadBalancerNotAvailable", "Info"],
  ["NameTaken", "NameTaken", "Error"],
  ["ProviderIDInvalid", "ProviderIDInvalid", "Error"],
  ["FailureDomainUnknown", "FailureDomainUnknown", "Error"],
  ["FormatUnsupported", "FormatUnsupported", "Error"],
];

/** Conditions whose reasons the table is about; the others keep theirs. */
const renamed: ReadonlySet<string> = new Set(["VMProvisioned", "ControlPlaneReachable"]);

export function reasonInV1alpha1(type: string, reason: string): string {
  const row = renamed.has(type) ? conditionReasons.find(([name]) => name === reason) : undefined;
  return row?.[1] ?? reason;
}

export function reasonInV1beta2(type: string, reason: string): string {
  // Ready repeats what it sums up.
  const row = renamed.has(type) || type === "Ready" ? conditionReasons.find(([, name]) => name === reason) : undefined;
  return row?.[0] ?? reason;
}

/** Severity of a condition that is False: what is waited for is information, the rest a warning unless the table says error. */
export function severityOf(reason: string): Severity {
  const row = conditionReasons.find(([name]) => name === reason);
  return row?.[2] ?? (/^(Waiting|Not|Deleting|Probing|Connecting|Scaling)/.test(reason) ? "Info" : "Warning");
}

/** The reason that a condition has in v1beta2 when v1alpha1 gives none (True never has one there). */
export function reasonIfNone(type: string, status: string): string {
  if (status === "True") return whenTrue.get(type) ?? type;
  return status === "False" ? `Not${type}` : `${type}Unknown`;
}

const whenTrue: ReadonlyMap<string, string> = new Map([
  ["VMProvisioned", "Provisioned"],
  ["ControlPlaneReachable", "Reachable"],
  ["EndpointAvailable", "Available"],
  ["HostsAvailable", "Available"],
  ["BootstrapDataAvailable", "Available"],
  ["HostReachable", "Reachable"],
]);
