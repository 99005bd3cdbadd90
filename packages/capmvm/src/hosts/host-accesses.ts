/**
 * `accessOf`: how a host is reached with what a MicrovmCluster says, kept true while secrets change.
 *
 * Secrets are read by name, at most once in a few seconds however many machines ask; those in use are read again from time to time, and at once when a
 * host refuses what they hold. A secret that is mended or rotated takes effect without anybody asking: the hosts are opened with it, and their health
 * events wake whoever waits.
 */
import { type Clock, PlatformError, type Timer } from "@liquidmetal/foundation";
import { keyText, type ObjectKey } from "@liquidmetal/kubernetes";
import type { MicrovmCluster } from "../api/index.ts";
import { accessSecretsOf, accessTo, type ClusterAccess, ownerOf } from "./access-of.ts";
import type { HostAccess, Hosts } from "./host.ts";
import type { SecretContent, SecretReader } from "./secret-reader.ts";

export interface HostAccessesOptions {
  readonly hosts: Pick<Hosts, "host" | "release" | "onChange">;
  readonly read: SecretReader;
  readonly clock: Clock;
  /** What was read is good for so long. Default 3,000 milliseconds. */
  readonly freshMs?: number;
  /** Secrets in use are read again after so long. Default 15,000 milliseconds. */
  readonly againMs?: number;
  /** An access that nobody asked for is forgotten after so long. Default 1,800,000 milliseconds. */
  readonly forgetMs?: number;
}

interface Kept {
  readonly key: ObjectKey;
  content: SecretContent | undefined;
  readAtMs: number;
  reading: Promise<void> | undefined;
}

interface InUse {
  readonly cluster: ClusterAccess;
  readonly endpoint: string;
  askedAtMs: number;
}

/** An access as it was made of these contents, at that time: certificates expire. */
interface Resolved {
  readonly access: HostAccess;
  readonly tls: SecretContent | undefined;
  readonly token: SecretContent | undefined;
  readonly atMs: number;
}

/** Machines whose cluster is gone. */
const noCluster: ClusterAccess = { spec: {} };

export class HostAccesses implements Disposable {
  readonly #options: Required<HostAccessesOptions>;
  readonly #secrets: Map<string, Kept> = new Map();
  /** By owner and endpoint. */
  readonly #inUse: Map<string, InUse> = new Map();
  /** By cluster as it was seen, then endpoint: a burst of machines asks for the same again and again. */
  readonly #resolved: WeakMap<ClusterAccess, Map<string, Resolved>> = new WeakMap();
  readonly #closing: AbortController = new AbortController();
  readonly #listening: Disposable;
  #timer: Timer | undefined;

  constructor(options: HostAccessesOptions) {
    this.#options = { freshMs: 3_000, againMs: 15_000, forgetMs: 1_800_000, ...options };
    this.#listening = options.hosts.onChange((change) => {
      if (change.type === "health" && change.health.state === "refused") void this.#onRefused(change.endpoint);
    });
    this.#againLater();
  }

  /** Throws HOST_ACCESS_INVALID. Without a cluster (it may be gone before its machines): plainly. */
  readonly accessOf = async (
    cluster: MicrovmCluster | undefined,
    endpoint: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<HostAccess> => {
    const { clock, freshMs } = this.#options;
    const asked: ClusterAccess = cluster ?? noCluster;
    if (cluster !== undefined) {
      const inUse = {
        cluster: { metadata: cluster.metadata ?? {}, spec: cluster.spec },
        endpoint,
        askedAtMs: clock.monotonicMs(),
      };
      this.#inUse.set(`${ownerOf(cluster)}\n${endpoint}`, inUse);
    }
    const keys = Object.values(accessSecretsOf(asked));
    if (keys.length > 0) await Promise.all(keys.map((key) => this.#ensure(key, freshMs, options)));
    const access = this.#resolve(asked, endpoint);
    if (cluster !== undefined) return access;
    const { owner: _nobody, ...plain } = access;
    return plain;
  };

  /** The cluster is gone: its connections are let go. */
  forget(cluster: Pick<MicrovmCluster, "metadata">): void {
    const owner = ownerOf({ ...cluster, spec: {} });
    for (const [key, { cluster: one }] of this.#inUse) if (ownerOf(one) === owner) this.#inUse.delete(key);
    this.#options.hosts.release(owner);
  }

  [Symbol.dispose](): void {
    this.#closing.abort(new PlatformError("CANCELLED", "capmvm is stopping"));
    this.#timer?.cancel();
    this.#listening[Symbol.dispose]();
  }

  #resolve(cluster: ClusterAccess, endpoint: string): HostAccess {
    const { clock, freshMs } = this.#options;
    const secretAt = (key: ObjectKey): SecretContent | undefined => this.#secrets.get(keyText(key))?.content;
    const secrets = accessSecretsOf(cluster);
    const tls = secrets.tls && secretAt(secrets.tls);
    const token = secrets.token && secretAt(secrets.token);
    const atMs = clock.monotonicMs();
    const before = this.#resolved.get(cluster) ?? new Map<string, Resolved>();
    const known = before.get(endpoint);
    if (known?.tls === tls && known?.token === token && known !== undefined && atMs - known.atMs < freshMs) {
      return known.access;
    }
    const access = accessTo(cluster, endpoint, secretAt, clock.nowMs());
    this.#resolved.set(cluster, before.set(endpoint, { access, tls, token, atMs }));
    return access;
  }

  async #ensure(key: ObjectKey, freshMs: number, options: { readonly signal?: AbortSignal }): Promise<void> {
    const { clock } = this.#options;
    const kept = this.#secrets.get(keyText(key)) ?? {
      key,
      content: undefined,
      readAtMs: Number.NEGATIVE_INFINITY,
      reading: undefined,
    };
    this.#secrets.set(keyText(key), kept);
    if (clock.monotonicMs() - kept.readAtMs < freshMs) return;
    // One read serves all who ask at the same time; it is nobody's own, so nobody's signal ends it.
    kept.reading ??= this.#read(kept).finally(() => {
      kept.reading = undefined;
    });
    await kept.reading;
    options.signal?.throwIfAborted();
  }

  async #read(kept: Kept): Promise<void> {
    const before = kept.content;
    const wasRead = kept.readAtMs !== Number.NEGATIVE_INFINITY;
    kept.content = await this.#options.read(kept.key, { signal: this.#closing.signal });
    kept.readAtMs = this.#options.clock.monotonicMs();
    if (wasRead && !sameContent(before, kept.content)) this.#reopen(kept.key);
  }

  /** Every host in use whose access this secret is part of is asked for with what it says now. */
  #reopen(changed: ObjectKey): void {
    for (const { cluster, endpoint } of this.#inUse.values()) {
      if (!uses(cluster, changed)) continue;
      try {
        this.#options.hosts.host(this.#resolve(cluster, endpoint));
      } catch (error) {
        // Whoever asks next is told; the old access works for as long as the host takes it.
        if (!(error instanceof PlatformError)) throw error;
      }
    }
  }

  async #onRefused(endpoint: string): Promise<void> {
    const keys = [...this.#inUse.values()]
      .filter((one) => one.endpoint === endpoint)
      .flatMap(({ cluster }) => Object.values(accessSecretsOf(cluster)));
    await this.#readAgain(keys, this.#options.freshMs);
  }

  async #readAgain(keys: readonly ObjectKey[], freshMs: number): Promise<void> {
    // What cannot be read now stays as it was; whoever needs it reads again and is told why.
    await Promise.allSettled(keys.map((key) => this.#ensure(key, freshMs, {})));
  }

  #againLater(): void {
    const { clock, againMs, freshMs } = this.#options;
    this.#timer = clock.timer(againMs, () => {
      this.#sweep();
      void this.#readAgain(
        [...this.#secrets.values()].map(({ key }) => key),
        freshMs,
      );
      this.#againLater();
    });
  }

  /** Forgets accesses that nobody asks for, and secrets that no access needs. */
  #sweep(): void {
    const oldest = this.#options.clock.monotonicMs() - this.#options.forgetMs;
    for (const [key, { askedAtMs }] of this.#inUse) if (askedAtMs < oldest) this.#inUse.delete(key);
    for (const [name, { key }] of this.#secrets) {
      if (![...this.#inUse.values()].some(({ cluster }) => uses(cluster, key))) this.#secrets.delete(name);
    }
  }
}

function uses(cluster: ClusterAccess, secret: ObjectKey): boolean {
  return Object.values(accessSecretsOf(cluster)).some((key) => keyText(key) === keyText(secret));
}

function sameContent(left: SecretContent | undefined, right: SecretContent | undefined): boolean {
  if (left === undefined || right === undefined || left.size !== right.size) return left === right;
  return [...left].every(([key, value]) => right.get(key)?.equals(value) === true);
}
