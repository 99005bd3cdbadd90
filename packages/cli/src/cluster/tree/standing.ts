/** How an object stands: the one word for its line, and the condition that says why. */
import type { Condition } from "@liquidmetal/kubernetes";
import type { Conditioned } from "../objects.ts";

/** `failed`: nothing will change by waiting alone. */
export type State = "ready" | "waiting" | "failed" | "deleting" | "paused" | "unknown";

export interface Standing {
  readonly state: State;
  /** CamelCase; "" when nothing was said yet. */
  readonly reason: string;
  /** One line; "" when all is well. */
  readonly message: string;
  /** RFC 3339; when this state began; "" when it is not known. */
  readonly since: string;
}

/** Reasons that stay until somebody does something, of capmvm and of Cluster API. */
const failures = new Set([
  ...["NoHostFits", "FailureDomainUnknown", "CreateRefused", "CreateFailed", "Failed", "NotRunning", "Vanished"],
  ...["NameTaken", "ProviderIDInvalid", "UnknownState", "DeleteFailed", "AccessRefused", "AccessSecretMissing"],
  ...["AccessSecretInvalid", "SecretMissing", "DataInvalid", "FormatUnsupported", "DataTooLarge", "NoHosts"],
  ...["NoneAvailable", "AddressPoolExhausted", "AddressPoolInvalid", "EndpointChanged", "KubeconfigInvalid"],
  ...["HostUnreachable", "ReconcileFailed", "TopologyReconcileFailed", "VariableDiscoveryFailed"],
  ...["ClusterClassNotReconciled", "InternalError", "MissingCertificates"],
]);

export const isFailure = (reason: string): boolean => failures.has(reason);

/** By the condition `type`; deletion and pause come before it. */
export function standingOf(object: Conditioned, type: string): Standing {
  const conditions = object.status?.conditions ?? [];
  const find = (wanted: string): Condition | undefined => conditions.find((each) => each.type === wanted);
  const { deletionTimestamp } = object.metadata ?? {};
  if (deletionTimestamp !== undefined) {
    const deleting = find("Deleting");
    const said = deleting?.status === "True" ? deleting : undefined;
    return {
      state: "deleting",
      reason: said?.reason ?? "Deleting",
      message: oneLine(said?.message ?? ""),
      since: deletionTimestamp,
    };
  }
  const paused = find("Paused");
  if (paused?.status === "True")
    return {
      state: "paused",
      reason: paused.reason,
      message: oneLine(paused.message),
      since: paused.lastTransitionTime,
    };
  const condition = find(type);
  if (condition === undefined)
    return { state: "unknown", reason: "", message: "", since: object.metadata?.creationTimestamp ?? "" };
  return ofCondition(condition);
}

export function ofCondition(condition: Condition): Standing {
  const { status, reason, message, lastTransitionTime } = condition;
  if (status === "True") return { state: "ready", reason, message: "", since: lastTransitionTime };
  return {
    state: isFailure(reason) ? "failed" : "waiting",
    reason,
    message: oneLine(message),
    since: lastTransitionTime,
  };
}

/** Lists that Cluster API writes over several lines, as one; its bullets become semicolons. */
export function oneLine(message: string): string {
  return message
    .split("\n")
    .map((line) => line.replace(/^\s*\*\s*/, "").trim())
    .filter((line) => line !== "")
    .reduce((text, line) => (text === "" ? line : `${text}${text.endsWith(":") ? " " : "; "}${line}`), "");
}
