/**
 * What a conversion cannot carry over, as a list of places, and how it is put back.
 *
 * A loss says: at this place the original had `was`, and a trip to the other version and back gives `gave`. Putting back sets `was` where the value now still is
 * `gave`; where somebody changed it meanwhile in the other version, the change wins. So a round trip without edits is exact, and no edit is ever undone.
 *
 * Items of lists are found by their key, not by their position: an item that was added or removed meanwhile harms no other.
 */

/** A field's name, or the item of a list whose field (first) has that value (second). */
export type Step = string | readonly [field: string, value: string];

export type Loss =
  | { readonly path: readonly Step[]; readonly was?: unknown; readonly gave?: unknown }
  /** The items are the same and stood in another order. */
  | { readonly path: readonly Step[]; readonly order: readonly string[]; readonly gaveOrder: readonly string[] };

/** Lists whose items have a name, by the list's name. */
const keys: ReadonlyMap<string, string> = new Map([
  ["hosts", "endpoint"],
  ["failureDomains", "name"],
  ["conditions", "type"],
  ["volumes", "id"],
  ["additionalVolumes", "id"],
  ["networkInterfaces", "guestDeviceName"],
  ["sshPublicKeys", "user"],
]);

/** Everything in which `gave` differs from `was`. */
export function lossesBetween(was: unknown, gave: unknown, path: readonly Step[] = []): Loss[] {
  if (isObject(was) && isObject(gave)) {
    const names = new Set([...Object.keys(was), ...Object.keys(gave)]);
    return [...names].toSorted().flatMap((name) => lossesBetween(own(was, name), own(gave, name), [...path, name]));
  }
  if (sameJson(was, gave)) return [];
  const key = keys.get(String(path.at(-1)));
  const [before, after] = [namesOf(was, key), namesOf(gave, key)];
  if (key === undefined || before === undefined || after === undefined || !sameSet(before, after)) {
    return [{ path, ...(was === undefined ? {} : { was }), ...(gave === undefined ? {} : { gave }) }];
  }
  const order: Loss[] = sameJson(before, after) ? [] : [{ path, order: before, gaveOrder: after }];
  const inside = before.flatMap((name) =>
    lossesBetween(itemOf(was, key, name), itemOf(gave, key, name), [...path, [key, name]]),
  );
  return [...inside, ...order];
}

/** A copy of `value` with the losses put back that nobody has overruled. Never throws: a loss that fits nothing is left out. */
export function putBack<T>(value: T, losses: readonly Loss[]): T {
  return losses.reduce<unknown>((current, loss) => change(current, loss.path, restored(loss)), value) as T;
}

function restored(loss: Loss): (now: unknown) => unknown {
  if (!("order" in loss)) return (now) => (sameJson(now, loss.gave) ? loss.was : now);
  const key = keys.get(String(loss.path.at(-1)));
  return (now) =>
    key !== undefined && sameJson(namesOf(now, key), loss.gaveOrder) && sameSet(loss.order, loss.gaveOrder)
      ? loss.order.map((name) => itemOf(now, key, name))
      : now;
}

/** Applies `at` to what stands at the path. What the path goes through has to be there. */
function change(value: unknown, path: readonly Step[], at: (now: unknown) => unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return at(value);
  if (typeof step === "string") {
    if (!isObject(value)) return value;
    const next = change(own(value, step), rest, at);
    const others = Object.entries(value).filter(([name]) => name !== step);
    return Object.fromEntries(next === undefined ? others : [...others, [step, next]]);
  }
  if (!Array.isArray(value)) return value;
  return value.map((item) => (isObject(item) && own(item, step[0]) === step[1] ? change(item, rest, at) : item));
}

/** Names of the items, if each has one and no two have the same. */
function namesOf(list: unknown, key: string | undefined): readonly string[] | undefined {
  if (!Array.isArray(list) || key === undefined) return undefined;
  const names = list.map((item) => (isObject(item) ? own(item, key) : undefined));
  const texts = names.filter((name) => typeof name === "string");
  return texts.length === list.length && new Set(texts).size === list.length ? texts : undefined;
}

function itemOf(list: unknown, key: string, name: string): unknown {
  return Array.isArray(list) ? list.find((item) => isObject(item) && own(item, key) === name) : undefined;
}

function own(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function sameSet(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && new Set([...some, ...others]).size === some.length;
}

/** Equal as JSON: the order of fields does not matter, and a field that is undefined is absent. */
export function sameJson(some: unknown, other: unknown): boolean {
  if (Array.isArray(some) && Array.isArray(other)) {
    return some.length === other.length && some.every((item, at) => sameJson(item, other[at]));
  }
  if (isObject(some) && isObject(other)) {
    const names = new Set([...Object.keys(some), ...Object.keys(other)]);
    return [...names].every((name) => sameJson(own(some, name), own(other, name)));
  }
  return some === other;
}
