/** A small file that others replace while we run (tokens, certificates): its content as of now, read again when it has changed. */
import { readFile, stat } from "node:fs/promises";
import { type Clock, PlatformError } from "@liquidmetal/foundation";

/** Looked at no more often than this, milliseconds. */
const lookEveryMs = 5_000;
/** No token and no bundle of certificates is larger. */
const limitBytes = 4_194_304;

export class ChangingFile {
  readonly path: string;
  readonly #clock: Clock;
  #content = "";
  #identity = "";
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.#clock = clock;
  }

  /**
   * Its text. With `now`, the file is looked at even if that was done a moment ago.
   * Throws KUBECONFIG_INVALID when there is none and never was; keeps the last text while the file is away.
   */
  async text(now = false): Promise<string> {
    const sinceMs = this.#clock.monotonicMs() - this.#lookedAtMs;
    if (!now && sinceMs < lookEveryMs) return this.#content;
    try {
      await this.#look();
    } catch (error) {
      if (this.#identity === "") throw unreadable(this.path, error);
    }
    this.#lookedAtMs = this.#clock.monotonicMs();
    return this.#content;
  }

  async #look(): Promise<void> {
    const { ino, size, mtimeMs, ctimeMs } = await stat(this.path);
    const identity = `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
    if (identity === this.#identity) return;
    if (size > limitBytes) throw new Error(`it has ${size} bytes; at most ${limitBytes} make sense`);
    const content = await readFile(this.path, "utf8");
    // A file that is being written in place is empty for a moment.
    if (content.trim() === "" && this.#identity !== "") return;
    if (content.trim() === "") throw new Error("it is empty");
    this.#content = content;
    this.#identity = identity;
  }
}

function unreadable(path: string, cause: unknown): PlatformError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new PlatformError("KUBECONFIG_INVALID", `${path} cannot be read: ${why}`, { cause });
}
