/**
 * The engine: the use cases of the host agent over the reconcile loop.
 *
 * Reads answer from memory. Writes commit, wake the loop and answer. `close` stops working and lets every guest live.
 */
import { join } from "node:path";
import {
  attempt,
  err,
  ok,
  PlatformError,
  type Result,
  Semaphore,
  type Subscription,
  sleep,
  withDeadline,
} from "@liquidmetal/foundation";
import {
  type DesiredState,
  type EventRecord,
  type MicroVmRecord,
  type MicroVmSpec,
  type Phase,
  phases,
  type UsageSample,
} from "@liquidmetal/microvm";
import { Acceptance } from "./acceptance.ts";
import { checkCapacity, holdsCompute } from "./admission.ts";
import type { Application, Change, ConsoleAccess, HostFacts } from "./application.ts";
import { type EngineContext, failpointsOf, HypervisorTable } from "./context.ts";
import type { EngineDependencies } from "./dependencies.ts";
import { onGuestEvent, onGuestExit } from "./guest-events.ts";
import { Guests } from "./guests.ts";
import { hostFacts } from "./host-facts.ts";
import { uidSource } from "./identifiers.ts";
import { pruneCaches, sweepOrphans } from "./orphan-sweep.ts";
import { Reconciler } from "./reconciler.ts";
import { Records } from "./records.ts";
import { type StartReport, takeOver } from "./startup.ts";

export interface EngineStatistics {
  readonly queueDepth: number;
  readonly active: number;
  readonly guests: number;
  readonly phases: Readonly<Record<Phase, number>>;
}

export interface MicroVmUsage {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly sample: UsageSample;
}

export interface Engine extends Application {
  /** Takes over what is on the host, then begins to work. Once, before any other call. Errors: STATE_TOO_NEW, STATE_CORRUPT, SPAWNER_UNAVAILABLE. */
  start(): Promise<Result<StartReport, PlatformError>>;
  /** Something changed that failed microVMs may be waiting for: an image was imported, capacity was added. */
  nudge(): void;
  /** Looks at everything again, sweeps orphans and prunes caches; also done every `resyncMs`. */
  resync(): Promise<void>;
  statistics(): EngineStatistics;
  /** What each guest uses now; guests whose VMM does not answer within a second are left out. */
  usage(): Promise<readonly MicroVmUsage[]>;
  /** Resolves when nothing runs and nothing is due. */
  idle(): Promise<void>;
  /** Stops working; every guest lives on. The journal stays open: who opened it closes it. */
  close(): Promise<void>;
}

export function createEngine(deps: EngineDependencies): Engine {
  return new MicroVmEngine(deps);
}

class MicroVmEngine implements Engine {
  readonly #deps: EngineDependencies;
  readonly #context: EngineContext;
  readonly #records: Records;
  readonly #guests: Guests;
  readonly #reconciler: Reconciler;
  readonly #acceptance: Acceptance;
  readonly #closing: AbortController = new AbortController();
  readonly #startedAtMs: number;

  constructor(deps: EngineDependencies) {
    this.#deps = deps;
    this.#startedAtMs = deps.clock.nowMs();
    this.#records = new Records(deps.journal, deps.clock);
    this.#guests = new Guests(deps.clock, {
      onEvent: (guest, event) => onGuestEvent(this.#context, guest, event),
      onExit: (guest, exit) => onGuestExit(this.#context, guest, exit),
      onDefect: (uid, error) => deps.logger.error("guest.defect", { uid, error }),
    });
    this.#context = {
      deps,
      records: this.#records,
      guests: this.#guests,
      hypervisors: new HypervisorTable(deps.hypervisors),
      failpoints: failpointsOf(deps),
      suspects: new Set(),
      wake: (uid) => this.#reconciler.wake(uid),
      holdOff: (uid, delayMs) => this.#reconciler.holdOff(uid, delayMs),
    };
    this.#reconciler = new Reconciler(this.#context);
    this.#acceptance = new Acceptance(this.#context, uidSource(deps.clock, deps.entropy));
  }

  start(): Promise<Result<StartReport, PlatformError>> {
    return attempt(async () => {
      await this.#ensureNetwork();
      const { hypervisors } = this.#context;
      // Probing an accelerator takes a while: begun now, so that the first create need not wait for it.
      for (const name of hypervisors.names) void hypervisors.capabilities(name);
      const report = await takeOver(this.#context);
      this.#deps.logger.info("engine.started", { ...report });
      if (this.#deps.config.reconcile) void sweepOrphans(this.#context);
      void this.#resyncForEver();
      return report;
    });
  }

  create(spec: MicroVmSpec): Promise<Result<MicroVmRecord, PlatformError>> {
    return attempt(() => this.#acceptance.create(spec));
  }

  get(uid: string): Result<MicroVmRecord, PlatformError> {
    const record = this.#records.get(uid);
    return record === undefined ? err(notFound(uid)) : ok(record);
  }

  list(filter: { readonly namespace?: string; readonly name?: string }): readonly MicroVmRecord[] {
    return this.#records.list(filter);
  }

  delete(uid: string): Promise<Result<MicroVmRecord, PlatformError>> {
    return attempt(async () => {
      const deletedAtMs = this.#deps.clock.nowMs();
      const record = this.#existing(uid);
      if (record.desired === "deleted") {
        this.#reconciler.command(uid, { forced: true, interrupt: false });
        return record;
      }
      const changed = this.#records.update(
        uid,
        (now) => ({ ...now, ...fresh, desired: "deleted", phase: "deleting", deletedAtMs }),
        [{ reason: "DeleteRequested", message: "it is to be deleted" }],
      );
      this.#reconciler.command(uid, { forced: true, interrupt: true });
      return changed ?? record;
    });
  }

  setDesired(
    uid: string,
    desired: Exclude<DesiredState, "deleted">,
    options: { readonly force?: boolean } = {},
  ): Promise<Result<MicroVmRecord, PlatformError>> {
    return attempt(async () => {
      const record = this.#changeable(uid);
      const { records } = this.#context;
      if (desired === "paused") await this.#checkPause(record);
      if (desired !== "stopped" && !holdsCompute(record)) {
        checkCapacity(record.spec, records.values(), this.#deps.host, this.#deps.config);
      }
      const differs = record.desired !== desired;
      const phase: Phase = record.phase === "failed" ? "pending" : record.phase;
      const changed = records.update(
        uid,
        (now) => ({ ...now, ...fresh, desired, phase }),
        differs ? [{ reason: `${wishWords[desired]}Requested`, message: `it is to be ${desired}` }] : [],
      );
      const forced = desired === "stopped" && options.force === true;
      this.#reconciler.command(uid, { forced, interrupt: differs || forced });
      return changed ?? record;
    });
  }

  reboot(uid: string, options: { readonly force?: boolean } = {}): Promise<Result<MicroVmRecord, PlatformError>> {
    return attempt(async () => {
      const record = this.#changeable(uid);
      if (record.desired !== "running") {
        throw new PlatformError("PHASE_CONFLICT", `it cannot be rebooted while it is to be ${record.desired}`);
      }
      const changed = this.#records.update(
        uid,
        (now) => ({ ...now, ...fresh, bootGeneration: now.bootGeneration + 1 }),
        [{ reason: "RebootRequested", message: "the guest is to be rebooted" }],
      );
      this.#reconciler.command(uid, { forced: options.force === true, interrupt: options.force === true });
      return changed ?? record;
    });
  }

  changes(options: { readonly capacity?: number; readonly signal?: AbortSignal } = {}): Subscription<Change> {
    return this.#records.changes.subscribe(options);
  }

  events(filter: {
    readonly uid?: string;
    readonly afterPosition?: number;
    readonly limit?: number;
  }): readonly EventRecord[] {
    return this.#deps.journal.events(filter);
  }

  positions(): { readonly first: number; readonly last: number } {
    const { journal } = this.#deps;
    return { first: journal.firstPosition(), last: journal.lastPosition() };
  }

  console(uid: string): Result<ConsoleAccess, PlatformError> {
    if (!this.#records.has(uid)) return err(notFound(uid));
    const guest = this.#guests.get(uid);
    if (guest === undefined) return err(new PlatformError("PHASE_CONFLICT", "no guest runs, so there is no console"));
    return ok({
      output: (signal) => this.#guests.consoleOutput(uid, signal),
      write: async (bytes) => {
        const current = this.#guests.get(uid);
        if (current === undefined) return err(new PlatformError("PHASE_CONFLICT", "the guest has ended"));
        return await current.vmm.writeConsole(bytes);
      },
    });
  }

  logFiles(uid: string, source: "console" | "vmm"): Result<readonly string[], PlatformError> {
    const record = this.#records.get(uid);
    if (record === undefined) return err(notFound(uid));
    const path = join(record.made.directory, `${source}.log`);
    return ok([`${path}.1`, path]);
  }

  host(): Promise<HostFacts> {
    return hostFacts(this.#context, this.#startedAtMs);
  }

  healthy(): boolean {
    return this.#reconciler.healthy;
  }

  nudge(): void {
    this.#reconciler.nudge();
  }

  async resync(): Promise<void> {
    if (!this.#deps.config.reconcile) return;
    await this.#ensureNetwork();
    for (const { uid } of [...this.#records.values()]) this.#reconciler.wake(uid);
    this.#reconciler.nudge();
    await sweepOrphans(this.#context);
    await pruneCaches(this.#context, (digest) => this.#inUse(digest));
  }

  statistics(): EngineStatistics {
    const counts = Object.fromEntries(phases.map((phase) => [phase, 0])) as Record<Phase, number>;
    for (const record of this.#records.values()) counts[record.phase]++;
    const { depth: queueDepth, active } = this.#reconciler;
    return { queueDepth, active, guests: this.#guests.size, phases: counts };
  }

  async usage(): Promise<readonly MicroVmUsage[]> {
    const line = new Semaphore(32);
    const { clock } = this.#deps;
    const samples = [...this.#guests.values()].map(({ uid, vmm }) =>
      line.run(async (): Promise<readonly MicroVmUsage[]> => {
        const record = this.#records.get(uid);
        const waitingFor = `the usage of ${uid}`;
        const sampled = await attempt(() => withDeadline({ clock, timeoutMs: 1_000, waitingFor }, () => vmm.usage()));
        if (record === undefined || !sampled.ok || !sampled.value.ok) return [];
        const { namespace, name } = record.spec;
        return [{ uid, namespace, name, sample: sampled.value.value }];
      }),
    );
    return (await Promise.all(samples)).flat();
  }

  async idle(): Promise<void> {
    await this.#reconciler.idle();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#reconciler.close();
    await this.#guests.detach();
    this.#records.changes.close();
  }

  #existing(uid: string): MicroVmRecord {
    const record = this.#records.get(uid);
    if (record === undefined) throw notFound(uid);
    return record;
  }

  #changeable(uid: string): MicroVmRecord {
    const record = this.#existing(uid);
    if (record.desired === "deleted") throw new PlatformError("MICROVM_DELETING", `${uid} is being deleted`);
    return record;
  }

  async #checkPause(record: MicroVmRecord): Promise<void> {
    const { provider } = record.made;
    const capabilities = await this.#context.hypervisors.capabilities(provider);
    if (capabilities.ok && capabilities.value.pause) return;
    throw new PlatformError("CAPABILITY_MISSING", `${provider} cannot pause guests here`);
  }

  #inUse(digest: string): boolean {
    for (const { made } of this.#records.values()) {
      if (made.kernel?.imageDigest === digest || made.initrd?.imageDigest === digest) return true;
      for (const volume of Object.values(made.volumes)) if (volume.imageDigest === digest) return true;
    }
    return this.#reconciler.inUse(digest);
  }

  /** Without it creates fail with a reason of their own; the next resync tries again. */
  async #ensureNetwork(): Promise<void> {
    const { network, logger } = this.#deps;
    const ensured = await network.ensureEmbedded();
    if (!ensured.ok) logger.error("network.embedded_failed", { error: ensured.error });
  }

  async #resyncForEver(): Promise<void> {
    const { signal } = this.#closing;
    const { clock, config, entropy, logger } = this.#deps;
    while (!signal.aborted) {
      await sleep(clock, config.resyncMs * (0.9 + entropy.fraction() / 5), signal).catch(() => undefined);
      if (signal.aborted) return;
      const synced = await attempt(() => this.resync());
      if (!synced.ok) logger.error("resync.failed", { error: synced.error });
    }
  }
}

/** What the user's word sets back. */
const fresh = { reason: "", message: "", retry: { attempts: 0, notBeforeMs: 0 } } as const;

const wishWords = { running: "Start", stopped: "Stop", paused: "Pause" } as const;

function notFound(uid: string): PlatformError {
  return new PlatformError("MICROVM_NOT_FOUND", `microVM ${uid} not found`);
}
