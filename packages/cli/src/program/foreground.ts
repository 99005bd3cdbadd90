/** Another program in our place: it has our terminal, and what it ends with is what we end with. */
import { spawn } from "node:child_process";
import { PlatformError } from "@liquidmetal/foundation";
import type { Session } from "./session.ts";

export interface ForegroundProgram {
  /** Path, or a name that PATH knows. */
  readonly program: string;
  readonly args: readonly string[];
  /** Default: our own. */
  readonly env?: NodeJS.ProcessEnv;
  /** What there is to do where it cannot be run. */
  readonly remedy: string;
  /** For that error. */
  readonly name: string;
}

/** Its exit code; 130 when Ctrl-C ended it. UNAVAILABLE when it cannot be run. */
export function runInForeground(
  { program, args, env, remedy, name }: ForegroundProgram,
  { signal: ending }: Pick<Session, "signal">,
): Promise<number> {
  return new Promise((resolve, reject) => {
    // It shares our terminal and gets Ctrl-C by itself: it decides what that means.
    const child = spawn(program, [...args], { stdio: "inherit", ...(env === undefined ? {} : { env }) });
    const pass = (): void => {
      child.kill("SIGTERM");
    };
    ending.addEventListener("abort", pass, { once: true });
    child.once("error", (cause) => {
      reject(new PlatformError("UNAVAILABLE", `${name} cannot be run`, { cause, remedy }));
    });
    child.once("close", (code, signal) => {
      ending.removeEventListener("abort", pass);
      resolve(code ?? (signal === "SIGINT" ? 130 : 1));
    });
  });
}
