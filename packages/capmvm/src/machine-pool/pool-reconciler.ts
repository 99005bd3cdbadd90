/**
 * A MicrovmMachinePool: makes and deletes MicrovmMachines until there are as many of its template as the MachinePool wants.
 *
 * The machines themselves (placing, creating, watching, deleting of microVMs) are the machine reconciler's business: Cluster API makes a Machine for each
 * (`status.infrastructureMachineKind`), so each can be looked at, drained, checked and remediated like any other. A machine is therefore deleted through its
 * Machine, which drains its node first; a Machine whose MicrovmMachine is gone is deleted too.
 */
import {
  addFinalizer,
  applyStatus,
  isNotFound,
  isPaused,
  keyOf,
  keyText,
  type ObjectKey,
  ownersOf,
  type ReconcileContext,
  removeFinalizer,
} from "@liquidmetal/kubernetes";
import {
  type Cluster,
  clusterApiGroup,
  clusterApiNames,
  fieldManager,
  type Machine,
  type MachinePool,
  type MicrovmMachinePool,
  machinePoolFinalizer,
  machines,
  microvmMachinePools,
  microvmMachines,
} from "../api/index.ts";
import { few } from "../cluster/hosts-condition.ts";
import { indexKey } from "../cluster/ownership.ts";
import { type CreateRefusal, refusalOf, refusedCondition } from "./member-refusal.ts";
import { labelValue, newMember, sparsestDomain } from "./new-member.ts";
import type { MachinePoolDependencies } from "./pool-dependencies.ts";
import { type PoolMember, poolMember, templateDigest } from "./pool-member.ts";
import { planPool } from "./pool-plan.ts";
import {
  type PoolFindings,
  poolStatusAfter,
  poolStatusWhilePaused,
  providerIdsOf,
  type Replicas,
  replicasCondition,
} from "./pool-status.ts";

/** On a MachinePool: how many machines there are is decided by somebody else. */
export const replicasManagedByAnnotation = "cluster.x-k8s.io/replicas-managed-by";
/** A Machine without its MicrovmMachine may be younger than our cache; older ones are left over. */
const leftOverAfterMs = 30_000;

interface Scope {
  readonly pool: MicrovmMachinePool;
  readonly machinePool: MachinePool | undefined;
  readonly cluster: Cluster | undefined;
  readonly clusterName: string;
  readonly signal: AbortSignal;
}

export class PoolReconciler {
  readonly #world: MachinePoolDependencies;
  /** By pool, what was asked to go and is not seen going yet: a cache that is behind must not make another one go in its place. Uids. */
  readonly #asked: Map<string, ReadonlySet<string>> = new Map();

  constructor(world: MachinePoolDependencies) {
    this.#world = world;
  }

  async reconcile(key: ObjectKey, { signal }: ReconcileContext): Promise<{ requeueAfterMs: number } | undefined> {
    const { caches, clock } = this.#world;
    const pool = caches.microvmMachinePools.get(key);
    if (pool === undefined) {
      this.#asked.delete(keyText(key));
      return undefined;
    }
    const scope = this.#scope(pool, signal);
    if (isPaused(scope.cluster, pool)) {
      await this.#writeStatus(pool, poolStatusWhilePaused(pool, scope.cluster, clock.nowMs()), signal);
      return undefined;
    }
    if (pool.metadata?.deletionTimestamp !== undefined) {
      await this.#delete(scope);
      return undefined;
    }
    return await this.#work(scope);
  }

  #scope(pool: MicrovmMachinePool, signal: AbortSignal): Scope {
    const { caches } = this.#world;
    const { namespace = "", labels = {} } = pool.metadata ?? {};
    const [owner] = ownersOf(pool, { group: clusterApiGroup, kind: "MachinePool" });
    const machinePool = owner && caches.machinePools.get({ namespace, name: owner.name });
    const clusterName = machinePool?.spec?.clusterName ?? labels[clusterApiNames.clusterNameLabel] ?? "";
    return { pool, machinePool, cluster: caches.clusters.get({ namespace, name: clusterName }), clusterName, signal };
  }

  async #work(scope: Scope): Promise<{ requeueAfterMs: number } | undefined> {
    const { client, caches } = this.#world;
    const { machinePool, signal } = scope;
    const waiting = waitsFor(scope);
    if (machinePool === undefined) return await this.#report(scope, waiting ? { replicasAvailable: waiting } : {});
    const options = { fieldManager, signal };
    const pool = await addFinalizer(client, microvmMachinePools, scope.pool, machinePoolFinalizer, options);
    if (pool === undefined) return undefined;
    caches.microvmMachinePools.learn(pool);
    const secret = machinePool.spec?.template?.spec?.bootstrap?.dataSecretName ?? "";
    const template = templateDigest(pool, secret);
    const members = this.#members({ ...scope, pool }, template);
    if (waiting !== undefined) {
      return await this.#report({ ...scope, pool }, { replicasAvailable: waiting, members });
    }
    const managed = machinePool.metadata?.annotations?.[replicasManagedByAnnotation] !== undefined;
    const wanted = managed ? undefined : (machinePool.spec?.replicas ?? 1);
    const plan = planPool(members, wanted);
    for (const member of plan.remove) await this.#remove(pool, member, signal);
    const { made, refusal } = await this.#create({ ...scope, pool }, machinePool, template, members, plan.create);
    const after = [...members, ...made.map((machine) => poolMember(machine, undefined, template))];
    const leftOver = await this.#removeLeftOver({ ...scope, pool }, after);
    const written = await this.#writeProviderIds(pool, providerIdsOf(members), signal);
    if (written === undefined) return undefined;
    const replicasAvailable =
      refusal === undefined ? replicasCondition(plan, after, wanted) : refusedCondition(pool, refusal);
    const provisioned = wanted === 0 || members.some(({ machine }) => machine.status?.initialization?.provisioned);
    await this.#report({ ...scope, pool: written }, { replicasAvailable, members: after, provisioned });
    // Tried again after a growing while, as everything that fails.
    if (refusal !== undefined) throw refusal.error;
    return leftOver ? { requeueAfterMs: leftOverAfterMs } : undefined;
  }

  /** In the order of names. */
  #members({ pool, clusterName }: Scope, template: string): readonly PoolMember[] {
    const { caches } = this.#world;
    const { namespace = "", uid } = pool.metadata ?? {};
    const members = caches.microvmMachines
      .byIndex("cluster", indexKey({ namespace, name: clusterName }))
      .filter(({ metadata }) => metadata?.ownerReferences?.some((owner) => owner.uid === uid) === true)
      .map((machine) => poolMember(machine, this.#ownerOf(machine), template))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const asked = this.#asked.get(keyText(keyOf(pool)));
    if (asked === undefined) return members;
    const waitsFor = members.filter((member) => !member.deleting && uidsOf(member).some((one) => asked.has(one)));
    const left = new Set(waitsFor.flatMap(uidsOf).filter((one) => asked.has(one)));
    if (left.size === 0) this.#asked.delete(keyText(keyOf(pool)));
    else this.#asked.set(keyText(keyOf(pool)), left);
    return members.map((member) => (waitsFor.includes(member) ? { ...member, deleting: true } : member));
  }

  #ownerOf(machine: PoolMember["machine"]): Machine | undefined {
    const [owner] = ownersOf(machine, { group: clusterApiGroup, kind: "Machine" });
    const name = owner?.name ?? machine.metadata?.name ?? "";
    return this.#world.caches.machines.get({ namespace: machine.metadata?.namespace ?? "", name });
  }

  async #create(
    { pool, signal }: Scope,
    machinePool: MachinePool,
    template: string,
    members: readonly PoolMember[],
    count: number,
  ): Promise<{ readonly made: readonly PoolMember["machine"][]; readonly refusal?: CreateRefusal }> {
    const { client, caches, entropy, events } = this.#world;
    const made: PoolMember["machine"][] = [];
    const all = members.map(({ machine }) => machine);
    while (made.length < count) {
      const failureDomain = sparsestDomain(machinePool.spec?.failureDomains, [...all, ...made]);
      const machine = newMember({ pool, machinePool, template, failureDomain, entropy });
      let created: PoolMember["machine"];
      try {
        created = await client.create(microvmMachines, machine, { fieldManager, signal });
      } catch (error) {
        const refusal = refusalOf(error, machine.metadata?.name ?? "");
        if (refusal === undefined) throw error;
        return { made, refusal };
      }
      caches.microvmMachines.learn(created);
      events.normal(pool, "MachineCreated", `made the MicrovmMachine ${created.metadata?.name}`);
      made.push(created);
    }
    return { made };
  }

  async #remove(pool: MicrovmMachinePool, { name, machine, owner }: PoolMember, signal: AbortSignal): Promise<void> {
    const { client, events } = this.#world;
    const [kind, object] = owner === undefined ? [microvmMachines, machine] : [machines, owner];
    const { namespace = "", name: objectName = "", uid, deletionTimestamp } = object.metadata ?? {};
    if (deletionTimestamp !== undefined) return;
    await client.delete(kind, { namespace, name: objectName }, { signal, ...(uid === undefined ? {} : { uid }) });
    const asked = this.#asked.get(keyText(keyOf(pool)));
    if (uid !== undefined) this.#asked.set(keyText(keyOf(pool)), new Set([...(asked ?? []), uid]));
    events.normal(pool, "MachineDeleted", `deletes the ${kind.kind} of ${name}`);
  }

  /** True when there are some that are too young to tell. */
  async #removeLeftOver({ pool, machinePool, signal }: Scope, members: readonly PoolMember[]): Promise<boolean> {
    const { client, caches, clock } = this.#world;
    const { namespace = "" } = pool.metadata ?? {};
    const label = labelValue(machinePool?.metadata?.name ?? "");
    const names = new Set(members.map(({ name }) => name));
    let tooYoung = false;
    for (const { metadata, spec } of caches.machines.list(namespace)) {
      const { kind, name = "" } = spec?.infrastructureRef ?? {};
      const ours = metadata?.labels?.[clusterApiNames.machinePoolLabel] === label && kind === "MicrovmMachine";
      if (!ours || names.has(name) || metadata.deletionTimestamp !== undefined) continue;
      if (clock.nowMs() - Date.parse(metadata.creationTimestamp ?? "") < leftOverAfterMs) {
        tooYoung = true;
        continue;
      }
      if ((await client.find(microvmMachines, { namespace, name }, { signal })) !== undefined) continue;
      const { name: machineName = "", uid } = metadata;
      await client.delete(
        machines,
        { namespace, name: machineName },
        { signal, ...(uid === undefined ? {} : { uid }) },
      );
    }
    return tooYoung;
  }

  async #delete(scope: Scope): Promise<void> {
    const { client } = this.#world;
    const { pool, signal } = scope;
    if (pool.metadata?.finalizers?.includes(machinePoolFinalizer) !== true) return;
    const members = this.#members(scope, "");
    if (members.length === 0) {
      await removeFinalizer(client, microvmMachinePools, pool, machinePoolFinalizer, { fieldManager, signal });
      return;
    }
    for (const member of members) await this.#remove(pool, member, signal);
    const names = few(
      members.map(({ name }) => name),
      5,
      ", ",
    );
    const message = `${members.length} machine${members.length === 1 ? " is" : "s are"} still there: ${names}`;
    await this.#report(scope, { deleting: { reason: "WaitingForMachines", message }, members });
  }

  /** Undefined = the object is gone. */
  async #writeProviderIds(
    pool: MicrovmMachinePool,
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<MicrovmMachinePool | undefined> {
    const { client, caches } = this.#world;
    const { providerIDList = [] } = pool.spec;
    if (providerIDList.length === ids.length && ids.every((id, index) => id === providerIDList[index])) return pool;
    const { namespace = "", name = "", uid } = pool.metadata ?? {};
    const patch = { metadata: { uid }, spec: { providerIDList: ids.length === 0 ? null : ids } };
    try {
      const key = { namespace, name };
      const written = await client.mergePatch(microvmMachinePools, key, patch, { fieldManager, signal });
      caches.microvmMachinePools.learn(written);
      return written;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #report(scope: Scope, findings: PoolFindings): Promise<undefined> {
    const { pool, cluster, signal } = scope;
    await this.#writeStatus(pool, poolStatusAfter(pool, cluster, findings, this.#world.clock.nowMs()), signal);
  }

  async #writeStatus(pool: MicrovmMachinePool, status: object, signal: AbortSignal): Promise<void> {
    const { client, caches } = this.#world;
    try {
      const written = await applyStatus(client, microvmMachinePools, pool, status, { fieldManager, signal });
      if (written !== pool) caches.microvmMachinePools.learn(written);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

function uidsOf({ machine, owner }: PoolMember): readonly string[] {
  return [machine.metadata?.uid, owner?.metadata?.uid].filter((uid) => uid !== undefined);
}

/** What must be there before machines are made; undefined = everything. */
function waitsFor({ machinePool, cluster }: Scope): Replicas | undefined {
  const wait = (reason: Replicas["reason"], message: string): Replicas => ({ status: "False", reason, message });
  if (machinePool === undefined) {
    return wait("WaitingForClusterInfrastructure", "no MachinePool has this object as its infrastructure yet");
  }
  const going = [machinePool, cluster].find((owner) => owner?.metadata?.deletionTimestamp !== undefined);
  if (going !== undefined) {
    return wait(
      "OwnerDeleting",
      `the ${going === cluster ? "Cluster" : "MachinePool"} is being deleted: no machine is made`,
    );
  }
  if (cluster?.status?.initialization?.infrastructureProvisioned !== true) {
    return wait("WaitingForClusterInfrastructure", "the infrastructure of the Cluster is not provisioned yet");
  }
  if ((machinePool.spec?.template?.spec?.bootstrap?.dataSecretName ?? "") === "") {
    return wait("WaitingForBootstrapData", "the bootstrap provider has not set the MachinePool's dataSecretName yet");
  }
  return undefined;
}
