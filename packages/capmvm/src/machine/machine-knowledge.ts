/**
 * What this process knows of machines beside what the API server and the hosts tell: promises to hosts, what it has sent, who refused. Nothing of it must
 * survive: after a restart the journal of each machine stands for it, and is believed to have been sent.
 *
 * Machines are known by the uid of their object.
 */
import type { Clock } from "@liquidmetal/foundation";
import type { ObjectKey } from "@liquidmetal/kubernetes";
import { type Reservation, Reservations } from "@liquidmetal/placement";
import type { Findings } from "./findings.ts";

/** Longer than a create call may take, on either side of a connection that breaks. */
export const quietMs = 45_000;
/** A refusal is forgotten after this time even if the host tells nothing new. */
export const refusalMs = 60_000;
const shortageAgainMs = 30_000;
/** A microVM that does not go away is asked to again after this time. */
const deleteAgainMs = 60_000;

/** A journal that this process wrote, or has read from the API server itself. */
export interface ConfirmedJournal {
  readonly endpoint: string;
  /** False only if it is certain that the host was never asked. */
  readonly sent: boolean;
}

interface Known {
  journal?: ConfirmedJournal;
  quietUntilMs?: number;
  readonly refusals: Map<string, { readonly message: string; readonly untilMs: number }>;
  readonly deleteCalls: Map<string, number>;
  recordedAtMs?: number;
  held?: { readonly findings: Findings; readonly untilMs: number };
  shortageSaidMs?: number;
}

export class MachineKnowledge {
  readonly reservations: Reservations = new Reservations();
  /** Called when room may have come free without a word of any host. */
  onRoom: (() => void) | undefined;
  readonly #clock: Clock;
  readonly #known: Map<string, Known> = new Map();
  readonly #waiting: Map<string, ObjectKey> = new Map();
  /** Machines that each host has refused, by endpoint. */
  readonly #refused: Map<string, Set<string>> = new Map();
  /** Promises that were kept, and that the host's numbers may not show yet. By endpoint. */
  readonly #kept: Map<string, Set<string>> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  journal(uid: string): ConfirmedJournal | undefined {
    return this.#known.get(uid)?.journal;
  }

  confirm(uid: string, journal: ConfirmedJournal): void {
    this.#of(uid).journal = journal;
  }

  /** No create until this time: one that is still under way must have ended by then. */
  keepQuiet(uid: string): void {
    this.#of(uid).quietUntilMs = this.#clock.monotonicMs() + quietMs;
  }

  /** Milliseconds of quiet that are left. */
  quietLeftMs(uid: string): number {
    const until = this.#known.get(uid)?.quietUntilMs;
    return until === undefined ? 0 : Math.max(0, until - this.#clock.monotonicMs());
  }

  refused(uid: string, endpoint: string, message: string): void {
    this.#of(uid).refusals.set(endpoint, { message, untilMs: this.#clock.monotonicMs() + refusalMs });
    const refused = this.#refused.get(endpoint) ?? new Set();
    this.#refused.set(endpoint, refused.add(uid));
  }

  /** Hosts that refused this machine a while ago, and why. */
  refusals(uid: string): ReadonlyMap<string, string> {
    const refusals = this.#known.get(uid)?.refusals ?? new Map<string, { message: string; untilMs: number }>();
    const nowMs = this.#clock.monotonicMs();
    return new Map([...refusals].flatMap(([at, { message, untilMs }]) => (untilMs > nowMs ? [[at, message]] : [])));
  }

  /**
   * Not again before this time: what a call ended with goes into the status, and that very write wakes the machine again.
   */
  hold(uid: string, findings: Findings, forMs: number): void {
    this.#of(uid).held = { findings, untilMs: this.#clock.monotonicMs() + forMs };
  }

  held(uid: string): { readonly findings: Findings; readonly leftMs: number } | undefined {
    const held = this.#known.get(uid)?.held;
    const leftMs = (held?.untilMs ?? 0) - this.#clock.monotonicMs();
    return held === undefined || leftMs <= 0 ? undefined : { findings: held.findings, leftMs };
  }

  /** Whether a shortage may be told in new words: its numbers change with every microVM on any host, and each telling is a write. */
  mayTellShortage(uid: string): boolean {
    const known = this.#of(uid);
    const nowMs = this.#clock.monotonicMs();
    if (known.shortageSaidMs !== undefined && nowMs - known.shortageSaidMs < shortageAgainMs) return false;
    known.shortageSaidMs = nowMs;
    return true;
  }

  /** The host tells something new of itself: refusals are void, and its numbers show what was made before. */
  hostTold(endpoint: string): void {
    for (const uid of this.#refused.get(endpoint) ?? []) this.#known.get(uid)?.refusals.delete(endpoint);
    this.#refused.delete(endpoint);
    for (const uid of this.#kept.get(endpoint) ?? []) {
      if (this.reservations.get(uid)?.hostId === endpoint) this.reservations.release(uid);
    }
    this.#kept.delete(endpoint);
  }

  /** From a journal that was written earlier. */
  promised(reservation: Reservation): void {
    this.reservations.enter(reservation);
  }

  /** The provider id was committed now. */
  recorded(uid: string): void {
    this.#of(uid).recordedAtMs = this.#clock.monotonicMs();
  }

  /** Milliseconds since this process recorded the microVM; infinite if it did not. */
  sinceRecordedMs(uid: string): number {
    const at = this.#known.get(uid)?.recordedAtMs;
    return at === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - at;
  }

  /** The microVM is there; the promise holds until the host's numbers show it. Hosts without numbers need no promise. */
  promiseKept(uid: string, endpoint: string, hostTells: boolean): void {
    if (!hostTells) {
      this.reservations.release(uid);
      return;
    }
    const kept = this.#kept.get(endpoint) ?? new Set();
    this.#kept.set(endpoint, kept.add(uid));
  }

  /** True once in `deleteAgainMs` for each microVM. */
  mayDelete(uid: string, microVmUid: string): boolean {
    const { deleteCalls } = this.#of(uid);
    const nowMs = this.#clock.monotonicMs();
    const before = deleteCalls.get(microVmUid);
    if (before !== undefined && nowMs - before < deleteAgainMs) return false;
    deleteCalls.set(microVmUid, nowMs);
    return true;
  }

  /** Milliseconds since the host was asked; infinite if it was not. */
  sinceDeleteMs(uid: string, microVmUid: string): number {
    const asked = this.#known.get(uid)?.deleteCalls.get(microVmUid);
    return asked === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - asked;
  }

  /** The call failed: it does not count. */
  deleteFailed(uid: string, microVmUid: string): void {
    this.#known.get(uid)?.deleteCalls.delete(microVmUid);
  }

  /** News of any host wake the machine. */
  waitsForRoom(uid: string, key: ObjectKey): void {
    this.#waiting.set(uid, key);
  }

  waitsNoMore(uid: string): void {
    this.#waiting.delete(uid);
  }

  get waiting(): readonly ObjectKey[] {
    return [...this.#waiting.values()];
  }

  /** The object is gone. */
  forget(uid: string): void {
    this.#known.delete(uid);
    this.#waiting.delete(uid);
    if (this.reservations.release(uid)) this.onRoom?.();
  }

  #of(uid: string): Known {
    const known = this.#known.get(uid) ?? { refusals: new Map(), deleteCalls: new Map() };
    this.#known.set(uid, known);
    return known;
  }
}
