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
    execFile(program, [...args], { signal, killSignal: "SIGKILL", maxBuffer: 1_048_576 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      if (error !== null && "code" in error && error.code === "ENOENT") resolve(undefined);
      else resolve({ code, text: `${stdout}${stderr}` });
    });
  });
}

/** Absolute path of a program in PATH and the system's own directories. */
export function which(program: string): string | undefined {
  if (program.startsWith("/")) return isExecutable(program) ? program : undefined;
  const directories = [
    ...(process.env["PATH"] ?? "").split(":"),
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
  ];
  for (const directory of directories) {
    const path = join(directory, program);
    if (directory !== "" && isExecutable(path)) return path;
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
