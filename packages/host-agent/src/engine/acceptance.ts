/**
 * Accepting a microVM: everything that can be said no to is said before anything is durable, and everything it will be called is chosen before
 * anything is made.
 *
 * Creates of one name come one after another; the check of capacity and the commit are one turn of the event loop.
 */
import { join } from "node:path";
import { PlatformError, Semaphore, unwrap } from "@liquidmetal/foundation";
import { type MadeInterface, type MicroVmRecord, type MicroVmSpec, volumesOf } from "@liquidmetal/microvm";
import { checkCapabilities, checkCapacity } from "./admission.ts";
import type { EngineContext } from "./context.ts";
import { notReady } from "./guest-events.ts";
import { interfaceRequest } from "./resource-steps.ts";
import { firstDifference } from "./spec-difference.ts";

export class Acceptance {
  readonly #context: EngineContext;
  readonly #nextUid: () => string;
  readonly #byName: Map<string, Semaphore> = new Map();
  /** User ids given to creates that are not committed yet. */
  readonly #givenUserIds: Set<number> = new Set();
  #accepting = 0;

  constructor(context: EngineContext, nextUid: () => string) {
    this.#context = context;
    this.#nextUid = nextUid;
  }

  /** Throws what `Application.create` documents. */
  async create(spec: MicroVmSpec): Promise<MicroVmRecord> {
    const { acceptingMax } = this.#context.deps.config;
    if (this.#accepting >= acceptingMax) {
      throw new PlatformError("QUEUE_FULL", `${acceptingMax} creates are being looked at already`);
    }
    const key = `${spec.namespace}/${spec.name}`;
    const line = this.#byName.get(key) ?? new Semaphore(1);
    this.#byName.set(key, line);
    this.#accepting++;
    try {
      return await line.run(() => this.#existing(spec) ?? this.#accept(spec));
    } finally {
      this.#accepting--;
      if (line.waiting === 0) this.#byName.delete(key);
    }
  }

  #existing(spec: MicroVmSpec): Promise<MicroVmRecord> | undefined {
    const existing = this.#context.records.byName(spec.namespace, spec.name);
    if (existing === undefined) return undefined;
    const name = `${spec.namespace}/${spec.name}`;
    const details = { uid: existing.uid };
    if (existing.desired === "deleted")
      throw new PlatformError("MICROVM_DELETING", `${name} is being deleted`, { details });
    const field = firstDifference(existing.spec, spec);
    if (field === undefined) return Promise.resolve(existing);
    throw new PlatformError("MICROVM_EXISTS", `${name} exists already and differs in ${field}`, {
      details: { ...details, field },
    });
  }

  async #accept(spec: MicroVmSpec): Promise<MicroVmRecord> {
    const { deps, records, hypervisors } = this.#context;
    const provider = spec.provider === "" ? deps.config.defaultProvider : spec.provider;
    hypervisors.driver(provider);
    checkCapacity(spec, records.values(), deps.host, deps.config);
    checkCapabilities(spec, unwrap(await hypervisors.capabilities(provider)));
    this.#checkSharedFolders(spec);
    const vmmUserId = this.#chooseUserId();
    try {
      const fresh = this.#draft(spec, provider, vmmUserId);
      return await this.#reserveAndCommit(fresh);
    } finally {
      this.#givenUserIds.delete(vmmUserId);
    }
  }

  async #reserveAndCommit(fresh: MicroVmRecord): Promise<MicroVmRecord> {
    const { deps, records, failpoints, wake } = this.#context;
    const { uid, spec } = fresh;
    const interfaces: Record<string, MadeInterface> = {};
    try {
      for (const nic of spec.interfaces) {
        interfaces[nic.deviceId] = unwrap(await deps.network.allocate(interfaceRequest(fresh, nic)));
      }
      const record = { ...fresh, made: { ...fresh.made, interfaces } };
      const { directory } = record.made;
      unwrap(deps.metadata.documents({ uid, spec, interfaces: Object.values(interfaces), directory }));
      await failpoints.reach("accept:before-commit");
      checkCapacity(spec, records.values(), deps.host, deps.config);
      const accepted = { ...record, guest: notReady(record) };
      records.insert(accepted, { reason: "Accepted", message: `accepted for the hypervisor ${record.made.provider}` });
      await failpoints.reach("accept:after-commit");
      wake(uid);
      return accepted;
    } catch (error) {
      if (!records.has(uid)) await this.#giveBack(uid, Object.values(interfaces));
      throw error;
    }
  }

  /** Names and addresses of a create that was refused. */
  async #giveBack(uid: string, interfaces: readonly MadeInterface[]): Promise<void> {
    const { network, logger } = this.#context.deps;
    for (const made of interfaces) {
      const released = await network.release(uid, made);
      if (!released.ok)
        logger.warn("create.release_failed", { uid, hostDevice: made.hostDevice, error: released.error });
    }
  }

  #draft(spec: MicroVmSpec, provider: string, vmmUserId: number): MicroVmRecord {
    const { clock, config } = this.#context.deps;
    const uid = this.#nextUid();
    const nowMs = clock.nowMs();
    return {
      uid,
      spec,
      desired: "running",
      version: 1,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      phase: "pending",
      reason: "",
      message: "",
      retry: { attempts: 0, notBeforeMs: 0 },
      made: {
        directory: join(config.stateDir, "vm", spec.namespace, spec.name, uid),
        runDirectory: join(config.runDir, uid),
        vmmUserId,
        provider,
        volumes: {},
        interfaces: {},
      },
      guest: { ready: false, addresses: [] },
      bootGeneration: 1,
      boots: 0,
    };
  }

  /** The lowest one that nobody has; 0 when user ids are not used. */
  #chooseUserId(): number {
    const { vmmUserIds } = this.#context.deps.config;
    if (vmmUserIds === undefined) return 0;
    const taken = new Set(this.#givenUserIds);
    for (const record of this.#context.records.values()) taken.add(record.made.vmmUserId);
    for (let id = vmmUserIds.first; id < vmmUserIds.first + vmmUserIds.count; id++) {
      if (taken.has(id)) continue;
      this.#givenUserIds.add(id);
      return id;
    }
    throw new PlatformError("CAPACITY_EXCEEDED", `all ${vmmUserIds.count} user ids for VMMs are taken`);
  }

  #checkSharedFolders(spec: MicroVmSpec): void {
    const { sharedFolders } = this.#context.deps;
    for (const { id, source } of volumesOf(spec)) {
      if (source.kind !== "virtiofs") continue;
      if (sharedFolders === undefined) {
        throw new PlatformError("CAPABILITY_MISSING", `this host shares no directories (volume ${id})`);
      }
      unwrap(sharedFolders.check(source.path));
    }
  }
}
