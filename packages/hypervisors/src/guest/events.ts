/** The events of one VMM: in order, `exited` last and once, and replayed to those who come later. */
import { Broadcast, type Subscription } from "@liquidmetal/foundation";
import type { GuestExit, HypervisorEvent } from "@liquidmetal/microvm";

export class VmmEvents {
  readonly #broadcast: Broadcast<HypervisorEvent> = new Broadcast();
  #exited: HypervisorEvent | undefined;

  publish(event: Exclude<HypervisorEvent, { readonly kind: "exited" }>): void {
    if (this.#exited === undefined) this.#broadcast.publish(event);
  }

  finish(exit: GuestExit): void {
    if (this.#exited !== undefined) return;
    this.#exited = { kind: "exited", exit };
    this.#broadcast.publish(this.#exited);
    this.#broadcast.close();
  }

  /** Ends every subscription without an `exited`: we let go, the VMM lives on. */
  close(): void {
    this.#broadcast.close();
  }

  subscribe(
    options: { readonly capacity?: number; readonly signal?: AbortSignal } = {},
  ): Subscription<HypervisorEvent> {
    if (this.#exited === undefined) return this.#broadcast.subscribe(options);
    const replay = new Broadcast<HypervisorEvent>();
    const subscription = replay.subscribe(options);
    replay.publish(this.#exited);
    replay.close();
    return subscription;
  }
}
