/**
 * An embedded platform of a test's own, used as a user uses it: by `bin/lm` alone, real processes, real guests.
 *
 * Everything is in one temporary directory. With `isolated`, every command runs in a network namespace made for the test, so that a platform without a
 * namespace of its own meets nobody else's network either. Disposal takes all of it down, whatever the test did.
 */
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { bootImages } from "../assets/boot-images.ts";

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with all of the output so far; may answer with a signal for `lm`. */
  readonly onOutput?: (stdout: string, stderr: string) => NodeJS.Signals | undefined;
  readonly timeoutMs?: number;
}

export interface Part {
  readonly name: string;
  readonly state: string;
  readonly healthy: boolean;
  readonly pid: number | null;
}

const program = join(import.meta.dirname, "../../bin/lm");
const defaultTimeoutMs = 120_000;

/** Why a test of this kind cannot run here; false when it can. */
export const platformSkip: string | false =
  process.getuid?.() !== 0
    ? "the platform needs root"
    : existsSync("/usr/bin/qemu-system-x86_64") && existsSync("/usr/bin/containerd")
      ? false
      : "apt-get install qemu-system-x86 containerd";

export class PlatformWorld implements AsyncDisposable {
  readonly name: string = `e2e${randomBytes(4).toString("hex")}`;
  readonly directory: string = mkdtempSync(join(tmpdir(), "lm-e2e-"));
  readonly stateDirectory: string = join(this.directory, "state");
  readonly runDirectory: string = join(this.directory, "run");
  readonly #networkNamespace: string | undefined;

  constructor(options: { readonly isolated?: boolean } = {}) {
    // Hypervisors run as users of their own, which must get through here.
    chmodSync(this.directory, 0o711);
    if (options.isolated !== true) return;
    this.#networkNamespace = `${this.name}-host`;
    execFileSync("ip", ["netns", "add", this.#networkNamespace]);
    this.inNetwork("ip", "link", "set", "lo", "up");
  }

  /** The environment of every command; nothing of the caller's settings gets in. */
  get env(): NodeJS.ProcessEnv {
    return {
      PATH: process.env["PATH"],
      HOME: this.directory,
      // Built images and compiled code are nobody's settings, and take long to make.
      XDG_CACHE_HOME: process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
      XDG_CONFIG_HOME: join(this.directory, "config"),
      LM_PLATFORM: this.name,
      LM_STATE_DIR: this.stateDirectory,
      LM_RUN_DIR: this.runDirectory,
    };
  }

  /** A program in the network that the platform's commands run in; its output. Throws when it fails. */
  inNetwork(...command: readonly string[]): string {
    const [file = "", ...args] = [...this.#prefix(), ...command];
    return execFileSync(file, args, { encoding: "utf8", env: { ...process.env, ...this.env }, timeout: 60_000 });
  }

  lm(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return this.run([program, ...args], options);
  }

  run(command: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const [file = "", ...args] = [...this.#prefix(), ...command];
    return new Promise((resolve, reject) => {
      const env = { ...this.env, ...options.env };
      const timeout = options.timeoutMs ?? defaultTimeoutMs;
      const child = spawn(file, args, { env, timeout, killSignal: "SIGKILL", cwd: this.directory });
      const texts = { stdout: "", stderr: "" };
      for (const name of ["stdout", "stderr"] as const) {
        child[name].on("data", (chunk: Buffer) => {
          texts[name] += chunk.toString();
          const signal = options.onOutput?.(texts.stdout, texts.stderr);
          if (signal !== undefined) child.kill(signal);
        });
      }
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, ...texts }));
      child.stdin.on("error", () => undefined);
      child.stdin.end(options.stdin ?? "");
    });
  }

  /** Standard output of a command that must succeed. */
  async ok(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const outcome = await this.lm(args, options);
    if (outcome.code === 0) return outcome.stdout;
    throw new Error(`'lm ${args.join(" ")}' ended with ${outcome.code}:\n${outcome.stdout}${outcome.stderr}`);
  }

  async json<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.ok([...args, "-o", "json"])) as T;
  }

  async parts(): Promise<ReadonlyMap<string, Part>> {
    const { stdout } = await this.lm(["status", "-o", "json"]);
    const { parts } = JSON.parse(stdout) as { readonly parts: readonly Part[] };
    return new Map(parts.map((part) => [part.name, part]));
  }

  /** Waits until `look` holds, by the deadline. */
  async until(what: string, look: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await look())) {
      if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Imports a kernel and a root volume; their references, and the root volume's OCI layout directory. */
  async importImages(): Promise<{ readonly kernel: string; readonly root: string; readonly rootLayout: string }> {
    const { kernel, root } = await bootImages();
    for (const { layout } of [kernel, root]) await this.ok(["image", "import", layout]);
    return { kernel: kernel.reference, root: root.reference, rootLayout: root.layout };
  }

  /** Processes whose command line names this world: what must be gone at the end. */
  processes(): readonly number[] {
    return readdirSync("/proc").flatMap((entry) => {
      if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return [];
      try {
        const line = readFileSync(`/proc/${entry}/cmdline`, "utf8");
        return line.includes(this.directory) || line.includes(this.name) ? [Number(entry)] : [];
      } catch {
        return [];
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (existsSync(this.stateDirectory)) await this.lm(["down", "--delete", "--yes"], { timeoutMs: 60_000 });
    } finally {
      for (const pid of this.processes()) kill(pid);
      if (this.#networkNamespace !== undefined) execFileSync("ip", ["netns", "del", this.#networkNamespace]);
      rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
    }
  }

  #prefix(): readonly string[] {
    // Not `ip netns exec`: that makes a mount namespace for every command, and containerd's mounts would be in one only.
    return this.#networkNamespace === undefined ? [] : ["nsenter", `--net=/run/netns/${this.#networkNamespace}`, "--"];
  }
}

export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}
