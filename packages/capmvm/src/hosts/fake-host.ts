/**
 * One host of the fake `Hosts`: microVMs in memory, whose lives the test commands; calls that fail, wait or are lost when the test says so.
 *
 * By itself it behaves as a host of ours: capacity is held to, create is idempotent by namespace and name, a microVM becomes `created` at once after
 * the answer, and deletion is done at once after the answer. With `upstream` it keeps no labels, tells no facts, and accepts a name twice.
 */
import { isDeepStrictEqual } from "node:util";
import { type Clock, type ErrorCode, PlatformError } from "@liquidmetal/foundation";
import type { Host, HostChange, HostFacts, HostHealth, HostMicroVm, HostResources, MicroVmRequest } from "./host.ts";

export type FakeCallName = "create" | "get" | "list" | "delete";

export interface FakeCall {
  readonly endpoint: string;
  readonly name: FakeCallName;
  /** Of create, list. */
  readonly microVm?: { readonly namespace: string; readonly name?: string };
  /** Of get, delete. */
  readonly uid?: string;
}

export interface FakeHostOptions {
  /** Default 64 vCPU, 256 GiB of memory, 1 TiB of disk. */
  readonly capacity?: HostResources;
  readonly labels?: Readonly<Record<string, string>>;
  /** When a new microVM becomes `created` by itself: milliseconds after the answer, or never. Default 0. */
  readonly startupMs?: number | "manual";
  /** When a deleted microVM is gone: milliseconds after the answer, or never by itself. Default 0. */
  readonly deletionMs?: number | "manual";
  /** Milliseconds that every call takes. Default 0. */
  readonly latencyMs?: number;
  readonly upstream?: boolean;
  /** Replaces single facts, for example providers. */
  readonly facts?: Partial<HostFacts>;
}

interface Scripted {
  readonly call: FakeCallName;
  readonly error: PlatformError;
  /** Whether the host does what is asked before the failure: an answer that got lost. */
  readonly applied: boolean;
  times: number;
}

const gibibyte = 1_073_741_824;
const defaultCapacity: HostResources = { vcpu: 64, memoryBytes: 256 * gibibyte, diskBytes: 1_024 * gibibyte };

interface Kept {
  microVm: HostMicroVm;
  readonly request: MicroVmRequest | undefined;
}

export class FakeHost implements Host {
  readonly endpoint: string;
  options: FakeHostOptions;
  readonly counts: Record<FakeCallName, number> = { create: 0, get: 0, list: 0, delete: 0 };
  /** Requests of every create that made a microVM, oldest first. */
  readonly made: MicroVmRequest[] = [];
  /** Called before a call has any effect and before its answer goes out; throwing there is a failure of the call. */
  before: ((call: FakeCall) => void | Promise<void>) | undefined;
  after: ((call: FakeCall) => void | Promise<void>) | undefined;
  synced = true;
  readonly #clock: Clock;
  readonly #publish: (change: HostChange) => void;
  readonly #kept: Map<string, Kept> = new Map();
  readonly #scripted: Scripted[] = [];
  #health: HostHealth;

  constructor(endpoint: string, clock: Clock, publish: (change: HostChange) => void, options: FakeHostOptions = {}) {
    this.endpoint = endpoint;
    this.options = options;
    this.#clock = clock;
    this.#publish = publish;
    this.#health = { state: "reachable", sinceMs: clock.nowMs(), message: "" };
  }

  // What the test commands.

  /** Every microVM that the host has, whoever made it. */
  get microVms(): readonly HostMicroVm[] {
    return [...this.#kept.values()].map((kept) => kept.microVm);
  }

  /** What was asked for; undefined for microVMs that `put` made. */
  requestOf(uid: string): MicroVmRequest | undefined {
    return this.#kept.get(uid)?.request;
  }

  /** The next `times` calls of that name fail; with `applied` the host does it and the answer is lost. */
  fail(
    call: FakeCallName,
    error: PlatformError,
    options: { readonly times?: number; readonly applied?: boolean } = {},
  ): void {
    this.#scripted.push({ call, error, applied: options.applied ?? false, times: options.times ?? 1 });
  }

  unreachable(message = `${this.endpoint} refuses connections`): void {
    this.synced = false;
    this.#setHealth({ state: "unreachable", message, code: "HOST_UNREACHABLE" });
  }

  refuse(message = `${this.endpoint} refuses our token`): void {
    this.synced = false;
    this.#setHealth({ state: "refused", message, code: "HOST_REFUSED" });
  }

  /** Everything that changed meanwhile is told again, as after a new snapshot. */
  reachable(): void {
    this.synced = true;
    this.#setHealth({ state: "reachable", message: "" });
    for (const { microVm } of this.#kept.values()) this.#tell("microvm", microVm);
  }

  /** Changes what the host tells of a microVM, and tells it. */
  set(uid: string, change: Partial<HostMicroVm>): HostMicroVm {
    const kept = this.#kept.get(uid);
    if (kept === undefined) throw new PlatformError("MICROVM_NOT_FOUND", `microvm ${uid} not found`);
    kept.microVm = { ...kept.microVm, ...change };
    this.#tell("microvm", kept.microVm);
    return kept.microVm;
  }

  /** The microVM's process ended: upstream's state stays `created`, ours says that it does not run. */
  die(uid: string, message = "the VMM ended by itself"): void {
    this.set(uid, { phase: "stopped", guestReady: false, reason: "GuestFailed", message });
  }

  /** Somebody else deleted it. */
  vanish(uid: string): void {
    const kept = this.#kept.get(uid);
    this.#kept.delete(uid);
    if (kept !== undefined) this.#tell("microvm-deleted", kept.microVm);
  }

  /** A microVM that somebody else made, or that is left of earlier times. */
  put(
    microVm: Partial<HostMicroVm> & { readonly uid: string; readonly namespace: string; readonly name: string },
  ): void {
    const whole: HostMicroVm = { state: "created", addresses: [], labels: {}, ...microVm };
    this.#kept.set(whole.uid, { microVm: whole, request: undefined });
    this.#tell("microvm", whole);
  }

  // What capmvm sees.

  health(): HostHealth {
    return this.#health;
  }

  facts(): HostFacts | undefined {
    if (this.options.upstream) return undefined;
    const capacity = this.options.capacity ?? defaultCapacity;
    return {
      hostId: `id-of-${this.endpoint}`,
      version: "v0.16.0",
      platform: "linux/amd64",
      capacity,
      allocatable: capacity,
      allocated: this.#allocated(),
      labels: this.options.labels ?? {},
      features: { tap: true, macvtap: false },
      providers: [{ name: "fake", capabilities: ["interface:tap", "vsock"] }],
      defaultProvider: "fake",
      ...this.options.facts,
    };
  }

  known(uid: string): HostMicroVm | undefined {
    return this.synced ? this.#kept.get(uid)?.microVm : undefined;
  }

  knownByName(namespace: string, name: string): readonly HostMicroVm[] {
    return this.synced ? this.#named(namespace, name) : [];
  }

  async create(request: MicroVmRequest, options: { readonly signal?: AbortSignal } = {}): Promise<HostMicroVm> {
    const { namespace, name } = request;
    return await this.#call(
      { endpoint: this.endpoint, name: "create", microVm: { namespace, name } },
      options.signal,
      () => this.#create(request),
    );
  }

  async get(uid: string, options: { readonly signal?: AbortSignal } = {}): Promise<HostMicroVm | undefined> {
    const call = { endpoint: this.endpoint, name: "get", uid } as const;
    return await this.#call(call, options.signal, () => this.#kept.get(uid)?.microVm);
  }

  async list(
    namespace: string,
    name?: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly HostMicroVm[]> {
    const microVm = name === undefined ? { namespace } : { namespace, name };
    const call = { endpoint: this.endpoint, name: "list", microVm } as const;
    return await this.#call(call, options.signal, () => this.#named(namespace, name));
  }

  async delete(uid: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#call({ endpoint: this.endpoint, name: "delete", uid }, options.signal, () => this.#delete(uid));
  }

  async #call<T>(call: FakeCall, signal: AbortSignal | undefined, work: () => T): Promise<T> {
    this.counts[call.name]++;
    signal?.throwIfAborted();
    await this.before?.(call);
    const { latencyMs = 0 } = this.options;
    if (latencyMs > 0) await new Promise<void>((resolve) => this.#clock.timer(latencyMs, resolve));
    signal?.throwIfAborted();
    if (this.#health.code !== undefined) throw new PlatformError(this.#health.code, this.#health.message);
    const scripted = this.#scripted.find((one) => one.call === call.name && one.times > 0);
    if (scripted !== undefined) scripted.times--;
    if (scripted?.applied === false) throw scripted.error;
    const answer = work();
    await this.after?.(call);
    if (scripted !== undefined) throw scripted.error;
    return answer;
  }

  #create(request: MicroVmRequest): HostMicroVm {
    const { namespace, name, identity } = request;
    const existing = this.#named(namespace, name)[0];
    if (existing !== undefined && !this.options.upstream) {
      if (existing.state === "deleting") throw this.#error("MICROVM_DELETING", `${namespace}/${name} is being deleted`);
      if (existing.identity === identity && this.#sameRequest(existing.uid, request)) return existing;
      throw this.#error("MICROVM_EXISTS", `${namespace}/${name} exists already with another spec`);
    }
    if (!this.options.upstream) this.#checkCapacity(request);
    this.made.push(request);
    const microVm: HostMicroVm = {
      uid: nextUid(),
      namespace,
      name,
      state: "pending",
      addresses: request.interfaces.flatMap(({ address }) =>
        address === undefined ? [] : [address.replace(/\/\d+$/, "")],
      ),
      labels: this.options.upstream ? {} : request.labels,
      identity,
      ...(this.options.upstream ? {} : { phase: "pending", guestReady: false }),
    };
    this.#kept.set(microVm.uid, { microVm, request });
    this.#tell("microvm", microVm);
    this.#later(this.options.startupMs ?? 0, () => {
      if (this.#kept.get(microVm.uid)?.microVm.state === "pending") this.set(microVm.uid, this.#started());
    });
    return microVm;
  }

  /** As the agent has it: the same spec again is the same microVM, any difference is a conflict. */
  #sameRequest(uid: string, request: MicroVmRequest): boolean {
    const earlier = this.#kept.get(uid)?.request;
    return earlier === undefined || isDeepStrictEqual(earlier, request);
  }

  #started(): Partial<HostMicroVm> {
    return this.options.upstream ? { state: "created" } : { state: "created", phase: "running" };
  }

  #delete(uid: string): void {
    if (!this.#kept.has(uid)) return;
    this.set(uid, this.options.upstream ? { state: "deleting" } : { state: "deleting", phase: "deleting" });
    this.#later(this.options.deletionMs ?? 0, () => this.vanish(uid));
  }

  #checkCapacity({ vcpu, memoryMiB }: MicroVmRequest): void {
    const limit = this.options.capacity ?? defaultCapacity;
    const held = this.#allocated();
    const short = (what: string, wanted: number, free: number, all: number): PlatformError =>
      this.#error(
        "CAPACITY_EXCEEDED",
        `${wanted} ${what} do not fit: ${Math.max(free, 0)} of ${all} are free on this host`,
      );
    if (held.vcpu + vcpu > limit.vcpu) throw short("vCPUs", vcpu, limit.vcpu - held.vcpu, limit.vcpu);
    const [memoryMax, memoryHeld] = [
      Math.floor(limit.memoryBytes / 1_048_576),
      Math.floor(held.memoryBytes / 1_048_576),
    ];
    if (memoryHeld + memoryMiB > memoryMax) {
      throw short("MiB of memory", memoryMiB, memoryMax - memoryHeld, memoryMax);
    }
  }

  #allocated(): HostResources {
    let vcpu = 0;
    let memoryBytes = 0;
    for (const { request } of this.#kept.values()) {
      vcpu += request?.vcpu ?? 0;
      memoryBytes += (request?.memoryMiB ?? 0) * 1_048_576;
    }
    return { vcpu, memoryBytes, diskBytes: 0 };
  }

  #named(namespace: string, name: string | undefined): readonly HostMicroVm[] {
    const found: HostMicroVm[] = [];
    for (const { microVm } of this.#kept.values()) {
      if (microVm.namespace === namespace && (name === undefined || microVm.name === name)) found.push(microVm);
    }
    return found;
  }

  #error(code: ErrorCode, message: string): PlatformError {
    return new PlatformError(code, message);
  }

  #later(delayMs: number | "manual", work: () => void): void {
    if (delayMs === "manual") return;
    if (delayMs === 0) setImmediate(work);
    else this.#clock.timer(delayMs, work);
  }

  #setHealth(health: Omit<HostHealth, "sinceMs">): void {
    this.#health = { ...health, sinceMs: this.#clock.nowMs() };
    this.#publish({ type: "health", endpoint: this.endpoint, health: this.#health });
  }

  /** A host that cannot be reached tells nobody anything. */
  #tell(type: "microvm" | "microvm-deleted", microVm: HostMicroVm): void {
    if (!this.synced) return;
    this.#publish({ type, endpoint: this.endpoint, microVm });
    this.#publish({ type: "facts", endpoint: this.endpoint });
  }
}

let made = 0;

/** Of the form of a ULID, growing. */
function nextUid(): string {
  return `01JFAKE${String(++made).padStart(19, "0")}`;
}
