/** Short commands whose output the doctor reads. */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";

export interface CommandOutput {
  readonly code: number;
  readonly text: string;
}

/** Standard output and error together; `undefined` when the program is not there. Killed by the signal. */
export function output(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<CommandOutput | undefined> {
  return new Promise((resolve) => {
    const env = { ...process.env, PATH: searchPath().join(":"), LC_ALL: "C" };
    const options = { signal, killSignal: "SIGKILL", maxBuffer: 1_048_576, env } as const;
    execFile(program, [...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      if (error !== null && "code" in error && error.code === "ENOENT") resolve(undefined);
      else resolve({ code, text: `${stdout}${stderr}` });
    });
  });
}

/** PATH and the system's own directories: those of a user often lack sbin, while the platform's programs run with them. */
function searchPath(): readonly string[] {
  const own = (process.env["PATH"] ?? "").split(":").filter((directory) => directory !== "");
  return [...new Set([...own, "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])];
}

/** Absolute path of a program in PATH and the system's own directories. */
export function which(program: string): string | undefined {
  if (program.startsWith("/")) return isExecutable(program) ? program : undefined;
  for (const directory of searchPath()) {
    const path = join(directory, program);
    if (isExecutable(path)) return path;
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
