/**
 * Whether the API servers of the workload clusters answer, found out beside the reconciler: a probe that hangs holds nobody up.
 *
 * As long as one does not answer it is asked again after 5 s, growing to a minute, jittered; one that answers is asked again after five to ten minutes.
 * A reachable one is called unreachable only after three probes in a row, so that a lost packet is no event. What changes wakes the cluster's reconciler.
 */
import { backoffDelayMs, type Clock, type Entropy, Semaphore, type Timer } from "@liquidmetal/foundation";
import { handTrigger, keyText, type ObjectKey, type Trigger } from "@liquidmetal/kubernetes";

export interface ProbeAnswer {
  readonly answer: "nodes" | "no-nodes" | "silent" | "kubeconfig-invalid";
  /** Why, for people; empty for nodes. */
  readonly message: string;
}

/**
 * Asks the control plane of the Cluster once. Undefined = it could not be asked, for a reason that says nothing of it. Ends by itself within seconds; never
 * rejects but by its signal.
 */
export type ProbeControlPlane = (cluster: ObjectKey, signal: AbortSignal) => Promise<ProbeAnswer | undefined>;

export interface ControlPlaneProbesOptions {
  readonly probe: ProbeControlPlane;
  readonly clock: Clock;
  readonly entropy: Entropy;
}

interface Probed {
  readonly key: ObjectKey;
  readonly cluster: ObjectKey;
  readonly controller: AbortController;
  answer: ProbeAnswer | undefined;
  /** Probes in a row that did not find nodes. */
  misses: number;
  /** Probes in a row that could not be made. */
  unasked: number;
  timer: Timer | undefined;
}

const atOnceMax = 64;
const missesUntilSilent = 3;

export class ControlPlaneProbes implements Trigger, Disposable {
  readonly #options: ControlPlaneProbesOptions;
  readonly #turn: Semaphore = new Semaphore(atOnceMax);
  readonly #probed: Map<string, Probed> = new Map();
  readonly #woken: ReturnType<typeof handTrigger> = handTrigger();

  constructor(options: ControlPlaneProbesOptions) {
    this.#options = options;
  }

  start(enqueue: (key: ObjectKey, afterMs?: number) => void): Disposable {
    return this.#woken.start(enqueue);
  }

  /** Keeps asking `cluster` for the MicrovmCluster `key`. The last answer; undefined until there is one. */
  want(key: ObjectKey, cluster: ObjectKey): ProbeAnswer | undefined {
    const known = this.#probed.get(keyText(key));
    if (known !== undefined && keyText(known.cluster) === keyText(cluster)) return known.answer;
    this.forget(key);
    const probed: Probed = {
      key,
      cluster,
      controller: new AbortController(),
      answer: undefined,
      misses: 0,
      unasked: 0,
      timer: undefined,
    };
    this.#probed.set(keyText(key), probed);
    void this.#ask(probed);
    return undefined;
  }

  /** Stops asking. */
  forget(key: ObjectKey): void {
    const probed = this.#probed.get(keyText(key));
    this.#probed.delete(keyText(key));
    probed?.timer?.cancel();
    probed?.controller.abort();
  }

  [Symbol.dispose](): void {
    for (const { key } of [...this.#probed.values()]) this.forget(key);
  }

  async #ask(probed: Probed): Promise<void> {
    const { clock, entropy, probe } = this.#options;
    const { signal } = probed.controller;
    const answer = await this.#turn
      .run(() => probe(probed.cluster, signal), signal)
      .catch((error: unknown): ProbeAnswer | undefined => ({
        answer: "silent",
        message: error instanceof Error ? error.message : String(error),
      }));
    if (signal.aborted) return;
    probed.unasked = answer === undefined ? probed.unasked + 1 : 0;
    if (answer !== undefined) this.#take(probed, answer);
    const waitMs =
      answer?.answer === "nodes"
        ? 300_000 + 300_000 * entropy.fraction()
        : backoffDelayMs(probed.unasked || probed.misses, entropy.fraction(), { baseMs: 5_000, capMs: 60_000 });
    probed.timer = clock.timer(waitMs, () => void this.#ask(probed));
  }

  #take(probed: Probed, answer: ProbeAnswer): void {
    probed.misses = answer.answer === "nodes" ? 0 : probed.misses + 1;
    const before = probed.answer;
    if (before?.answer === "nodes" && answer.answer !== "nodes" && probed.misses < missesUntilSilent) return;
    probed.answer = answer;
    if (before?.answer !== answer.answer || before.message !== answer.message) this.#woken.pull(probed.key);
  }
}
