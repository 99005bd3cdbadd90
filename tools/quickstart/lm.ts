/** Runs `bin/lm` as a user would, so that the quickstart shows nothing that cannot be typed by hand. */
import { spawn } from "node:child_process";
import { join } from "node:path";

export const root: string = join(import.meta.dirname, "../..");

interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it and collects its output; `onLine` sees every line of its progress. Rejects only when it cannot be started. */
function lm(args: readonly string[], onLine: (line: string) => void = () => {}): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(root, "bin/lm"), args, { stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    let rest = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line.trim());
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}

/** As `lm`, and throws with what the command said when it fails. */
export async function mustLm(args: readonly string[], onLine?: (line: string) => void): Promise<string> {
  const result = await lm(args, onLine);
  if (result.code !== 0) throw new Error(failure(args, result));
  return result.stdout;
}

/** The command's own error and hint, without its progress. */
function failure(args: readonly string[], result: CommandResult): string {
  const start = result.stderr.search(/^error: /m);
  const said = result.stderr.slice(Math.max(0, start)).trim();
  return `lm ${args.join(" ")}\nended with exit code ${result.code}: ${said.replace(/^error: /, "")}`;
}
