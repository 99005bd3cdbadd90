/** A line of the tree, and what `-o json` has of it. */
import type { Condition } from "@liquidmetal/kubernetes";
import type { Conditioned } from "../objects.ts";
import type { Standing } from "./standing.ts";

export interface TreeNode extends Standing {
  readonly kind: string;
  readonly name: string;
  /** What it is to the cluster, as in "control plane"; "" where the kind says it. */
  readonly role: string;
  /** Counts, version, place; "" for none. */
  readonly detail: string;
  readonly conditions: readonly Condition[];
  readonly children: readonly TreeNode[];
}

export function conditionsOf(object: Conditioned): readonly Condition[] {
  return object.status?.conditions ?? [];
}

/** The node and all below it, from the top. */
export function* everyNode(node: TreeNode): Generator<TreeNode> {
  yield node;
  for (const child of node.children) yield* everyNode(child);
}
