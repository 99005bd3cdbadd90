/** A spawner for the network's tests: the port over `child_process`, in the test's own process. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { err, ok, PlatformError, type Result } from "@liquidmetal/foundation";
import type {
  LivenessVerdict,
  ProcessExit,
  ProcessIdentity,
  RunRequest,
  RunResult,
  Spawner,
  SpawnRequest,
} from "@liquidmetal/microvm";

export class DirectSpawner implements Spawner {
  readonly #children: Map<number, ChildProcess> = new Map();
  /** Number of `run` calls so far. */
  runs = 0;

  async run(request: RunRequest): Promise<Result<RunResult, PlatformError>> {
    this.runs++;
    const [program, args] = inNamespace(request.networkNamespace, request.program, request.args);
    return await new Promise((resolve) => {
      const child = spawn(program, args, {
        stdio: "pipe",
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      });
      let stdout = "";
      let stderr = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      child.on("error", (error) => resolve(err(PlatformError.from(error, "UNAVAILABLE"))));
      child.on("close", (code) =>
        resolve(ok({ code: code ?? 137, stdout: stdout.slice(0, 1 << 20), stderr: stderr.slice(0, 1 << 20) })),
      );
      child.stdin.on("error", () => undefined);
      child.stdin.end(request.stdin ?? "");
    });
  }

  async spawn(request: SpawnRequest): Promise<Result<ProcessIdentity, PlatformError>> {
    const [program, args] = inNamespace(request.networkNamespace, request.program, request.args);
    const output = openSync(request.stderrPath ?? "/dev/null", "a");
    const child = spawn(program, args, { stdio: ["ignore", output, output], detached: true });
    closeSync(output);
    const pid = await new Promise<number | undefined>((resolve) => {
      child.once("spawn", () => resolve(child.pid));
      child.once("error", () => resolve(undefined));
    });
    if (pid === undefined) return err(new PlatformError("UNAVAILABLE", `${request.program} cannot be run`));
    this.#children.set(pid, child);
    return ok(identityOf(pid, request.token));
  }

  async signal(identity: ProcessIdentity, signal: "SIGTERM" | "SIGKILL" | "SIGHUP"): Promise<LivenessVerdict> {
    const verdict = await this.verdict(identity);
    if (verdict === "alive") process.kill(identity.pid, signal);
    return verdict;
  }

  async verdict(identity: ProcessIdentity): Promise<LivenessVerdict> {
    return startTime(identity.pid) === identity.startTime ? "alive" : "gone";
  }

  async exited(identity: ProcessIdentity, options: { readonly signal?: AbortSignal } = {}): Promise<ProcessExit> {
    const { signal } = options;
    return await new Promise((resolve, reject) => {
      const timer = setInterval(() => {
        if (startTime(identity.pid) === identity.startTime) return;
        finish();
        resolve({ identity });
      }, 20);
      const abort = (): void => {
        finish();
        reject(signal?.reason);
      };
      const finish = (): void => {
        clearInterval(timer);
        signal?.removeEventListener("abort", abort);
      };
      if (signal?.aborted) abort();
      else signal?.addEventListener("abort", abort);
    });
  }

  async findByTokenPrefix(prefix: string): Promise<readonly ProcessIdentity[]> {
    const found: ProcessIdentity[] = [];
    for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      const token = tokenOf(Number(entry), prefix);
      if (token !== undefined) found.push(identityOf(Number(entry), token));
    }
    return found;
  }

  async removeCgroup(): Promise<void> {}

  async close(): Promise<void> {
    for (const child of this.#children.values()) child.unref();
  }
}

function inNamespace(
  name: string | undefined,
  program: string,
  args: readonly string[],
): readonly [string, readonly string[]] {
  return name === undefined ? [program, args] : ["ip", ["netns", "exec", name, program, ...args]];
}

function tokenOf(pid: number, prefix: string): string | undefined {
  const command = read(`/proc/${pid}/cmdline`);
  const at = command.indexOf(prefix);
  return at < 0 || startTime(pid) === "" ? undefined : /^[\w:-]*/.exec(command.slice(at))?.[0];
}

function identityOf(pid: number, token: string): ProcessIdentity {
  return { pid, startTime: startTime(pid), bootId: "test", token };
}

/** Field 22 of /proc/PID/stat; empty for what is gone or a zombie. */
function startTime(pid: number): string {
  const fields = read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, "")
    .split(" ");
  return fields[0] === "Z" ? "" : (fields[19] ?? "");
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
