/** The tree as text: branches, marks, how long, and under a line that is not well what it waits for. */
import { clean } from "../../output/table.ts";
import { age } from "../../program/duration.ts";
import type { Paint } from "../../program/terminal.ts";
import type { State } from "./standing.ts";
import type { TreeNode } from "./tree-node.ts";

export interface DrawOptions {
  readonly paint: Paint;
  readonly nowMs: number;
  /** Columns; longer lines are cut. Absent = never. */
  readonly width?: number;
  /** MicrovmMachines of machines that are well, and conditions that are not as they should be. Default false. */
  readonly everything?: boolean;
}

const marks: Readonly<Record<State, readonly [mark: string, style: Parameters<Paint>[0]]>> = {
  ready: ["✓", "green"],
  waiting: ["…", "yellow"],
  failed: ["✗", "red"],
  deleting: ["-", "yellow"],
  paused: ["‖", "cyan"],
  unknown: ["?", "dim"],
};

/** Lines without an end. */
export function drawTree(tree: TreeNode, options: DrawOptions): readonly string[] {
  return draw(tree, "", "", options);
}

function draw(node: TreeNode, first: string, rest: string, options: DrawOptions): readonly string[] {
  const { paint, nowMs, everything = false } = options;
  const [mark, style] = marks[node.state];
  const children = node.children.filter((child) => everything || isShown(node, child));
  const since = sinceText(node, nowMs);
  const title = `${node.role === "" ? node.kind : node.role} ${node.name}`;
  const detail = node.detail === "" ? "" : `  ${node.detail}`;
  const lines = [fit(first, `${mark} ${title}${detail}${since}`, options).replace(mark, paint(style, mark))];
  const below = rest + (children.length > 0 ? "│ " : "  ");
  const why = whyText(node, children);
  if (why !== "") lines.push(paint("dim", fit(below, `  ${why}`, options)));
  if (everything) {
    for (const { type, status, reason, message } of node.conditions)
      lines.push(paint("dim", fit(below, `    ${type} ${status} ${reason} ${message.replaceAll("\n", " ")}`, options)));
  }
  children.forEach((child, index) => {
    const last = index === children.length - 1;
    lines.push(...draw(child, `${rest}${last ? "└─ " : "├─ "}`, `${rest}${last ? "   " : "│  "}`, options));
  });
  return lines;
}

/** A microVM's line says something only where it is not its machine's own. */
function isShown(node: TreeNode, child: TreeNode): boolean {
  if (child.kind !== "MicrovmMachine") return true;
  return child.state !== "ready" && (child.message !== node.message || child.state !== node.state);
}

function whyText(node: TreeNode, children: readonly TreeNode[]): string {
  if (node.state === "ready") return "";
  if (node.message === "" && node.reason === "") return "";
  // Who has lines of its own below need not repeat them.
  const told = children.some(({ state }) => state !== "ready");
  if (told && node.state === "waiting") return "";
  return node.message === "" ? node.reason : `${node.reason}: ${node.message}`;
}

function sinceText({ since, state }: TreeNode, nowMs: number): string {
  const at = Date.parse(since);
  if (Number.isNaN(at)) return "";
  const words: Readonly<Record<State, string>> = {
    ready: "ready",
    waiting: "waiting",
    failed: "failed",
    deleting: "being deleted",
    paused: "paused",
    unknown: "new",
  };
  return `  ${words[state]} ${age(nowMs - at)}`;
}

function fit(prefix: string, text: string, { width }: DrawOptions): string {
  const line = prefix + clean(text);
  const characters = [...line];
  if (width === undefined || characters.length <= width) return line;
  return `${characters.slice(0, Math.max(1, width - 1)).join("")}…`;
}
