/**
 * All flintlock hosts that anybody wants, one connection for each distinct access, shared, and closed when nobody wants it any more.
 */
import {
  Broadcast,
  type Clock,
  type Entropy,
  PlatformError,
  systemClock,
  systemEntropy,
  type Timer,
} from "@liquidmetal/foundation";
import { accessFingerprint } from "./access-fingerprint.ts";
import { GrpcHost } from "./grpc-host.ts";
import type { Host, HostAccess, HostChange, Hosts } from "./host.ts";
import { defaultTiming, type HostTiming } from "./host-timing.ts";

export interface OpenHostsOptions {
  readonly clock?: Clock;
  readonly entropy?: Entropy;
  readonly timing?: Partial<HostTiming>;
  /** A listener threw: a defect, which must not look like trouble with a host. Default: a warning of the process. */
  readonly onDefect?: (error: unknown) => void;
}

interface Shared {
  readonly host: GrpcHost;
  readonly endpoint: string;
  readonly owners: Set<string>;
  askedAtMs: number;
}

/** Nothing is dialled before the first host is asked for. */
export function openHosts(options: OpenHostsOptions = {}): Hosts {
  return new GrpcHosts(options);
}

class GrpcHosts implements Hosts {
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #timing: HostTiming;
  readonly #changes: Broadcast<HostChange> = new Broadcast();
  readonly #shared: Map<string, Shared> = new Map();
  /** Which access an owner uses for an endpoint. */
  readonly #wanted: Map<string, string> = new Map();
  readonly #closing: Set<Promise<void>> = new Set();
  readonly #onDefect: (error: unknown) => void;
  #sweep: Timer | undefined;
  #disposed = false;

  constructor({ clock = systemClock, entropy = systemEntropy, timing = {}, onDefect = warn }: OpenHostsOptions) {
    this.#onDefect = onDefect;
    this.#clock = clock;
    this.#entropy = entropy;
    this.#timing = { ...defaultTiming, ...timing };
  }

  host(access: HostAccess): Host {
    if (this.#disposed) throw new PlatformError("CANCELLED", "the connections to all hosts are being closed");
    const fingerprint = accessFingerprint(access);
    const shared = this.#shared.get(fingerprint) ?? this.#open(fingerprint, access);
    shared.askedAtMs = this.#clock.monotonicMs();
    if (access.owner !== undefined) this.#own(access.owner, fingerprint, shared);
    return shared.host;
  }

  release(owner: string): void {
    for (const [fingerprint, shared] of this.#shared) {
      if (!shared.owners.delete(owner)) continue;
      this.#wanted.delete(wish(owner, shared.endpoint));
      if (shared.owners.size === 0) this.#close(fingerprint, shared);
    }
  }

  list(): readonly Host[] {
    return [...this.#shared.values()].map(({ host }) => host);
  }

  onChange(listener: (change: HostChange) => void): Disposable {
    return this.#changes.listen(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#sweep?.cancel();
    for (const [fingerprint, shared] of this.#shared) this.#close(fingerprint, shared, 0);
    await Promise.all(this.#closing);
    this.#changes.close();
  }

  #open(fingerprint: string, access: HostAccess): Shared {
    const host = new GrpcHost({
      access,
      clock: this.#clock,
      entropy: this.#entropy,
      timing: this.#timing,
      tell: (change) => this.#tell(fingerprint, change),
    });
    const { endpoint } = access;
    const shared: Shared = { host, endpoint, owners: new Set(), askedAtMs: this.#clock.monotonicMs() };
    this.#shared.set(fingerprint, shared);
    host.open();
    this.#sweepLater();
    return shared;
  }

  /** What a connection tells after it was replaced is old news. */
  #tell(fingerprint: string, change: HostChange): void {
    if (!this.#shared.has(fingerprint)) return;
    try {
      this.#changes.publish(change);
    } catch (error) {
      this.#onDefect(error);
    }
  }

  /** The owner moves over from the access that it used before; that one ends with its last owner. */
  #own(owner: string, fingerprint: string, shared: Shared): void {
    shared.owners.add(owner);
    const key = wish(owner, shared.endpoint);
    const before = this.#wanted.get(key);
    if (before === fingerprint) return;
    this.#wanted.set(key, fingerprint);
    const old = before === undefined ? undefined : this.#shared.get(before);
    old?.owners.delete(owner);
    if (before !== undefined && old?.owners.size === 0) this.#close(before, old);
  }

  #close(fingerprint: string, { host, owners, endpoint }: Shared, drainMs = this.#timing.drainMs): void {
    this.#shared.delete(fingerprint);
    for (const owner of owners) this.#wanted.delete(wish(owner, endpoint));
    const closing = host.close(drainMs).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #sweepLater(): void {
    if (this.#sweep !== undefined || this.#shared.size === 0 || this.#disposed) return;
    this.#sweep = this.#clock.timer(this.#timing.idleMs / 10, () => {
      this.#sweep = undefined;
      const oldest = this.#clock.monotonicMs() - this.#timing.idleMs;
      for (const [fingerprint, shared] of this.#shared) {
        if (shared.askedAtMs < oldest && !shared.host.isWatchedFor) this.#close(fingerprint, shared);
      }
      this.#sweepLater();
    });
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}

function wish(owner: string, endpoint: string): string {
  return `${owner}\n${endpoint}`;
}
