/** clusterctl, with nothing of this machine's own configuration and no word to the network. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export class Clusterctl implements AsyncDisposable {
  readonly #program: string;
  readonly #home: string;

  private constructor(program: string, home: string) {
    this.#program = program;
    this.#home = home;
  }

  static async open(program: string): Promise<Clusterctl> {
    return new Clusterctl(program, await mkdtemp(join(tmpdir(), "lm-clusterctl-")));
  }

  /** Its own; a release may be written into it. */
  get directory(): string {
    return this.#home;
  }

  /** Returns stdout. */
  async run(args: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<string> {
    const env = {
      PATH: process.env["PATH"],
      HOME: this.#home,
      XDG_CONFIG_HOME: this.#home,
      CLUSTERCTL_DISABLE_VERSIONCHECK: "true",
      ...variables,
    };
    const options = { env, timeout: 120_000, maxBuffer: 64 * 1024 * 1024, cwd: this.#home };
    const { stdout } = await run(this.#program, args, options);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#home, { recursive: true, force: true });
  }
}
