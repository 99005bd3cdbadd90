/**
 * One host over one connection: calls with deadlines and named failures, and a follower that keeps view, facts and health true for as long as it lives.
 */
import type { flintlock } from "@liquidmetal/api";
import { type Clock, type Entropy, PlatformError } from "@liquidmetal/foundation";
import { Follower } from "./follower.ts";
import { HealthRecord } from "./health-record.ts";
import type { Host, HostAccess, HostChange, HostFacts, HostHealth, HostMicroVm, MicroVmRequest } from "./host.ts";
import { HostConnection } from "./host-connection.ts";
import { type HostCall, hostError, isGone } from "./host-errors.ts";
import type { HostFeed } from "./host-feed.ts";
import type { HostTiming } from "./host-timing.ts";
import { HostView } from "./host-view.ts";
import { microVmFromWire } from "./microvm-from-wire.ts";
import { requestToWire } from "./request-to-wire.ts";

export interface GrpcHostOptions {
  readonly access: HostAccess;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly timing: HostTiming;
  readonly tell: (change: HostChange) => void;
}

interface CallOptions {
  readonly signal?: AbortSignal;
}

export class GrpcHost implements Host {
  readonly endpoint: string;
  readonly #timing: HostTiming;
  readonly #view: HostView = new HostView();
  readonly #health: HealthRecord;
  readonly #connection: HostConnection;
  readonly #follower: Follower;
  readonly #tell: (change: HostChange) => void;
  #facts: HostFacts | undefined;
  #calls = 0;
  #drained: (() => void) | undefined;

  constructor({ access, clock, entropy, timing, tell }: GrpcHostOptions) {
    this.endpoint = access.endpoint;
    this.#timing = timing;
    this.#tell = tell;
    this.#health = new HealthRecord(clock, (health) => tell({ type: "health", endpoint: this.endpoint, health }));
    this.#connection = new HostConnection(access, timing, (error) => this.#follower.dialFailed(error));
    this.#follower = new Follower({
      endpoint: this.endpoint,
      connection: this.#connection,
      feed: this.#feed(),
      health: this.#health,
      ...{ clock, entropy, timing },
    });
  }

  /** Begins to follow the host. */
  open(): void {
    this.#follower.start();
  }

  /** Whether it is worth to go on watching though nobody asks. */
  get isWatchedFor(): boolean {
    return this.#view.identified > 0;
  }

  get synced(): boolean {
    return this.#follower.synced;
  }

  health(): HostHealth {
    return this.#health.current;
  }

  facts(): HostFacts | undefined {
    return this.#facts;
  }

  known(uid: string): HostMicroVm | undefined {
    return this.synced ? this.#view.get(uid) : undefined;
  }

  knownByName(namespace: string, name: string): readonly HostMicroVm[] {
    this.#follower.use(namespace);
    return this.synced ? this.#view.named(namespace, name) : [];
  }

  async create(request: MicroVmRequest, options: CallOptions = {}): Promise<HostMicroVm> {
    this.#follower.use(request.namespace);
    return await this.#call("create", options, async () => {
      await this.#reach();
      const { microvm } = await this.#connection.current.microVms.createMicroVM(
        { microvm: requestToWire(request) },
        { timeoutMs: this.#timing.callMs, ...options },
      );
      return this.#told(microvm);
    });
  }

  async get(uid: string, options: CallOptions = {}): Promise<HostMicroVm | undefined> {
    return await this.#call("get", options, async () => {
      try {
        await this.#reach();
        const { microvm } = await this.#connection.current.microVms.getMicroVM({ uid }, options);
        return this.#told(microvm);
      } catch (error) {
        if (!isGone(PlatformError.from(error))) throw error;
        this.#follower.gone(uid);
        return undefined;
      }
    });
  }

  async list(namespace: string, name?: string, options: CallOptions = {}): Promise<readonly HostMicroVm[]> {
    this.#follower.use(namespace);
    return await this.#call("list", options, async () => {
      await this.#reach();
      const filter = name === undefined ? { namespace } : { namespace, name };
      const { microvm } = await this.#connection.current.microVms.listMicroVMs(filter, options);
      return microvm.map((one) => this.#told(one));
    });
  }

  async delete(uid: string, options: CallOptions = {}): Promise<void> {
    await this.#call("delete", options, async () => {
      try {
        await this.#reach();
        await this.#connection.current.microVms.deleteMicroVM({ uid }, options);
        this.#follower.changing(uid);
      } catch (error) {
        if (!isGone(PlatformError.from(error))) throw error;
        this.#follower.gone(uid);
      }
    });
  }

  /** Stops following at once; calls in progress may end until the deadline. */
  async close(drainMs: number): Promise<void> {
    const stopped = this.#follower.stop();
    if (this.#calls > 0 && drainMs > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, drainMs);
      this.#drained = resolve;
      await promise;
      clearTimeout(timer);
    }
    this.#connection.close();
    await stopped;
  }

  /** Nothing is sent to a host that is not reached: then a failed create is certain to have made nothing. */
  async #reach(): Promise<void> {
    const { code, message } = this.#health.current;
    // It is tried all the time: nobody has to wait for what is known to fail.
    if (code !== undefined && !this.synced) throw new PlatformError(code, message);
    await this.#connection.ready(this.#timing.dialMs);
  }

  async #call<T>(call: HostCall, { signal }: CallOptions, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    this.#calls++;
    try {
      return await work();
    } catch (error) {
      const failure = PlatformError.from(error, signal?.aborted ? "CANCELLED" : "INTERNAL");
      throw signal?.aborted && failure.code === "CANCELLED" ? failure : hostError(failure, call, this.endpoint);
    } finally {
      this.#calls--;
      if (this.#calls === 0) this.#drained?.();
    }
  }

  #told(wire: flintlock.MicroVM | undefined): HostMicroVm {
    if (wire === undefined) throw new PlatformError("INTERNAL", `${this.endpoint} answered without a microVM`);
    const microVm = microVmFromWire(wire);
    this.#follower.learnt(microVm);
    return microVm;
  }

  #feed(): HostFeed {
    const { endpoint } = this;
    const remove = (uid: string): void => {
      const microVm = this.#view.remove(uid);
      if (microVm !== undefined) this.#tell({ type: "microvm-deleted", endpoint, microVm });
    };
    return {
      put: (microVm) => {
        if (this.#view.put(microVm)) this.#tell({ type: "microvm", endpoint, microVm });
      },
      remove,
      keepOnly: (seen, namespace) => {
        for (const { uid } of this.#view.missing(seen, namespace)) remove(uid);
      },
      synced: () => this.#health.reachable(),
      facts: (facts) => {
        if (JSON.stringify(facts) === JSON.stringify(this.#facts)) return;
        this.#facts = facts;
        this.#tell({ type: "facts", endpoint });
      },
    };
  }
}
