/** The spawner port, played by plain child processes: enough for the tests of the images room, and theirs alone. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
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

export class ChildSpawner implements Spawner {
  /** Programs run so far, in order. */
  readonly programs: string[] = [];

  run(request: RunRequest): Promise<Result<RunResult, PlatformError>> {
    this.programs.push(request.program);
    const { program, args, privateMounts = false, timeoutMs = 30_000, signal } = request;
    const [file, words] = privateMounts
      ? ["unshare", ["--mount", "--propagation", "private", program, ...args]]
      : [program, [...args]];
    const env = { PATH: process.env["PATH"], ...request.env };
    return new Promise((resolve) => {
      execFile(
        file,
        words,
        { env, timeout: timeoutMs, maxBuffer: 1024 * 1024, ...(signal === undefined ? {} : { signal }) },
        (error, stdout, stderr) => {
          if (error === null) resolve(ok({ code: 0, stdout, stderr }));
          else if (typeof error.code === "number") resolve(ok({ code: error.code, stdout, stderr }));
          else
            resolve(
              err(new PlatformError(error.name === "AbortError" ? "CANCELLED" : "SPAWNER_UNAVAILABLE", error.message)),
            );
        },
      );
    });
  }

  async spawn(request: SpawnRequest): Promise<Result<ProcessIdentity, PlatformError>> {
    const child = spawn(request.program, [...request.args], {
      argv0: `${request.program}:${request.token}`,
      stdio: "ignore",
    });
    try {
      await once(child, "spawn");
    } catch (error) {
      return err(PlatformError.from(error, "SPAWNER_UNAVAILABLE"));
    }
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return ok({ pid: child.pid ?? 0, startTime: startTime(child.pid ?? 0), bootId, token: request.token });
  }

  async signal(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<LivenessVerdict> {
    const verdict = await this.verdict(identity);
    if (verdict === "alive") process.kill(identity.pid, signal);
    return verdict;
  }

  async verdict(identity: ProcessIdentity): Promise<LivenessVerdict> {
    try {
      const stat = readFileSync(`/proc/${identity.pid}/stat`, "utf8");
      if (stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z")) return "gone";
      return startTime(identity.pid) === identity.startTime ? "alive" : "gone";
    } catch {
      return "gone";
    }
  }

  async exited(identity: ProcessIdentity, options: { readonly signal?: AbortSignal } = {}): Promise<ProcessExit> {
    while ((await this.verdict(identity)) === "alive") {
      options.signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return { identity };
  }

  async findByTokenPrefix(): Promise<readonly ProcessIdentity[]> {
    return [];
  }

  async removeCgroup(): Promise<void> {}

  async close(): Promise<void> {}
}

function startTime(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
