/**
 * The fake world: one fake host, one journal disk, and one life of the agent after another on them.
 *
 * Deterministic: time moves only when told to, randomness comes from a seed. `kill` ends an agent as SIGKILL does; what it had committed and what it
 * had made stays, everything else is lost.
 */
import { type Entropy, FakeClock, unwrap } from "@liquidmetal/foundation";
import type { MicroVmRecord, MicroVmSpec } from "@liquidmetal/microvm";
import { FakeJournal } from "../../journal/fake-journal.ts";
import { silentLogger } from "../../observability/logger.ts";
import { noMetrics } from "../../observability/metrics.ts";
import { defaultEngineConfig, type EngineConfig, type EngineDependencies } from "../dependencies.ts";
import { createEngine, type Engine } from "../engine.ts";
import { FakeHost } from "./fake-host.ts";
import { fakeHypervisor } from "./fake-hypervisor.ts";
import {
  fakeBlockStore,
  fakeDirectories,
  fakeFiles,
  fakeImages,
  fakeMetadata,
  fakeNetwork,
  fakeSpawner,
} from "./fake-ports.ts";
import { brokenInvariants } from "./invariants.ts";
import type { Neighbour } from "./neighbours.ts";
import { Session } from "./session.ts";

export interface WorldOptions {
  readonly seed?: number;
  readonly config?: Partial<EngineConfig>;
  readonly capacity?: { readonly vcpu: number; readonly memoryMiB: number };
}

/** A neighbour of the agent that dies. */
export interface Loss {
  readonly of: Neighbour;
  /** How long it is away, milliseconds. */
  readonly forMs: number;
  /** Whether calls that were under way took effect, though nobody heard of it. */
  readonly repliesLost: boolean;
}

export class World {
  readonly host: FakeHost = new FakeHost();
  readonly clock: FakeClock = new FakeClock();
  readonly #options: WorldOptions;
  readonly #entropy: Entropy;
  #session: Session = new Session();
  #journal: FakeJournal | undefined;
  #engine: Engine | undefined;
  /** Points that the agent still passes before its end, and how it ends; undefined = it lives. */
  #end: { points: number; readonly how: "killed" | "stopped" } | undefined;
  #loss: (Loss & { points: number }) | undefined;
  #died: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Every failpoint reached, in order. */
  readonly reached: string[] = [];

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.#entropy = seededEntropy(options.seed ?? 1);
  }

  get engine(): Engine {
    if (this.#engine === undefined) throw new Error("no agent runs in this world");
    return this.#engine;
  }

  get alive(): boolean {
    return !this.#session.severed;
  }

  /** Resolves at the end of this life of the agent. */
  get ended(): Promise<void> {
    return this.#died.promise;
  }

  /** Begins a life of the agent. Resolves when it has taken over, or died trying. */
  async start(): Promise<Engine> {
    this.#session = new Session();
    this.#died = Promise.withResolvers();
    // Every agent has a spawner of its own.
    this.host.bringBack("spawner");
    this.#journal = new FakeJournal(this.host.journal);
    this.#engine = createEngine(this.#dependencies(this.#session, this.#journal));
    const started = this.#engine.start().then((result) => {
      unwrap(result);
    });
    await Promise.race([started, this.#died.promise]);
    return this.#engine;
  }

  /** The agent dies, now. */
  kill(): void {
    this.#session.sever();
    this.#journal?.close();
    this.#died.resolve();
  }

  /** Ends the agent in order. */
  async stop(): Promise<void> {
    const closed = this.#engine?.close().then(() => undefined);
    // It may also die while it stops; and what is in progress may need time to end.
    const turns = this.#turns(this.#died.promise);
    await Promise.race([closed, this.#died.promise]);
    this.kill();
    await turns;
  }

  /** The agent will die at the failpoint of this number, counted from now (0 = the next one). */
  dieAtPoint(number: number): void {
    this.#end = { points: number, how: "killed" };
  }

  /** A neighbour will die at the failpoint of this number, and be back after its time. */
  loseAtPoint(number: number, loss: Loss): void {
    this.#loss = { ...loss, points: number };
  }

  /** Nothing ends the agent any more. */
  live(): void {
    this.#end = undefined;
  }

  /** The agent will be told to stop at that failpoint, and gets the time to do so. */
  stopAtPoint(number: number): void {
    this.#end = { points: number, how: "stopped" };
  }

  /** Runs on until nothing is in progress or the agent has died; `forMs` of time pass. */
  async settle(forMs = 0): Promise<void> {
    await Promise.race([this.#advance(forMs), this.#died.promise]);
  }

  /** Waits for a call to the agent; undefined when the agent died meanwhile. */
  async ask<T>(call: Promise<T>): Promise<T | undefined> {
    return await Promise.race([call, this.#died.promise.then(() => undefined)]);
  }

  record(uid: string): MicroVmRecord | undefined {
    const body = this.host.journal.records.get(uid);
    return body === undefined ? undefined : (JSON.parse(body) as MicroVmRecord);
  }

  faults(): readonly string[] {
    return brokenInvariants(this.host);
  }

  /** What is in progress may need time to end: it gets as much as it takes, up to an hour. */
  async #advance(forMs: number): Promise<void> {
    await this.clock.advance(forMs);
    for (let second = 0; second < 3_600 && this.#busy(); second++) await this.clock.advance(1_000);
  }

  /** Lets time pass until `end`. */
  async #turns(end: Promise<void>): Promise<void> {
    let ended = false;
    void end.then(() => {
      ended = true;
    });
    while (!ended) await this.clock.advance(100);
  }

  #busy(): boolean {
    const { active, queueDepth } = this.engine.statistics();
    return this.alive && active + queueDepth > 0;
  }

  async #reach(name: string): Promise<void> {
    this.reached.push(name);
    if (this.#loss !== undefined && this.#loss.points-- === 0) this.#lose(this.#loss);
    if (this.#end === undefined || this.#end.points-- > 0) return;
    const { how } = this.#end;
    this.#end = undefined;
    if (how === "stopped") {
      void this.stop();
      return;
    }
    this.kill();
    await new Promise(() => undefined);
  }

  #lose({ of, forMs, repliesLost }: Loss): void {
    const { host, clock } = this;
    host.lose(of);
    host.faults.repliesLost = repliesLost;
    clock.timer(1, () => {
      host.faults.repliesLost = false;
    });
    clock.timer(forMs, () => host.bringBack(of));
  }

  #dependencies(session: Session, journal: FakeJournal): EngineDependencies {
    const { host, clock } = this;
    return {
      clock,
      entropy: this.#entropy,
      journal: session.guard(journal),
      hypervisors: new Map([["fake", fakeHypervisor(host, session, clock)]]),
      images: session.guard(fakeImages(host)),
      files: session.guard(fakeFiles(host)),
      blockStores: [session.guard(fakeBlockStore(host))],
      network: session.guard(fakeNetwork(host)),
      metadata: session.guard(fakeMetadata(host)),
      spawner: session.guard(fakeSpawner(host)),
      directories: session.guard(fakeDirectories(host)),
      host: {
        name: "host",
        version: "0.0.0",
        hostId: "0123456789abcdef",
        bootId: host.bootId,
        operatingSystem: "fake",
        kernelVersion: "0",
        platform: "linux/amd64",
        capacity: this.#options.capacity ?? { vcpu: 64, memoryMiB: 262_144 },
        features: {},
        labels: {},
      },
      logger: silentLogger,
      metrics: noMetrics,
      failpoints: { reach: (name) => this.#reach(name) },
      config: {
        ...defaultEngineConfig,
        stateDir: "/state",
        runDir: "/run",
        defaultProvider: "fake",
        ...this.#options.config,
      },
    };
  }
}

/** A spec that the fake host accepts. */
export function specOf(name: string, changes: Partial<MicroVmSpec> = {}): MicroVmSpec {
  return {
    namespace: "default",
    name,
    labels: {},
    provider: "",
    vcpu: 1,
    memoryMiB: 128,
    kernel: { image: "kernel:1", filename: "vmlinux", cmdline: {}, addNetworkConfig: true },
    rootVolume: { id: "root", readOnly: false, source: { kind: "image", image: "root:1" } },
    additionalVolumes: [{ id: "data", readOnly: true, source: { kind: "image", image: "data:1" } }],
    interfaces: [{ deviceId: "eth0", type: "tap" }],
    metadata: {},
    allowGuestAgent: false,
    ...changes,
  };
}

/** A small generator (mulberry32): the same numbers for the same seed. */
function seededEntropy(seed: number): Entropy {
  let state = seed >>> 0;
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { fraction, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(fraction() * 256)) };
}
