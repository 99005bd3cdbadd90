/**
 * A client of a cluster that writes one object after the other, about four a second, and remembers what the server acknowledged: to find out whether something
 * that happens meanwhile can be noticed by whoever uses the cluster, and for how long.
 *
 * A write that fails is tried again under the same name until it is acknowledged; that it is there already counts as such, since then an answer was lost.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import {
  isAlreadyExists,
  type KubernetesClient,
  type KubernetesObject,
  type Resource,
  resource,
} from "@liquidmetal/kubernetes";

export interface WriterReport {
  readonly acknowledged: number;
  /** One for each time in a row that writes failed. */
  readonly interruptions: readonly { readonly durationMs: number; readonly reason: string }[];
  /** Longest time between two acknowledged writes, milliseconds. */
  readonly longestGapMs: number;
  /** Acknowledged, and not there. */
  readonly lost: readonly string[];
}

interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

const configMaps: Resource<ConfigMap> = resource<ConfigMap>({
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
});
const namespace = "default";
const label = "liquidmetal.dev/steady-writer";
const intervalMs = 250;
const randomMark = (): string => `w${process.pid}-${randomBytes(2).toString("hex")}`;

export class SteadyWriter implements AsyncDisposable {
  readonly #client: KubernetesClient;
  readonly #callTimeoutMs: number;
  readonly #stop = new AbortController();
  readonly #mark = randomMark();
  readonly #names: string[] = [];
  readonly #interruptions: { durationMs: number; reason: string }[] = [];
  #longestGapMs = 0;
  readonly #running: Promise<void>;

  private constructor(client: KubernetesClient, callTimeoutMs: number) {
    this.#client = client;
    this.#callTimeoutMs = callTimeoutMs;
    this.#running = this.#write();
  }

  /** `callTimeoutMs`: after that a write counts as failed. */
  static start(client: KubernetesClient, callTimeoutMs: number): SteadyWriter {
    return new SteadyWriter(client, callTimeoutMs);
  }

  get acknowledged(): number {
    return this.#names.length;
  }

  /** Resolves when so many more were acknowledged; rejects with the signal's reason. */
  async more(count: number, signal: AbortSignal): Promise<void> {
    const wanted = this.#names.length + count;
    while (this.#names.length < wanted) await pause(intervalMs, undefined, { signal });
  }

  /** Ends the writing, and looks what became of it; what was written is removed. */
  async finish(): Promise<WriterReport> {
    await this[Symbol.asyncDispose]();
    const labelSelector = `${label}=${this.#mark}`;
    const { items } = await this.#client.list(configMaps, { namespace, labelSelector, timeoutMs: 120_000 });
    const there = new Set(items.map(({ metadata }) => metadata?.name ?? ""));
    await this.#client.request(
      "DELETE",
      `/api/v1/namespaces/${namespace}/configmaps?labelSelector=${encodeURIComponent(labelSelector)}`,
    );
    return {
      acknowledged: this.#names.length,
      interruptions: this.#interruptions,
      longestGapMs: this.#longestGapMs,
      lost: this.#names.filter((name) => !there.has(name)),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #write(): Promise<void> {
    const { signal } = this.#stop;
    let last = performance.now();
    for (let number = 1; !signal.aborted; number += 1) {
      const name = `${this.#mark}-${String(number).padStart(6, "0")}`;
      if (!(await this.#acknowledged(name))) return;
      const now = performance.now();
      this.#longestGapMs = Math.max(this.#longestGapMs, now - last);
      last = now;
      this.#names.push(name);
      await pause(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** False when it was told to stop meanwhile. */
  async #acknowledged(name: string): Promise<boolean> {
    const { signal } = this.#stop;
    const object: ConfigMap = { metadata: { name, namespace, labels: { [label]: this.#mark } }, data: { name } };
    const began = performance.now();
    let failure: string | undefined;
    for (;;) {
      try {
        await this.#client.create(configMaps, object, { signal, timeoutMs: this.#callTimeoutMs });
        break;
      } catch (error) {
        if (signal.aborted) return false;
        if (isAlreadyExists(error)) break;
        failure ??= error instanceof Error ? error.message : String(error);
        await pause(intervalMs, undefined, { signal }).catch(() => undefined);
      }
    }
    if (failure !== undefined) this.#interruptions.push({ durationMs: performance.now() - began, reason: failure });
    return true;
  }
}
