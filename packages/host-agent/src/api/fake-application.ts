/**
 * A fake application for wire tests: records in memory, accepted and never worked on. It keeps the promises that `application.ts` makes of
 * every call, and lets a test set what a real host would find out by itself.
 */
import { Broadcast, err, ok, PlatformError, type Result, type Subscription } from "@liquidmetal/foundation";
import type { DesiredState, EventRecord, MicroVmRecord, MicroVmSpec } from "@liquidmetal/microvm";
import type { Application, Change, ConsoleAccess, HostFacts } from "../engine/application.ts";

export class FakeApplication implements Application {
  readonly records: Map<string, MicroVmRecord> = new Map();
  readonly history: EventRecord[] = [];
  /** Position of the oldest event kept. */
  firstPosition = 1;
  isHealthy = true;
  /** Log files by source. */
  logs: Readonly<Record<"console" | "vmm", readonly string[]>> = { console: [], vmm: [] };
  /** Thrown by the next call of `get`: a defect. */
  defect: Error | undefined;
  readonly #changes: Broadcast<Change> = new Broadcast();
  readonly #consoles: Map<string, Broadcast<Uint8Array>> = new Map();
  #nextUid = 0;

  async create(spec: MicroVmSpec): Promise<Result<MicroVmRecord, PlatformError>> {
    const same = [...this.records.values()].find(
      (record) => record.spec.namespace === spec.namespace && record.spec.name === spec.name,
    );
    if (same !== undefined) {
      if (JSON.stringify(same.spec) === JSON.stringify(spec)) return ok(same);
      return err(new PlatformError("MICROVM_EXISTS", `${spec.namespace}/${spec.name} exists with another spec`));
    }
    if (spec.provider !== "" && spec.provider !== "fake") {
      return err(new PlatformError("PROVIDER_UNKNOWN", `microvm provider ${spec.provider} isn't available`));
    }
    const record = newRecord(`01JZZZZZZZ${String(this.#nextUid++).padStart(16, "0")}`, spec);
    this.put(record, "Accepted");
    return ok(record);
  }

  get(uid: string): Result<MicroVmRecord, PlatformError> {
    if (this.defect !== undefined) throw this.defect;
    const record = this.records.get(uid);
    return record === undefined ? err(missing(uid)) : ok(record);
  }

  list(filter: { readonly namespace?: string; readonly name?: string }): readonly MicroVmRecord[] {
    return [...this.records.values()]
      .filter(({ spec }) => filter.namespace === undefined || spec.namespace === filter.namespace)
      .filter(({ spec }) => filter.name === undefined || spec.name === filter.name)
      .sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  async delete(uid: string): Promise<Result<MicroVmRecord, PlatformError>> {
    const record = this.records.get(uid);
    if (record === undefined) return err(missing(uid));
    this.records.delete(uid);
    const deleted: MicroVmRecord = { ...record, desired: "deleted", phase: "deleted", version: record.version + 1 };
    const event = this.#event(deleted, "Deleted");
    this.#changes.publish({ kind: "deleted", position: event.position, record: deleted, event });
    return ok(deleted);
  }

  async setDesired(
    uid: string,
    desired: Exclude<DesiredState, "deleted">,
  ): Promise<Result<MicroVmRecord, PlatformError>> {
    const record = this.records.get(uid);
    if (record === undefined) return err(missing(uid));
    return ok(this.put({ ...record, desired, phase: desired, version: record.version + 1 }, `Asked:${desired}`));
  }

  async reboot(uid: string): Promise<Result<MicroVmRecord, PlatformError>> {
    const record = this.records.get(uid);
    if (record === undefined) return err(missing(uid));
    const bootGeneration = record.bootGeneration + 1;
    return ok(this.put({ ...record, bootGeneration, version: record.version + 1 }, "Rebooted"));
  }

  changes(options?: { readonly capacity?: number; readonly signal?: AbortSignal }): Subscription<Change> {
    return this.#changes.subscribe(options);
  }

  events(filter: {
    readonly uid?: string;
    readonly afterPosition?: number;
    readonly limit?: number;
  }): readonly EventRecord[] {
    return this.history
      .filter(({ position }) => position >= this.firstPosition && position > (filter.afterPosition ?? 0))
      .filter(({ uid }) => filter.uid === undefined || uid === filter.uid)
      .slice(0, filter.limit);
  }

  positions(): { readonly first: number; readonly last: number } {
    return { first: this.firstPosition, last: this.history.at(-1)?.position ?? 0 };
  }

  /** A console that echoes what is typed, while the microVM runs. */
  console(uid: string): Result<ConsoleAccess, PlatformError> {
    const record = this.records.get(uid);
    if (record === undefined) return err(missing(uid));
    if (record.phase !== "running") return err(new PlatformError("PHASE_CONFLICT", `${uid} is ${record.phase}`));
    const line = this.#consoles.get(uid) ?? new Broadcast<Uint8Array>();
    this.#consoles.set(uid, line);
    return ok({
      output: (signal) => line.subscribe({ signal }),
      write: async (bytes) => {
        line.publish(bytes);
        return ok();
      },
    });
  }

  logFiles(uid: string, source: "console" | "vmm"): Result<readonly string[], PlatformError> {
    return this.records.has(uid) ? ok(this.logs[source]) : err(missing(uid));
  }

  async host(): Promise<HostFacts> {
    const amounts = { vcpu: 4, memoryMiB: 8_192, diskBytes: 1_000_000 };
    return {
      name: "fake",
      version: "0.1.0",
      hostId: "fake-host",
      operatingSystem: "none",
      kernelVersion: "0",
      platform: "linux/amd64",
      capacity: amounts,
      allocatable: amounts,
      allocated: { vcpu: 0, memoryMiB: 0, diskBytes: 0 },
      hypervisors: [{ name: "fake", unavailableReason: "it is a fake" }],
      defaultProvider: "fake",
      features: { tap: true },
      labels: {},
      network: { tap: true, macvtap: false, bridge: true, nftables: true, dnsmasq: false },
      microVms: this.records.size,
      startedAtMs: 1_790_000_000_000,
    };
  }

  healthy(): boolean {
    return this.isHealthy;
  }

  /** Sets a record as the engine would, and tells watchers. */
  put(record: MicroVmRecord, reason: string): MicroVmRecord {
    this.records.set(record.uid, record);
    const event = this.#event(record, reason);
    this.#changes.publish({ kind: "changed", position: event.position, record, event });
    return record;
  }

  /** Resolves when that many watchers are there. Looks once a turn of the event loop; the caller's own deadline bounds it. */
  async watched(count: number): Promise<void> {
    while (this.#changes.subscribers !== count) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  #event(record: MicroVmRecord, reason: string): EventRecord {
    const { namespace, name } = record.spec;
    const position = (this.history.at(-1)?.position ?? 0) + 1;
    const event: EventRecord = {
      position,
      atMs: 1_790_000_000_000 + position,
      uid: record.uid,
      namespace,
      name,
      severity: "info",
      reason,
      message: "",
    };
    this.history.push(event);
    return event;
  }
}

function newRecord(uid: string, spec: MicroVmSpec): MicroVmRecord {
  return {
    uid,
    spec,
    desired: "running",
    version: 1,
    createdAtMs: 1_790_000_000_000,
    updatedAtMs: 1_790_000_000_000,
    phase: "pending",
    reason: "",
    message: "",
    retry: { attempts: 0, notBeforeMs: 0 },
    made: {
      directory: `/state/vm/${uid}`,
      runDirectory: `/run/${uid}`,
      vmmUserId: 0,
      provider: "fake",
      volumes: {},
      interfaces: {},
    },
    guest: { ready: false, addresses: [] },
    bootGeneration: 0,
    boots: 0,
  };
}

function key({ spec }: MicroVmRecord): string {
  return `${spec.namespace}/${spec.name}`;
}

function missing(uid: string): PlatformError {
  return new PlatformError("MICROVM_NOT_FOUND", `microvm ${uid} not found`);
}
