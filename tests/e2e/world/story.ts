/** A test that is one story: steps that build on each other. When one fails, evidence is taken at once, and those that follow are not run, and say so. */
import type { TestContext } from "node:test";

export class Story {
  readonly #context: TestContext;
  readonly #onFailure: (step: string) => Promise<unknown>;
  readonly #began = performance.now();
  #failed: string | undefined;

  constructor(context: TestContext, onFailure: (step: string) => Promise<unknown>) {
    this.#context = context;
    this.#onFailure = onFailure;
  }

  /** Prints the line, with the seconds since the story began. */
  readonly say = (line: string): void => {
    process.stdout.write(`${((performance.now() - this.#began) / 1_000).toFixed(1).padStart(6)} s  ${line}\n`);
  };

  async step(name: string, work: () => Promise<void>): Promise<void> {
    const skip = this.#failed === undefined ? false : `“${this.#failed}” failed`;
    await this.#context.test(name, { skip }, async () => {
      try {
        await work();
        this.say(`✓ ${name}`);
      } catch (error) {
        this.#failed = name;
        this.say(`✘ ${name}: ${error instanceof Error ? error.message : String(error)}`);
        await this.#onFailure(name).catch((problem: unknown) => this.say(`no evidence: ${String(problem)}`));
        throw error;
      }
    });
  }
}
