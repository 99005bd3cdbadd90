/** Creates and deletes as a client sees them, by watch: no polling, so the figures are the agent's. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { MicroVMSpecSchema } from "@liquidmetal/api";
import type { Connection } from "@liquidmetal/api/client";

export interface Images {
  readonly kernel: string;
  readonly kernelFile: string;
  readonly root: string;
}

export function specOf(images: Images, id: string): MessageInitShape<typeof MicroVMSpecSchema> {
  return {
    id,
    namespace: "bench",
    vcpu: 1,
    memoryInMb: 64,
    kernel: { image: images.kernel, filename: images.kernelFile },
    rootVolume: { id: "root", source: { containerSource: images.root } },
    interfaces: [{ deviceId: "eth1", type: 1 }],
  };
}

/** No wait is longer: then something is broken. */
const waitMaxMs = 120_000;

/** Follows a host's watch and resolves waits on the state of single microVMs. */
export class StateWatch implements AsyncDisposable {
  readonly #waits: Map<string, PromiseWithResolvers<number>> = new Map();
  readonly #controller = new AbortController();
  readonly #ended: Promise<void>;
  readonly #synced: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  constructor(host: Connection["host"]) {
    this.#ended = this.#follow(host);
  }

  async ready(): Promise<void> {
    await this.#synced.promise;
  }

  /** Resolves with the time at which the microVM of this name reached CREATED, had a guest that said it is ready, was stopped or gone. */
  when(id: string, what: "created" | "ready" | "stopped" | "gone"): Promise<number> {
    const wait = Promise.withResolvers<number>();
    this.#waits.set(`${what}:${id}`, wait);
    const late = setTimeout(() => wait.reject(new Error(`${id} was not ${what} within ${waitMaxMs} ms`)), waitMaxMs);
    late.unref();
    return wait.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort();
    await this.#ended;
  }

  async #follow(host: Connection["host"]): Promise<void> {
    try {
      for await (const message of host.watch({ snapshot: true }, { signal: this.#controller.signal })) {
        const id = message.microvm?.spec?.id ?? "";
        if (message.type === 2) this.#synced.resolve();
        if (message.type === 4) this.#settle(`gone:${id}`);
        if (message.type === 3 && message.microvm?.status?.state === 1) this.#settle(`created:${id}`);
        if (message.type === 3 && message.microvm?.status?.ready === true) this.#settle(`ready:${id}`);
        if (message.type === 3 && message.microvm?.status?.phase === "stopped") this.#settle(`stopped:${id}`);
      }
    } catch (error) {
      if (this.#controller.signal.aborted) return;
      this.#synced.reject(error);
      for (const wait of this.#waits.values()) wait.reject(error);
    }
  }

  #settle(key: string): void {
    this.#waits.get(key)?.resolve(performance.now());
    this.#waits.delete(key);
  }
}

export interface Created {
  readonly uid: string;
  readonly id: string;
  /** From the call to CREATED, milliseconds. */
  readonly milliseconds: number;
}

export async function createOne(host: Connection, watch: StateWatch, images: Images, id: string): Promise<Created> {
  const reached = watch.when(id, "created");
  const startedMs = performance.now();
  const response = await host.microVms.createMicroVM({ microvm: specOf(images, id) });
  return { uid: response.microvm?.spec?.uid ?? "", id, milliseconds: (await reached) - startedMs };
}

/** From the call until the microVM is gone, milliseconds. */
export async function deleteOne(
  host: Connection,
  watch: StateWatch,
  created: { readonly uid: string; readonly id: string },
): Promise<number> {
  const gone = watch.when(created.id, "gone");
  const startedMs = performance.now();
  await host.microVms.deleteMicroVM({ uid: created.uid });
  return (await gone) - startedMs;
}
