/**
 * The application of the fake flintlockd: admission, identity, records and events by the agent's own code; the microVMs have no process and live as
 * the test says.
 */
import {
  attempt,
  type Clock,
  PlatformError,
  type Result,
  type Subscription,
  systemEntropy,
  type Timer,
  unwrap,
} from "@liquidmetal/foundation";
import { NoCloudMetadata } from "@liquidmetal/guest-metadata";
import {
  type EventRecord,
  type GuestExit,
  type MicroVmRecord,
  type MicroVmSpec,
  volumesOf,
} from "@liquidmetal/microvm";
import { allocated, checkCapabilities, checkCapacity } from "../engine/admission.ts";
import type { Application, Change, ConsoleAccess, HostFacts } from "../engine/application.ts";
import { uidSource } from "../engine/identifiers.ts";
import { Records } from "../engine/records.ts";
import { exitReasons } from "../engine/restart-policy.ts";
import { firstDifference } from "../engine/spec-difference.ts";
import { draftRecord, staticAddresses } from "./draft-record.ts";
import type { Life } from "./life.ts";
import { capabilitiesOf, descriptionOf, hostFactsOf, type PlayedFacts, playedEngineConfig } from "./played-facts.ts";
import type { VolatileJournal } from "./volatile-journal.ts";

export interface PlayedHostOptions {
  readonly clock: Clock;
  readonly journal: VolatileJournal;
  readonly facts: PlayedFacts;
  /** Accepts a second microVM of one name, as upstream does, and knows no capacity. */
  readonly likeUpstream: boolean;
}

/** Checks metadata as the agent does, and never writes any. */
const metadata = new NoCloudMetadata();

export class PlayedHost implements Application {
  facts: PlayedFacts;
  /** The life of the next microVM. */
  lifeOf: (spec: MicroVmSpec) => Life = () => ({});
  /** Images that can be had; undefined = all. A microVM of another one fails with ImageNotFound. */
  images: ReadonlySet<string> | undefined;
  /** Addresses that a guest reports when it is ready, beside those of its spec. */
  addressesOf: (spec: MicroVmSpec) => readonly string[] = () => [];
  readonly #clock: Clock;
  readonly #journal: VolatileJournal;
  readonly #likeUpstream: boolean;
  readonly #records: Records;
  readonly #nextUid: () => string;
  readonly #lives: Map<string, { readonly life: Life; readonly timers: Set<Timer> }> = new Map();

  constructor(options: PlayedHostOptions) {
    this.#clock = options.clock;
    this.#journal = options.journal;
    this.#likeUpstream = options.likeUpstream;
    this.facts = options.facts;
    this.#records = new Records(options.journal, options.clock);
    this.#records.load();
    this.#nextUid = uidSource(options.clock, systemEntropy);
  }

  async create(spec: MicroVmSpec): Promise<Result<MicroVmRecord, PlatformError>> {
    return await attempt(async () => this.#existing(spec) ?? this.#accept(spec));
  }

  get(uid: string): Result<MicroVmRecord, PlatformError> {
    const record = this.#records.get(uid);
    return record === undefined ? { ok: false, error: missing(uid) } : { ok: true, value: record };
  }

  list(filter: { readonly namespace?: string; readonly name?: string }): readonly MicroVmRecord[] {
    const { name = "", ...rest } = filter;
    if (!this.#likeUpstream || name === "") return this.#records.list(filter);
    // There a name may be had by several.
    return this.#records.list(rest).filter(({ spec }) => spec.name === name);
  }

  async delete(uid: string): Promise<Result<MicroVmRecord, PlatformError>> {
    const life = this.#lives.get(uid);
    const record = this.#records.get(uid);
    if (record === undefined) return { ok: false, error: missing(uid) };
    if (record.desired === "deleted") return { ok: true, value: record };
    this.#forgetTimers(uid);
    const deletedAtMs = this.#clock.nowMs();
    const deleting = this.#update(uid, { desired: "deleted", phase: "deleting", deletedAtMs }, "Deleting");
    this.#later(uid, life?.life.goneAfterMs ?? 0, () => this.vanish(uid));
    return { ok: true, value: deleting };
  }

  async setDesired(
    uid: string,
    desired: "running" | "paused" | "stopped",
  ): Promise<Result<MicroVmRecord, PlatformError>> {
    const record = this.#records.get(uid);
    if (record === undefined) return { ok: false, error: missing(uid) };
    const { phase, guest } = record;
    if (desired === "running" && phase !== "paused" && phase !== "running") {
      const asked = this.#update(uid, { desired, phase: "pending" }, "StartRequested");
      this.#later(uid, 0, () => this.start(uid));
      return { ok: true, value: asked };
    }
    const ready = desired === "stopped" ? { guest: { ready: false, addresses: guest.addresses } } : {};
    return { ok: true, value: this.#update(uid, { desired, phase: desired, ...ready }, `${desired}Requested`) };
  }

  async reboot(uid: string): Promise<Result<MicroVmRecord, PlatformError>> {
    const record = this.#records.get(uid);
    if (record === undefined) return { ok: false, error: missing(uid) };
    const guest = { ...record.guest, ready: false };
    this.#update(uid, { bootGeneration: record.bootGeneration + 1, boots: record.boots + 1, guest }, "Rebooted");
    this.ready(uid);
    return this.get(uid);
  }

  changes(options?: { readonly capacity?: number; readonly signal?: AbortSignal }): Subscription<Change> {
    return this.#records.changes.subscribe(options);
  }

  events(filter: {
    readonly uid?: string;
    readonly afterPosition?: number;
    readonly limit?: number;
  }): readonly EventRecord[] {
    return this.#journal.events(filter);
  }

  positions(): { readonly first: number; readonly last: number } {
    return { first: this.#journal.firstPosition(), last: this.#journal.lastPosition() };
  }

  console(uid: string): Result<ConsoleAccess, PlatformError> {
    return {
      ok: false,
      error: new PlatformError("PHASE_CONFLICT", `microvm ${uid} has no console: this host is played`),
    };
  }

  logFiles(uid: string): Result<readonly string[], PlatformError> {
    return this.#records.has(uid) ? { ok: true, value: [] } : { ok: false, error: missing(uid) };
  }

  async host(): Promise<HostFacts> {
    const held = { ...allocated(this.#records.values()), diskBytes: 0 };
    return hostFactsOf(this.facts, held, this.#records.size);
  }

  healthy(): boolean {
    return true;
  }

  // What the test commands. Each throws MICROVM_NOT_FOUND when there is no such microVM.

  get microVms(): readonly MicroVmRecord[] {
    return this.#records.list({});
  }

  /** Watchers at this moment. */
  get watchers(): number {
    return this.#records.changes.subscribers;
  }

  start(uid: string): void {
    const boots = (this.#records.get(uid)?.boots ?? 0) + 1;
    this.#update(uid, { phase: "running", reason: "", message: "", boots }, "Started");
    const life = this.#lives.get(uid)?.life ?? {};
    this.#later(uid, life.readyAfterMs ?? 0, () => this.ready(uid));
    this.#later(uid, life.diesAfterMs ?? "never", () => this.die(uid));
  }

  /** The guest says that it is ready, with these addresses (default: those of its spec and of `addressesOf`). */
  ready(uid: string, addresses?: readonly string[]): void {
    const { spec } = this.#existingRecord(uid);
    const reported = addresses ?? [...staticAddresses(spec), ...this.addressesOf(spec)];
    const guest = { ready: true, readyAtMs: this.#clock.nowMs(), addresses: reported };
    this.#update(uid, { guest }, "GuestReady", "the guest says that it is ready");
  }

  /** The VMM ends by itself. It stays so, as with the restart policy `never`, unless `restartsAfterMs` says when it is started again. */
  die(uid: string, options: { readonly cause?: GuestExit["cause"]; readonly restartsAfterMs?: number } = {}): void {
    const { cause = "crashed", restartsAfterMs } = options;
    const record = this.#existingRecord(uid);
    const message = `the guest ended: ${cause}`;
    const lastExit = { atMs: this.#clock.nowMs(), cause, message };
    const guest = { ready: false, addresses: record.guest.addresses, lastExit };
    const reason = exitReasons[cause];
    if (restartsAfterMs === undefined) {
      const phase = cause === "powered-off" ? "stopped" : "failed";
      this.#update(uid, { guest, desired: "stopped", phase, reason, message }, reason, message);
      return;
    }
    this.#update(uid, { guest, phase: "pending", reason, message }, reason, message);
    this.#later(uid, restartsAfterMs, () => this.start(uid));
  }

  /** A step fails for good: phase `failed`, as after a missing image. */
  fail(uid: string, reason: string, message: string): void {
    this.#update(uid, { phase: "failed", reason, message }, reason, message);
  }

  /** Gone, without being asked: somebody cleaned the host. */
  vanish(uid: string): void {
    this.#forgetTimers(uid);
    this.#lives.delete(uid);
    const record = this.#records.get(uid);
    if (record !== undefined && record.phase !== "deleting") {
      this.#update(uid, { desired: "deleted", phase: "deleting" }, "Deleting");
    }
    this.#records.forget(uid, { reason: "Deleted", message: "deleted" });
  }

  /** The microVMs of an earlier run go on with their lives. */
  resume(): void {
    for (const { uid, phase, desired } of this.microVms) {
      if (desired === "deleted") this.#later(uid, 0, () => this.vanish(uid));
      else if (phase === "pending") this.#later(uid, 0, () => this.start(uid));
    }
  }

  /** Ends every timer. */
  close(): void {
    for (const uid of this.#lives.keys()) this.#forgetTimers(uid);
  }

  #existing(spec: MicroVmSpec): MicroVmRecord | undefined {
    const existing = this.#likeUpstream ? undefined : this.#records.byName(spec.namespace, spec.name);
    if (existing === undefined) return undefined;
    const name = `${spec.namespace}/${spec.name}`;
    const details = { uid: existing.uid };
    if (existing.desired === "deleted")
      throw new PlatformError("MICROVM_DELETING", `${name} is being deleted`, { details });
    const field = firstDifference(existing.spec, spec);
    if (field === undefined) return existing;
    throw new PlatformError("MICROVM_EXISTS", `${name} exists already and differs in ${field}`, { details });
  }

  #accept(spec: MicroVmSpec): MicroVmRecord {
    if (spec.provider !== "" && spec.provider !== "fake" && !this.#likeUpstream) {
      throw new PlatformError(
        "PROVIDER_UNKNOWN",
        `microvm provider ${spec.provider} isn't available; this host has: fake`,
      );
    }
    if (!this.#likeUpstream) {
      checkCapacity(spec, this.#records.values(), descriptionOf(this.facts), playedEngineConfig);
      checkCapabilities(spec, capabilitiesOf(this.facts));
    }
    const life = this.lifeOf(spec);
    const record = draftRecord(this.#nextUid(), spec, this.#clock);
    const { uid, made } = record;
    const interfaces = Object.values(made.interfaces);
    if (this.facts.checksMetadata !== false)
      unwrap(metadata.documents({ uid, spec, interfaces, directory: made.directory }));
    this.#lives.set(uid, { life, timers: new Set() });
    this.#records.insert(record, { reason: "Accepted", message: "accepted for the hypervisor fake" });
    this.#begin(uid, spec, life);
    return this.#existingRecord(uid);
  }

  #begin(uid: string, spec: MicroVmSpec, life: Life): void {
    const absent = this.#absentImage(spec);
    if (absent !== undefined) {
      const message = `image ${absent} not found: it is neither on this host nor in its registry`;
      this.#later(uid, 0, () => this.fail(uid, "ImageNotFound", message));
      return;
    }
    const { fails } = life;
    if (fails !== undefined) this.#later(uid, fails.afterMs, () => this.fail(uid, fails.reason, fails.message));
    if (life.bornRunning) this.start(uid);
    else if (fails === undefined || life.startsAfterMs !== undefined) {
      this.#later(uid, life.startsAfterMs ?? 0, () => this.start(uid));
    }
  }

  #absentImage(spec: MicroVmSpec): string | undefined {
    const { images } = this;
    if (images === undefined) return undefined;
    const wanted = [spec.kernel.image, spec.initrd?.image];
    for (const { source } of volumesOf(spec)) if (source.kind === "image") wanted.push(source.image);
    return wanted.find((image) => image !== undefined && !images.has(image));
  }

  #existingRecord(uid: string): MicroVmRecord {
    const record = this.#records.get(uid);
    if (record === undefined) throw missing(uid);
    return record;
  }

  #update(uid: string, change: Partial<MicroVmRecord>, reason: string, message = ""): MicroVmRecord {
    const updated = this.#records.update(uid, (record) => ({ ...record, ...change }), [{ reason, message }]);
    if (updated === undefined) throw missing(uid);
    return updated;
  }

  /** Nothing happens any more to a microVM that is being deleted or gone. */
  #later(uid: string, delayMs: number | "never", work: () => void): void {
    if (delayMs === "never") return;
    const kept = this.#lives.get(uid) ?? { life: {}, timers: new Set<Timer>() };
    this.#lives.set(uid, kept);
    const timer = this.#clock.timer(delayMs, () => {
      kept.timers.delete(timer);
      if (this.#records.has(uid)) work();
    });
    kept.timers.add(timer);
  }

  #forgetTimers(uid: string): void {
    for (const timer of this.#lives.get(uid)?.timers ?? []) timer.cancel();
    this.#lives.get(uid)?.timers.clear();
  }
}

function missing(uid: string): PlatformError {
  return new PlatformError("MICROVM_NOT_FOUND", `microvm ${uid} not found`);
}
