/** What a supervisor runs, as data: written by `lm up`, read by the supervisor. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { HttpProbe } from "../process/http-probe.ts";

/** How it is seen that a unit works. `running`: being there is enough. `http`: it answers 200. */
export type Readiness =
  | { readonly kind: "containerd"; readonly socket: string }
  | { readonly kind: "agent"; readonly socket: string }
  | { readonly kind: "file"; readonly path: string }
  | ({ readonly kind: "http" } & HttpProbe)
  | { readonly kind: "running" };

export interface Unit {
  /** Lower-case word; part of file names. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logPath: string;
  /** Units that must be ready first. */
  readonly after: readonly string[];
  readonly readiness: Readiness;
  /** How long it may take to be ready, milliseconds. */
  readonly readyTimeoutMs: number;
  /** How long it may take to end on SIGTERM before it is killed, milliseconds. */
  readonly stopTimeoutMs: number;
  /** Changes when what it reads (a rendered configuration) changes. */
  readonly inputs: string;
  /** Name of the network namespace that it runs in; absent = the host's. */
  readonly networkNamespace?: string;
  /** Units of a group can be ended together, before the others. */
  readonly group?: "management-plane";
  /** For people. */
  readonly version?: string;
}

export interface SupervisorPlan {
  readonly platform: string;
  readonly socket: string;
  readonly lockFile: string;
  readonly recordDirectory: string;
  /** In the order of starting. */
  readonly units: readonly Unit[];
  /** First delay of the restart back-off, and the longest, milliseconds. */
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** A unit that takes questions and says nothing at all for so long is ended, and started again. Milliseconds; default 180,000. */
  readonly silenceLimitMs?: number;
}

/** A process with another fingerprint than its unit's is replaced. */
export function fingerprintOf(unit: Unit): string {
  const { program, args, env, inputs, networkNamespace } = unit;
  const parts = [program, args, env, inputs, ...(networkNamespace === undefined ? [] : [networkNamespace])];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}

export function planFingerprint(plan: SupervisorPlan): string {
  return createHash("sha256").update(JSON.stringify(plan)).digest("hex").slice(0, 16);
}

/** The plan in a file that `lm up` wrote; a broken one throws. */
export function readPlan(path: string): SupervisorPlan {
  const value: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (typeof value !== "object" || value === null || !("units" in value) || !Array.isArray(value.units)) {
    throw new Error(`${path} is not a plan`);
  }
  return value as SupervisorPlan;
}
