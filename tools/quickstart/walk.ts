/** What every stage of the quickstart is given: the platform it is for, how to tell of itself, how to run commands, and when to stop. */
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type PlatformPaths, platformPaths } from "@liquidmetal/platform";
import { elapsed } from "../../packages/cli/src/program/duration.ts";
import type { Stage, StageRenderer } from "../../packages/cli/src/progress/stages.ts";
import { type CommandOptions, must, root, typed } from "./command.ts";
import { reporter } from "./report.ts";

export interface StageTime {
  readonly title: string;
  readonly durationMs: number;
}

export class Walk {
  readonly paths: PlatformPaths;
  readonly signal: AbortSignal;
  /** In the order in which they ended. */
  readonly times: StageTime[] = [];
  readonly #stages: StageRenderer;

  constructor(platform: string, stages: StageRenderer, signal: AbortSignal) {
    this.paths = platformPaths(platform);
    this.signal = signal;
    this.#stages = stages;
  }

  /** One line of progress, with a tick when `work` resolves and a cross when it throws. */
  async stage<T>(
    title: string,
    work: (stage: Stage, report: (line: string) => void) => Promise<T>,
    note?: (value: T) => string | undefined,
  ): Promise<T> {
    this.signal.throwIfAborted();
    return this.#timed(title, () => this.#stages.run(title, (stage) => work(stage, reporter(stage)), note));
  }

  /** A stage whose command has progress of its own to show, as a tree that is redrawn. */
  async shown<T>(title: string, work: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    const started = performance.now();
    this.#stages.line(`… ${title}`);
    const value = await this.#timed(title, work);
    this.#stages.line(`✓ ${title}  ${elapsed(performance.now() - started)}`);
    return value;
  }

  /** Runs `bin/lm` for this platform. */
  lm(args: readonly string[], more: Omit<CommandOptions, "signal"> = {}): Promise<string> {
    return must(join(root, "bin/lm"), this.ofPlatform(args), { signal: this.signal, ...more });
  }

  /** With the platform's flag, where it is not the default one; before the words that are for somebody else. */
  ofPlatform(args: readonly string[]): readonly string[] {
    if (this.paths.name === "default") return args;
    const end = args.includes("--") ? args.indexOf("--") : args.length;
    return [...args.slice(0, end), "--platform", this.paths.name, ...args.slice(end)];
  }

  /** Runs `lm` as a user would, and shows it with its output. */
  async show(args: readonly string[]): Promise<void> {
    const output = await this.lm(args);
    this.print(`\n$ ${typed("bin/lm", this.ofPlatform(args))}\n${output}`);
  }

  /** Before something is tried again. */
  pause(milliseconds: number): Promise<void> {
    return setTimeout(milliseconds, undefined, { signal: this.signal });
  }

  print(text: string): void {
    process.stdout.write(text);
  }

  async #timed<T>(title: string, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const value = await work();
    this.times.push({ title, durationMs: performance.now() - started });
    return value;
  }
}
