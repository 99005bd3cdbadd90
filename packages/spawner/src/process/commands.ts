/** Short commands: waited for, bounded in time and output, killed with everything they started. */
import { spawn } from "node:child_process";
import type { RunRequest, RunResult } from "@liquidmetal/microvm";
import { outputBytesMax } from "../protocol.ts";
import { enterNetwork, resolveProgram } from "./launch.ts";
import { Refusal } from "./refusal.ts";

/** After a kill, how long output may still come from processes that left the group, in milliseconds. */
const drainMs = 1_000;

export function runCommand(request: Omit<RunRequest, "signal">, signal: AbortSignal): Promise<RunResult> {
  const { timeoutMs = 30_000, stdin = "" } = request;
  const path = request.env?.["PATH"] ?? process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin";
  const program = resolveProgram(request.program, path);
  const [first = program, ...rest] = [
    ...(request.networkNamespace === undefined ? [] : enterNetwork(request.networkNamespace)),
    ...(request.privateMounts === true ? ["unshare", "--mount", "--propagation", "private", "--"] : []),
    program,
    ...request.args,
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(first, rest, { cwd: "/", env: { ...request.env, PATH: path }, detached: true, stdio: "pipe" });
    let ending: Refusal | undefined;
    const end = (reason: Refusal): void => {
      ending ??= reason;
      killGroup(child.pid);
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, drainMs).unref();
    };
    const name = request.program;
    const timer = setTimeout(
      () => end(new Refusal("DEADLINE_EXCEEDED", `${name} took longer than ${timeoutMs} ms and was killed`)),
      timeoutMs,
    );
    const cancel = (): void => end(new Refusal("CANCELLED", `${name} was cancelled and killed`));
    signal.addEventListener("abort", cancel, { once: true });
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
    };
    const stdout = keepOutput(child.stdout);
    const stderr = keepOutput(child.stderr);
    child.once("error", (error) => {
      settle();
      reject(new Refusal("PROCESS_FAILED", `${name} cannot be executed: ${error.message}`));
    });
    child.once("close", (code, killer) => {
      settle();
      if (ending !== undefined) reject(ending);
      else if (code === null)
        reject(new Refusal("PROCESS_FAILED", `${name} was ended by ${killer}: ${stderr().slice(-500).trim()}`));
      else resolve({ code, stdout: stdout(), stderr: stderr() });
    });
    // A program that does not read its input closes it early: no failure of ours.
    child.stdin.on("error", () => {});
    child.stdin.end(stdin);
    if (signal.aborted) cancel();
  });
}

function keepOutput(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream.on("data", (chunk: Buffer) => {
    const kept = chunk.subarray(0, outputBytesMax - length);
    length += kept.length;
    if (kept.length > 0) chunks.push(kept);
  });
  return () => Buffer.concat(chunks, length).toString("utf8");
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // The group has ended by itself.
  }
}
