/**
 * How many machines of each group are on each host: kept up with the cache, so that placing one of thousands does not count thousands.
 *
 * A group is what keeps apart: the control plane of a cluster, the machines of one deployment.
 */
import { clusterApiNames, type MicrovmMachine, parseProviderId } from "../api/index.ts";
import { journalOf } from "./journal.ts";

export class Occupancy {
  readonly #where: Map<string, { readonly endpoint: string; readonly group: string }> = new Map();
  /** By group, then endpoint. */
  readonly #counts: Map<string, Map<string, number>> = new Map();

  /** As the object says; a machine that was placed a moment ago, and whose object here does not say so yet, stays where it was put. */
  see(machine: MicrovmMachine): void {
    const endpoint = endpointOf(machine);
    if (endpoint !== undefined) this.put(machine, endpoint);
  }

  put(machine: MicrovmMachine, endpoint: string): void {
    const uid = machine.metadata?.uid ?? "";
    const group = spreadGroupOf(machine);
    const before = this.#where.get(uid);
    if (before?.endpoint === endpoint && before.group === group) return;
    this.forget(uid);
    this.#where.set(uid, { endpoint, group });
    this.#add(group, endpoint, 1);
  }

  forget(uid: string): void {
    const before = this.#where.get(uid);
    if (before === undefined) return;
    this.#where.delete(uid);
    this.#add(before.group, before.endpoint, -1);
  }

  /** Machines of the group on the host, without `except`. */
  count(group: string, endpoint: string, except: string): number {
    const own = this.#where.get(except);
    const all = this.#counts.get(group)?.get(endpoint) ?? 0;
    return own?.group === group && own.endpoint === endpoint ? all - 1 : all;
  }

  #add(group: string, endpoint: string, change: number): void {
    const hosts = this.#counts.get(group) ?? new Map<string, number>();
    const count = (hosts.get(endpoint) ?? 0) + change;
    if (count === 0) hosts.delete(endpoint);
    else hosts.set(endpoint, count);
    if (hosts.size === 0) this.#counts.delete(group);
    else this.#counts.set(group, hosts);
  }
}

/** Where its microVM is, or is to be made. */
export function endpointOf(machine: MicrovmMachine): string | undefined {
  return parseProviderId(machine.spec?.providerID ?? "")?.endpoint ?? journalOf(machine)?.endpoint;
}

export function isControlPlane(machine: MicrovmMachine): boolean {
  return machine.metadata?.labels?.[clusterApiNames.controlPlaneLabel] !== undefined;
}

/** Labels that Cluster API puts on every infrastructure machine. */
export function spreadGroupOf(machine: MicrovmMachine): string {
  const { namespace = "", labels = {} } = machine.metadata ?? {};
  const cluster = labels[clusterApiNames.clusterNameLabel] ?? "";
  const set =
    labels["cluster.x-k8s.io/deployment-name"] ??
    labels["cluster.x-k8s.io/set-name"] ??
    labels[clusterApiNames.machinePoolLabel] ??
    "";
  return isControlPlane(machine) ? `${namespace}/${cluster}` : `${namespace}/${cluster}/workers/${set}`;
}
