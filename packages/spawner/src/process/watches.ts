/**
 * Who has ended. Children tell by themselves; processes of an earlier spawner are looked at, all by one timer.
 *
 * A look is one byte read from an open /proc/PID/cmdline: the descriptor is bound to the process (not to the number, which may be given to
 * another), a process that has ended yields nothing. Only then is the state read, to be sure. 1,000 looks take a few milliseconds.
 */
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import type { ProcessExit, ProcessIdentity } from "@liquidmetal/microvm";
import { ended, readStat, verdictOf } from "./procfs.ts";

type Listener = (exit: ProcessExit) => void;

interface Adopted {
  readonly identity: ProcessIdentity;
  /** -1 when it could not be opened (too many open files): then the state is read each time. */
  readonly file: number;
}

const lookEveryMs = 150;
/** Exits of children that nobody has asked for yet. */
const rememberedMax = 8_192;

export class Watches {
  readonly #children: Set<string> = new Set();
  readonly #exits: Map<string, ProcessExit> = new Map();
  readonly #adopted: Map<string, Adopted> = new Map();
  readonly #listeners: Map<string, Set<Listener>> = new Map();
  readonly #byte: Buffer = Buffer.alloc(1);
  #timer: NodeJS.Timeout | undefined;

  /** Takes note of a child of ours. Call in the turn in which it was started. */
  child(identity: ProcessIdentity, child: ChildProcess): void {
    const key = keyOf(identity);
    this.#children.add(key);
    const settle = (code: number | null, signal: string | null): void => {
      this.#children.delete(key);
      const exit = { identity, ...(code === null ? {} : { code }), ...(signal === null ? {} : { signal }) };
      const oldest = this.#exits.size >= rememberedMax ? this.#exits.keys().next().value : undefined;
      if (oldest !== undefined) this.#exits.delete(oldest);
      this.#exits.set(key, exit);
      this.#tell(key, exit);
    };
    if (child.exitCode !== null || child.signalCode !== null) settle(child.exitCode, child.signalCode);
    else child.once("exit", settle);
  }

  /** Calls `listener` once, when the process has ended; at once if it has already. Returns how to take it back. */
  watch(identity: ProcessIdentity, listener: Listener): () => void {
    const key = keyOf(identity);
    const known = this.#exits.get(key);
    if (known !== undefined || (!this.#children.has(key) && verdictOf(identity) === "gone")) {
      listener(known ?? { identity });
      return () => {};
    }
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    if (!this.#children.has(key)) this.#adopt(key, identity);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#forget(key);
    };
  }

  /** A signal was sent: a process of an earlier spawner is looked at closely for a while, as it will probably end. */
  expectEnd(identity: ProcessIdentity): void {
    const key = keyOf(identity);
    const look = (delayMs: number): void => {
      const adopted = this.#adopted.get(key);
      if (adopted === undefined) return;
      this.#lookAt(key, adopted);
      if (delayMs < lookEveryMs) setTimeout(() => look(delayMs * 2), delayMs);
    };
    setTimeout(() => look(2), 1);
  }

  #adopt(key: string, identity: ProcessIdentity): void {
    if (this.#adopted.has(key)) return;
    this.#adopted.set(key, { identity, file: openCommandLine(identity.pid) });
    this.#timer ??= setInterval(() => this.#look(), lookEveryMs);
  }

  #look(): void {
    for (const [key, adopted] of this.#adopted) this.#lookAt(key, adopted);
  }

  #lookAt(key: string, { identity, file }: Adopted): void {
    if (!this.#seemsAlive(file) && hasEnded(identity)) this.#tell(key, { identity });
  }

  #seemsAlive(file: number): boolean {
    try {
      return file >= 0 && readSync(file, this.#byte, 0, 1, 0) === 1;
    } catch {
      return false;
    }
  }

  #tell(key: string, exit: ProcessExit): void {
    const listeners = this.#listeners.get(key) ?? [];
    this.#forget(key);
    for (const listener of listeners) listener(exit);
  }

  #forget(key: string): void {
    this.#listeners.delete(key);
    const adopted = this.#adopted.get(key);
    if (adopted === undefined) return;
    this.#adopted.delete(key);
    if (adopted.file >= 0) closeSync(adopted.file);
    if (this.#adopted.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function openCommandLine(pid: number): number {
  try {
    return openSync(`/proc/${pid}/cmdline`, "r");
  } catch {
    return -1;
  }
}

/** What cannot be read has not ended, as far as we know. */
function hasEnded(identity: ProcessIdentity): boolean {
  try {
    const stat = readStat(identity.pid);
    return stat === undefined || stat.startTime !== identity.startTime || ended(stat);
  } catch {
    return false;
  }
}

function keyOf(identity: ProcessIdentity): string {
  return `${identity.bootId}:${identity.pid}:${identity.startTime}`;
}
