/**
 * A tree that is followed, on standard error: redrawn in place on a terminal; elsewhere a line for each change of a line.
 *
 * Whatever happens, the terminal is left with the last state and a clean cursor.
 */
import { type Clock, systemClock, type Timer } from "@liquidmetal/foundation";
import { elapsed } from "../program/duration.ts";
import type { Paint, Terminal } from "../program/terminal.ts";
import { drawTree } from "./tree/draw-tree.ts";
import { everyNode, type TreeNode } from "./tree/tree-node.ts";

export interface LiveTreeOptions {
  readonly stream: Terminal["stderr"];
  readonly paint: Paint;
  readonly clock?: Clock;
  /** Redraw in place (a terminal). */
  readonly live: boolean;
  readonly quiet: boolean;
}

/** Ages count by seconds. */
const redrawMs = 1_000;

export class LiveTree implements Disposable {
  readonly #options: LiveTreeOptions;
  readonly #clock: Clock;
  readonly #startedMs: number;
  /** What was said of a line last, without a terminal. */
  readonly #said = new Map<string, string>();
  #tree: TreeNode | undefined;
  #note = "";
  #drawn = 0;
  #timer: Timer | undefined;

  constructor(options: LiveTreeOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#startedMs = this.#clock.monotonicMs();
  }

  /** `note`: a line of its own below, as what is in the way. */
  show(tree: TreeNode | undefined, note = ""): void {
    this.#tree = tree;
    this.#note = note;
    if (this.#options.quiet) return;
    if (this.#options.live) this.#redraw();
    else this.#tell();
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #redraw(): void {
    this.#timer?.cancel();
    const { stream, paint } = this.#options;
    // A terminal that does not know its width says 0.
    const width = Math.max(40, (stream.columns || 100) - 1);
    const rows = Math.max(8, ((stream as { readonly rows?: number }).rows || 40) - 2);
    const time = elapsed(this.#clock.monotonicMs() - this.#startedMs);
    const tree = this.#tree === undefined ? [] : drawTree(this.#tree, { paint, nowMs: this.#clock.nowMs(), width });
    const note = [...`${this.#note === "" ? "" : `${this.#note}  `}${time}`].slice(0, width).join("");
    // What does not fit on the screen could not be taken back.
    const lines = [
      ...tree.slice(0, rows),
      ...(tree.length > rows ? [`… ${tree.length - rows} more`] : []),
      paint("dim", note),
    ];
    const up = this.#drawn === 0 ? "" : `\u001b[${this.#drawn}A\r`;
    stream.write(`${up}\u001b[0J${lines.join("\n")}\n`);
    this.#drawn = lines.length;
    this.#timer = this.#clock.timer(redrawMs, () => this.#redraw());
  }

  #tell(): void {
    const tree = this.#tree;
    const nodes = tree === undefined ? [] : [...everyNode(tree)].filter(({ kind }) => kind !== "MicrovmMachine");
    const time = elapsed(this.#clock.monotonicMs() - this.#startedMs);
    for (const node of nodes) {
      const key = `${node.kind} ${node.name}`;
      const told = `${node.state}${node.detail === "" ? "" : ` (${node.detail})`}${node.message === "" ? "" : `: ${node.message}`}`;
      if (this.#said.get(key) === told) continue;
      this.#said.set(key, told);
      this.#options.stream.write(`${time}  ${key}: ${told}\n`);
    }
    for (const key of this.#said.keys()) {
      if (nodes.some(({ kind, name }) => `${kind} ${name}` === key)) continue;
      this.#said.delete(key);
      this.#options.stream.write(`${time}  ${key}: gone\n`);
    }
  }
}
