/**
 * Follows a host of ours by its Watch stream: first everything that is there, then every change; resumed from the last position after an interruption,
 * and begun afresh when the host has forgotten that far, was restarted, or is another one.
 */
import type { WatchResponse } from "@liquidmetal/api";
import { WatchResponse_Type as Type } from "@liquidmetal/api";
import type { Connection } from "@liquidmetal/api/client";
import { PlatformError } from "@liquidmetal/foundation";
import type { HostFeed } from "./host-feed.ts";
import { microVmFromWire } from "./microvm-from-wire.ts";

export interface HostRun {
  readonly hostId: string;
  /** Tells one run of the agent from the next. */
  readonly startedAt: string;
  readonly lastPosition: bigint;
}

export class Watching {
  readonly #feed: HostFeed;
  #position = 0n;
  #run: HostRun | undefined;

  constructor(feed: HostFeed) {
    this.#feed = feed;
  }

  /** Reads until the stream ends; throws what ended it. `onChange` is called after each change. */
  async follow(connection: Connection, run: HostRun, onChange: () => void, signal: AbortSignal): Promise<never> {
    const resuming = this.#position > 0n && this.#isSameRun(run);
    this.#run = run;
    // A snapshot that breaks off leaves no position: that of an earlier run would pass for one of this run.
    if (!resuming) this.#position = 0n;
    try {
      await this.#read(connection, resuming ? run.lastPosition : undefined, onChange, signal);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== "POSITION_EXPIRED") throw error;
      this.#position = 0n;
      await this.#read(connection, undefined, onChange, signal);
    }
    throw new PlatformError("UNAVAILABLE", "the host ended the watch");
  }

  #isSameRun({ hostId, startedAt }: HostRun): boolean {
    return this.#run?.hostId === hostId && this.#run.startedAt === startedAt;
  }

  /** `upTo`: resume, and be in step when this position is reached; undefined: begin with a snapshot. */
  async #read(
    connection: Connection,
    upTo: bigint | undefined,
    onChange: () => void,
    signal: AbortSignal,
  ): Promise<void> {
    const snapshot = upTo === undefined;
    let inStep = !snapshot && this.#position >= upTo;
    if (inStep) this.#feed.synced();
    const seen = new Set<string>();
    const request = snapshot ? { snapshot } : { afterPosition: this.#position };
    for await (const message of connection.host.watch(request, { signal })) {
      if (message.type === Type.SYNCED) {
        this.#feed.keepOnly(seen);
        this.#position = message.position;
        inStep = true;
        this.#feed.synced();
        continue;
      }
      const uid = this.#apply(message);
      if (message.type === Type.SNAPSHOT) {
        seen.add(uid);
        continue;
      }
      this.#position = message.position;
      if (!inStep && !snapshot && this.#position >= upTo) {
        inStep = true;
        this.#feed.synced();
      }
      onChange();
    }
  }

  #apply({ type, microvm, event }: WatchResponse): string {
    const uid = microvm?.spec?.uid ?? event?.uid ?? "";
    if (type === Type.DELETED) this.#feed.remove(uid);
    else if (microvm !== undefined) this.#feed.put(microVmFromWire(microvm));
    return uid;
  }
}
