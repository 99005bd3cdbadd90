/**
 * Progress for people: one line a stage, with a tick, the elapsed time, and what it is doing meanwhile.
 *
 * On a terminal the line of the running stage is redrawn; elsewhere every stage prints one plain line when it begins to take time and one
 * when it ends. One stage runs at a time. Always on standard error: data never mixes with it.
 */
import type { Clock, Timer } from "@liquidmetal/foundation";
import { elapsed } from "../program/duration.ts";
import type { Paint } from "../program/terminal.ts";

export interface StageRendererOptions {
  readonly stream: NodeJS.WritableStream & { readonly columns?: number };
  readonly paint: Paint;
  readonly clock: Clock;
  /** Redraw in place (a terminal). */
  readonly live: boolean;
  readonly quiet: boolean;
}

export interface Stage {
  /** What it is doing now, or how far it is: `pulling 12 of 90 MiB`. */
  update(detail: string): void;
  /** Ends with a tick; `note` is added to the line. */
  done(note?: string): void;
  /** Ends with a cross. */
  fail(note?: string): void;
  /** Ends as not needed: `already there`. */
  skip(note: string): void;
}

const spinner = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const redrawMs = 100;
/** Without a terminal: the same kind of detail is printed again after this time at the earliest. */
const sayAgainMs = 10_000;
const saidMax = 1_000;

export class StageRenderer implements Disposable {
  readonly #options: StageRendererOptions;
  #title = "";
  #detail = "";
  /** When a detail of this stage, whatever its numbers, was printed as a line: counters and flapping states do not fill a log. */
  readonly #saidMs = new Map<string, number>();
  #startedMs = 0;
  #frame = 0;
  #timer: Timer | undefined;
  #open = false;

  constructor(options: StageRendererOptions) {
    this.#options = options;
  }

  /** Begins a stage; one that still runs is ended first. */
  begin(title: string): Stage {
    if (this.#open) this.#end("green", "✓", undefined);
    this.#title = title;
    this.#detail = "";
    this.#saidMs.clear();
    this.#startedMs = this.#options.clock.monotonicMs();
    this.#open = true;
    if (this.#options.live) this.#redraw();
    else this.#write(`… ${title}\n`);
    const mine = title;
    const ifMine = (action: () => void): void => {
      if (this.#open && this.#title === mine) action();
    };
    return {
      update: (detail) => ifMine(() => this.#update(detail)),
      done: (note) => ifMine(() => this.#end("green", "✓", note)),
      fail: (note) => ifMine(() => this.#end("red", "✗", note)),
      skip: (note) => ifMine(() => this.#end("dim", "-", note)),
    };
  }

  /** Runs `work` as a stage: a tick when it resolves (with what `note` says of its value), a cross when it throws. */
  async run<T>(title: string, work: (stage: Stage) => Promise<T>, note?: (value: T) => string | undefined): Promise<T> {
    const stage = this.begin(title);
    try {
      const value = await work(stage);
      stage.done(note?.(value));
      return value;
    } catch (error) {
      stage.fail();
      throw error;
    }
  }

  /** A line that stays, above the stage that runs: a part of it that has ended. */
  line(text: string): void {
    const redrawn = this.#open && this.#options.live;
    if (redrawn) this.#timer?.cancel();
    this.#write(`${redrawn ? "\r\u001b[2K" : ""}${text}\n`);
    if (redrawn) this.#redraw();
  }

  /** Leaves the terminal clean, whatever happened. A stage that still runs is shown as not finished. */
  [Symbol.dispose](): void {
    if (this.#open) this.#end("red", "✗", "not finished");
  }

  #update(detail: string): void {
    if (detail === this.#detail) return;
    this.#detail = detail;
    if (this.#options.live) return;
    const kind = detail.replaceAll(/\d+/g, "#");
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - (this.#saidMs.get(kind) ?? Number.NEGATIVE_INFINITY) < sayAgainMs) return;
    if (this.#saidMs.size < saidMax) this.#saidMs.set(kind, nowMs);
    this.#write(`  ${this.#title}: ${detail}\n`);
  }

  #end(style: "green" | "red" | "dim", mark: string, note: string | undefined): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#open = false;
    const { paint, clock, live } = this.#options;
    const time = paint("dim", elapsed(clock.monotonicMs() - this.#startedMs));
    const remark = note === undefined ? "" : ` ${paint("dim", `(${note})`)}`;
    this.#write(`${live ? "\r\u001b[2K" : ""}${paint(style, mark)} ${this.#title}${remark}  ${time}\n`);
  }

  #redraw(): void {
    const { clock, paint, stream } = this.#options;
    const mark = spinner[this.#frame % spinner.length] ?? "…";
    this.#frame += 1;
    const time = elapsed(clock.monotonicMs() - this.#startedMs);
    // A terminal that does not know its width says 0.
    const room = Math.max(20, (stream.columns || 80) - time.length - 6);
    const text = this.#detail === "" ? this.#title : `${this.#title}: ${this.#detail}`;
    const cut = text.length > room ? `${text.slice(0, room - 1)}…` : text;
    this.#write(`\r\u001b[2K${paint("cyan", mark)} ${cut}  ${paint("dim", time)}`);
    this.#timer = clock.timer(redrawMs, () => {
      if (this.#open) this.#redraw();
    });
  }

  #write(text: string): void {
    if (!this.#options.quiet) this.#options.stream.write(text);
  }
}
