/**
 * Many conditions into one: what holds things up, and why.
 *
 * As Cluster API's v1beta2 summary: a condition that says "no" is an issue, one that does not know makes the whole unknown, and only if all are well is
 * the summary True. Conditions of negative polarity ("Deleting") are well when False. The reason is that of the most relevant condition, so that it
 * can be branched on; the message says all that is not well, the most relevant first.
 *
 * Source: Cluster API proposal "Improving status in CAPI resources", util/conditions (merge strategy).
 */
import type { Condition } from "../object.ts";
import { type ConditionWanted, findCondition } from "./condition.ts";

export interface SummaryOptions {
  /** Default "Ready". */
  readonly type?: string;
  /** What is summed up, the most relevant first. */
  readonly of: readonly string[];
  /** Those of them that are well when False. */
  readonly negative?: readonly string[];
  /** Those of them that say nothing by being absent; another absent one makes the summary Unknown. */
  readonly ignoreIfMissing?: readonly string[];
  /** Reason when all is well. Default: the summary's type. */
  readonly trueReason?: string;
  readonly observedGeneration?: number;
}

type Part = Pick<Condition, "type" | "reason" | "message"> & { readonly weight: "issue" | "unknown" | "well" };

export function summarizeConditions(
  conditions: readonly Condition[] | undefined,
  options: SummaryOptions,
): ConditionWanted {
  const { type = "Ready", of, negative = [], ignoreIfMissing = [] } = options;
  const parts = of.flatMap((name): Part[] => {
    const condition = findCondition(conditions, name);
    if (condition !== undefined) return [{ ...condition, weight: weightOf(condition, negative.includes(name)) }];
    if (ignoreIfMissing.includes(name)) return [];
    return [{ type: name, reason: "NotYetReported", message: "Condition not yet reported", weight: "unknown" }];
  });
  const issues = parts.filter(({ weight }) => weight === "issue");
  const unknown = parts.filter(({ weight }) => weight === "unknown");
  const troubled = [...issues, ...unknown];
  const generation = options.observedGeneration === undefined ? {} : { observedGeneration: options.observedGeneration };
  const [first] = troubled;
  if (first === undefined) {
    return { type, status: "True", reason: options.trueReason ?? type, message: "", ...generation };
  }
  return {
    type,
    status: issues.length > 0 ? "False" : "Unknown",
    reason: first.reason,
    message: troubled.length === 1 ? said(first) : troubled.map((part) => `* ${part.type}: ${said(part)}`).join("\n"),
    ...generation,
  };
}

function weightOf({ status }: Condition, negative: boolean): Part["weight"] {
  if (status === "Unknown") return "unknown";
  return (status === "False") === negative ? "well" : "issue";
}

/** Lines after the first are set in, so that the list stays readable. */
function said({ message, reason }: Part): string {
  return (message === "" ? reason : message).replaceAll("\n", "\n  ");
}
