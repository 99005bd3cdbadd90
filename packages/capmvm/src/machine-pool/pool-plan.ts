/**
 * What to do next so that a pool has as many machines of its present template as it shall have. Pure.
 *
 * Invariants: never more than one machine above the wanted number (the surge of a rollout); a machine that is ready is deleted for a rollout only when as many
 * as wanted stay ready without it; machines that are not ready and outdated go at once, they serve nobody. Who goes first: those that somebody chose, failed
 * ones, outdated ones, those that are not ready, the newest.
 */
import type { PoolMember } from "./pool-member.ts";

export interface PoolPlan {
  readonly create: number;
  readonly remove: readonly PoolMember[];
  readonly state: "available" | "scaling-up" | "scaling-down" | "rolling-out" | "not-ready";
}

const surge = 1;

/** `wanted` machines; undefined = as many as there are (somebody else decides how many). */
export function planPool(members: readonly PoolMember[], wanted: number | undefined): PoolPlan {
  const staying = members.filter(({ deleting }) => !deleting);
  const count = wanted ?? staying.length;
  const remove = removals(staying, count);
  const left = staying.filter((member) => !remove.includes(member));
  const current = left.filter((member) => member.current).length;
  const most = count + (left.length > current ? surge : 0);
  const create = Math.max(0, Math.min(count - current, most - left.length));
  return { create, remove, state: stateOf(members, staying, count) };
}

function removals(staying: readonly PoolMember[], count: number): readonly PoolMember[] {
  const order = staying.toSorted(firstToGo);
  const useless = order.filter(({ current, ready }) => !current && !ready);
  const outdated = order.filter(({ current, ready }) => !current && ready);
  const current = order.filter((member) => member.current);
  // Of the present template only those above the wanted number go: the surge of a rollout is not one of them.
  const excess = current.slice(0, Math.max(0, current.length - count));
  const ready = staying.filter((member) => member.ready && !excess.includes(member)).length;
  const surplus = outdated.length + current.length - excess.length - count;
  const replaced = outdated.slice(0, Math.max(0, Math.min(surplus, ready - count)));
  return [...useless, ...excess, ...replaced];
}

function firstToGo(a: PoolMember, b: PoolMember): number {
  return (
    yes(b.chosen) - yes(a.chosen) ||
    yes(b.failed) - yes(a.failed) ||
    yes(a.current) - yes(b.current) ||
    yes(a.ready) - yes(b.ready) ||
    b.createdMs - a.createdMs ||
    (a.name < b.name ? -1 : 1)
  );
}

function yes(value: boolean): 0 | 1 {
  return value ? 1 : 0;
}

function stateOf(members: readonly PoolMember[], staying: readonly PoolMember[], count: number): PoolPlan["state"] {
  if (staying.some(({ current }) => !current)) return "rolling-out";
  if (staying.length < count) return "scaling-up";
  if (members.length > count) return "scaling-down";
  return staying.every(({ ready }) => ready) ? "available" : "not-ready";
}
