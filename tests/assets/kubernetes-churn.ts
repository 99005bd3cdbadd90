/**
 * Somebody who writes widgets all the time, and a witness who compares: whatever happens to the lines between, a cache must end up with exactly what
 * the server has, and what it told its listeners must add up to that.
 */
import assert from "node:assert/strict";
import type { KubernetesClient, RunnableCache } from "@liquidmetal/kubernetes";
import { keyOf, keyText } from "@liquidmetal/kubernetes";
import { type Widget, widgets } from "./kubernetes-widget.ts";

/** Writes through `client` until disposed; counts what it did. Objects are named `<prefix>-<n>`. */
export class Churn implements AsyncDisposable {
  readonly #client: KubernetesClient;
  readonly #prefix: string;
  readonly #stop: AbortController = new AbortController();
  readonly #running: Promise<void>;
  writes = 0;

  constructor(client: KubernetesClient, prefix: string) {
    this.#client = client;
    this.#prefix = prefix;
    this.#running = this.#run();
  }

  /** Resolves after `count` more writes. */
  async more(count: number): Promise<void> {
    const until = this.writes + count;
    while (this.writes < until) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Ends after `count` writes. */
  async stopAfter(count: number): Promise<void> {
    await this.more(count);
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let round = 0; !this.#stop.signal.aborted; round++) {
      const key = { namespace: "default", name: `${this.#prefix}-${round % 30}` };
      const labels = { churn: this.#prefix, parity: round % 2 === 0 ? "even" : "odd" };
      await this.#client.apply(widgets, key, { metadata: { labels }, spec: { size: round } });
      if (round % 7 === 3) await this.#client.delete(widgets, { ...key, name: `${this.#prefix}-${(round * 5) % 30}` });
      this.writes += 1;
    }
  }
}

/** Adds up what a cache tells; fails when a change does not fit what was told before. */
export class Witness {
  readonly #cache: RunnableCache<Widget>;
  readonly #sum: Map<string, Widget> = new Map();
  readonly #wrong: string[] = [];
  readonly #waiting: Set<() => void> = new Set();
  changes = 0;

  constructor(cache: RunnableCache<Widget>) {
    this.#cache = cache;
    cache.onChange((change) => {
      this.changes += 1;
      const key = keyText(keyOf(change.object));
      const before = this.#sum.get(key);
      if ((before === undefined) !== (change.type === "added")) this.#wrong.push(`${change.type} ${key}`);
      if (change.type === "changed" && before !== change.previous) this.#wrong.push(`changed ${key} from elsewhere`);
      if (change.type === "deleted") this.#sum.delete(key);
      else this.#sum.set(key, change.object);
      for (const wake of this.#waiting) wake();
    });
  }

  /** Resolves when cache and sum are what a fresh list of the server says; nobody may write meanwhile. */
  async agrees(client: KubernetesClient, labelSelector?: string, timeoutMs = 60_000): Promise<void> {
    const { items } = await client.list(widgets, labelSelector === undefined ? {} : { labelSelector });
    const there = versions(items);
    const isSame = (): boolean => JSON.stringify(versions(this.#cache.list())) === JSON.stringify(there);
    if (!isSame()) await this.#until(isSame, timeoutMs, () => difference(versions(this.#cache.list()), there));
    assert.deepEqual(versions(this.#cache.list()), there);
    assert.deepEqual(versions([...this.#sum.values()]), there);
    assert.deepEqual(this.#wrong, []);
  }

  async #until(isSo: () => boolean, timeoutMs: number, describe: () => string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (!isSo()) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve();
      };
      const timer = setTimeout(
        () => reject(new Error(`after ${timeoutMs} ms still different: ${describe()}`)),
        timeoutMs,
      );
      this.#waiting.add(check);
    });
  }
}

function versions(objects: readonly Widget[]): readonly (readonly [string, string | undefined])[] {
  return objects
    .map((object) => [keyText(keyOf(object)), object.metadata?.resourceVersion] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function difference(have: ReturnType<typeof versions>, want: ReturnType<typeof versions>): string {
  const lines = new Set(want.map((entry) => entry.join(" ")));
  const extra = have.map((entry) => entry.join(" ")).filter((line) => !lines.delete(line));
  return `extra ${extra.slice(0, 5).join(", ")}; missing ${[...lines].slice(0, 5).join(", ")}`;
}
