/**
 * Records of supervised processes. A record with the token is written before the process is spawned, the pid is added after: so a crash at any
 * point leaves a process that is found again by its token.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findByToken, identify, isAlive, type ProcessIdentity } from "./identity.ts";

export interface ProcessRecord {
  readonly unit: string;
  readonly token: string;
  /** Of command, arguments, configuration: a process of another fingerprint is replaced. */
  readonly fingerprint: string;
  readonly identity?: ProcessIdentity;
}

export class ProcessRecords {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  write(record: ProcessRecord): void {
    const path = this.#path(record.unit);
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  remove(unit: string): void {
    rmSync(this.#path(unit), { force: true });
  }

  all(): readonly ProcessRecord[] {
    return readdirSync(this.#directory).flatMap((file) => {
      const record = file.endsWith(".json") ? this.read(file.slice(0, -5)) : undefined;
      return record === undefined ? [] : [record];
    });
  }

  read(unit: string): ProcessRecord | undefined {
    try {
      const value: unknown = JSON.parse(readFileSync(this.#path(unit), "utf8"));
      return isRecord(value) ? value : undefined;
    } catch {
      return undefined;
    }
  }

  #path(unit: string): string {
    return join(this.#directory, `${unit}.json`);
  }
}

/** The live process of a record, also when the crash came between spawning and recording its pid. */
export function liveProcess(record: ProcessRecord): ProcessIdentity | undefined {
  if (record.identity !== undefined) return isAlive(record.identity) ? record.identity : undefined;
  for (const pid of findByToken(record.token)) {
    const identity = identify(pid, record.token);
    if (identity !== undefined) return identity;
  }
  return undefined;
}

function isRecord(value: unknown): value is ProcessRecord {
  return (
    typeof value === "object" &&
    value !== null &&
    "unit" in value &&
    typeof value.unit === "string" &&
    "token" in value &&
    typeof value.token === "string" &&
    value.token.length >= 16 &&
    "fingerprint" in value &&
    typeof value.fingerprint === "string"
  );
}
