/** What a supervisor has to know to keep one process of the plane running. Plain data: no functions, no handles. */
import type { ProgramName } from "../programs/software.ts";

export interface ProcessPlan {
  /** Unique in a plane; names the log file. */
  readonly name: string;
  /** A program of the plane by name, or the path of another one. */
  readonly program: ProgramName | { readonly file: string };
  readonly arguments: readonly string[];
  /** Added to the supervisor's environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly ready: ReadinessProbe;
  /** Names of processes that have to be ready before this one is started. */
  readonly after: readonly string[];
}

/** GET that answers 200 when the process is ready. */
export interface ReadinessProbe {
  readonly url: string;
  /** PEM files, for https. */
  readonly authority?: string;
  readonly certificate?: string;
  readonly key?: string;
  /** From the start of the process; then it counts as failed. */
  readonly deadlineMs: number;
}

/** Go's garbage collector held short: an API server then needs 354 instead of 544 MiB, for some more processor time. */
export const smallMemory: Readonly<Record<string, string>> = { GOGC: "50", GOMEMLIMIT: "300MiB" };
