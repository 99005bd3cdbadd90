/**
 * What is promised to workloads and not yet counted by their hosts.
 *
 * Invariants: one reservation a workload; a reservation ends only by `release`, upon evidence (the host counts the workload, or says that it has none, or the
 * workload is gone), never by the clock: an expired promise to a slow host is how memory is given twice. Placing and reserving is one step without a pause,
 * so two workloads never both get the last room.
 */
import { ok, type Result } from "@liquidmetal/foundation";
import type { HostCandidate } from "./host-candidate.ts";
import { type Placement, type PlaceOptions, place, type Shortage } from "./place.ts";
import { noResources, plus, type Resources } from "./resources.ts";
import type { Workload } from "./workload.ts";

export interface Reservation {
  /** Whose: unique and stable, for example the uid of the object that wants the place. */
  readonly owner: string;
  readonly hostId: string;
  readonly resources: Resources;
  readonly spreadGroup?: string;
}

export class Reservations {
  readonly #byOwner: Map<string, Reservation> = new Map();
  readonly #byHost: Map<string, Map<string, Reservation>> = new Map();

  get size(): number {
    return this.#byOwner.size;
  }

  get(owner: string): Reservation | undefined {
    return this.#byOwner.get(owner);
  }

  /** Every reservation on a host. */
  on(hostId: string): readonly Reservation[] {
    return [...(this.#byHost.get(hostId)?.values() ?? [])];
  }

  /** Enters a promise made before, without asking whether there is room: after a restart, from what was written down. Replaces the owner's earlier one. */
  enter(reservation: Reservation): void {
    this.release(reservation.owner);
    this.#byOwner.set(reservation.owner, reservation);
    let here = this.#byHost.get(reservation.hostId);
    if (here === undefined) {
      here = new Map();
      this.#byHost.set(reservation.hostId, here);
    }
    here.set(reservation.owner, reservation);
  }

  /** Ends a promise. True if there was one. */
  release(owner: string): boolean {
    const reservation = this.#byOwner.get(owner);
    if (reservation === undefined) return false;
    this.#byOwner.delete(owner);
    const here = this.#byHost.get(reservation.hostId);
    here?.delete(owner);
    if (here?.size === 0) this.#byHost.delete(reservation.hostId);
    return true;
  }

  /** The host with what is promised on it added to `reserved` and `members`, except to `except`. */
  charge(host: HostCandidate, except?: string): HostCandidate {
    const here = this.#byHost.get(host.id);
    if (here === undefined || (here.size === 1 && except !== undefined && here.has(except))) return host;
    let reserved = host.reserved ?? noResources;
    const members = new Map(host.members);
    for (const { owner, resources, spreadGroup } of here.values()) {
      if (owner === except) continue;
      reserved = plus(reserved, resources);
      if (spreadGroup !== undefined) members.set(spreadGroup, (members.get(spreadGroup) ?? 0) + 1);
    }
    return { ...host, reserved, members };
  }

  /**
   * Places and reserves. `hosts` come without promises: they are charged here. An owner that has a place on one of the hosts keeps it, whatever else has
   * become better, if that host may still take it; else it is placed anew.
   */
  place(
    owner: string,
    workload: Workload,
    hosts: readonly HostCandidate[],
    options: PlaceOptions = {},
  ): Result<Placement, Shortage> {
    const charged = hosts.map((host) => this.charge(host, owner));
    const held = this.#byOwner.get(owner);
    const kept = held && charged.find(({ id }) => id === held.hostId);
    const again = kept === undefined ? undefined : place(workload, [kept], options);
    const placed = again?.ok === true ? again : place(workload, charged, options);
    if (!placed.ok) return placed;
    this.enter({
      owner,
      hostId: placed.value.host.id,
      resources: workload.resources,
      ...(workload.spread === undefined ? {} : { spreadGroup: workload.spread.name }),
    });
    return ok(placed.value);
  }
}
