/** A watch of the fake API server: the changes after a version, then each new one; bookmarks, ends and silence as the test says. */
import type { Clock, Timer } from "@liquidmetal/foundation";
import type { ApiError } from "../client/api-error.ts";
import { type JsonObject, objectAt } from "./json.ts";
import type { HistoryEntry, ObjectHistory } from "./object-history.ts";
import { refused } from "./object-rules.ts";

export type FakeWatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: JsonObject }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface FakeWatchOptions {
  readonly history: ObjectHistory;
  readonly clock: Clock;
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly selects: (object: JsonObject) => boolean;
  readonly version: number;
  readonly timeoutMs: number;
  /** After so long in a stall, the client gives it up. */
  readonly silenceMs: number;
  readonly signal: AbortSignal | undefined;
}

export class FakeWatch {
  readonly kind: string;
  readonly #options: FakeWatchOptions;
  #position: number;
  #bookmarks = 0;
  #ended: { readonly error?: ApiError } | undefined;
  #stalled = false;
  #silence: Timer | undefined;
  #wake: (() => void) | undefined;

  constructor(options: FakeWatchOptions) {
    this.kind = options.kind;
    this.#options = options;
    this.#position = options.version;
  }

  /** Sends a bookmark when all changes are out. */
  bookmark(): void {
    this.#bookmarks += 1;
    this.#notify();
  }

  /** Ends as a server does that is stopped; with an error, as one that is killed. */
  end(error?: ApiError): void {
    this.#ended = error === undefined ? {} : { error };
    this.#notify();
  }

  /** Says nothing any more, until the client has had enough of the silence. */
  stall(): void {
    if (this.#stalled) return;
    this.#stalled = true;
    const { clock, silenceMs } = this.#options;
    this.#silence = clock.timer(silenceMs, () => this.end(refused(0, "Silent", `nothing came for ${silenceMs} ms`)));
  }

  async *events(): AsyncGenerator<FakeWatchEvent> {
    const { history, clock, timeoutMs, signal } = this.#options;
    const changes = history.onChange(() => this.#notify());
    const timer = clock.timer(timeoutMs, () => this.end());
    const abort = (): void => this.#notify();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      for (;;) {
        signal?.throwIfAborted();
        if (this.#ended?.error !== undefined) throw this.#ended.error;
        if (!this.#stalled) yield* this.#ready();
        signal?.throwIfAborted();
        if (this.#ended !== undefined) {
          if (this.#ended.error !== undefined) throw this.#ended.error;
          return;
        }
        await this.#changed();
      }
    } finally {
      changes[Symbol.dispose]();
      timer.cancel();
      this.#silence?.cancel();
      signal?.removeEventListener("abort", abort);
    }
  }

  *#ready(): Generator<FakeWatchEvent> {
    const { history } = this.#options;
    if (this.#position < history.compactedTo) {
      throw refused(410, "Expired", `too old resource version: ${this.#position} (${history.compactedTo})`);
    }
    for (const entry of history.since(this.#position)) {
      this.#position = entry.version;
      const event = this.#eventOf(entry);
      if (event !== undefined) yield event;
    }
    for (; this.#bookmarks > 0; this.#bookmarks--) yield { type: "BOOKMARK", resourceVersion: String(this.#position) };
  }

  #eventOf(entry: HistoryEntry): FakeWatchEvent | undefined {
    const { kind, namespace, selects } = this.#options;
    if (entry.kind !== kind || (namespace !== undefined && entry.namespace !== namespace)) return undefined;
    const was = entry.previous !== undefined && selects(entry.previous);
    const is = !entry.deleted && selects(entry.object);
    if (is) return { type: was ? "MODIFIED" : "ADDED", object: entry.object };
    if (!was) return undefined;
    // An object that leaves the selection looks deleted; it carries the version of the change that took it away.
    const last = entry.deleted ? entry.object : withVersionOf(entry.previous ?? entry.object, entry.object);
    return { type: "DELETED", object: last };
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  async #changed(): Promise<void> {
    const { history, signal } = this.#options;
    const isReady = (): boolean =>
      signal?.aborted === true ||
      this.#ended !== undefined ||
      (!this.#stalled && (this.#bookmarks > 0 || history.version > this.#position));
    if (isReady()) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}

function withVersionOf(object: JsonObject, versioned: JsonObject): JsonObject {
  const { resourceVersion = "" } = objectAt(versioned, "metadata");
  return { ...object, metadata: { ...objectAt(object, "metadata"), resourceVersion } };
}
