/** kubectl for a cluster of the platform, as a user has it: `lm kubectl`, so that the machine needs none of its own. */
import { typed } from "./command.ts";
import type { Walk } from "./walk.ts";

export class Kubectl {
  readonly #walk: Walk;
  readonly #cluster: string;

  constructor(walk: Walk, cluster: string) {
    this.#walk = walk;
    this.#cluster = cluster;
  }

  /** `onLine` sees what it prints meanwhile. */
  run(args: readonly string[], onLine?: (line: string) => void): Promise<string> {
    return this.#walk.lm(this.#words(args), onLine === undefined ? {} : { onLine, onOutput: onLine });
  }

  /** Runs it again until it succeeds, for what takes a moment to be true; throws its last error after `timeoutMs`. */
  async soon(args: readonly string[], timeoutMs: number): Promise<string> {
    const deadline = AbortSignal.timeout(timeoutMs);
    for (;;) {
      try {
        return await this.run(args);
      } catch (error) {
        this.#walk.signal.throwIfAborted();
        if (deadline.aborted) throw error;
        await this.#walk.pause(1_000);
      }
    }
  }

  /** As one would type it. */
  typed(args: readonly string[]): string {
    return typed("bin/lm", this.#walk.ofPlatform(this.#words(args)));
  }

  #words(args: readonly string[]): readonly string[] {
    return ["kubectl", "--cluster", this.#cluster, "--", ...args];
  }
}
