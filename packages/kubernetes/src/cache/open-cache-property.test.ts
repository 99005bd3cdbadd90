/** Whatever happens to the watch, in the end the cache holds what the server holds, and what it told its listeners adds up to just that. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "@liquidmetal/foundation";
import fc from "fast-check";
import { FakeCluster } from "../fake/index.ts";
import { type KubernetesObject, keyOf, keyText, resource } from "../object.ts";
import type { CacheChange } from "./cache.ts";
import { openCache } from "./open-cache.ts";

interface Widget extends KubernetesObject {
  readonly spec?: { readonly size?: number };
}

const widgets = resource<Widget>({
  group: "example.org",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
});

const actions = [
  "create",
  "patch",
  "delete",
  "learn",
  "end",
  "reset",
  "stall",
  "compact",
  "bookmark",
  "break",
  "settle",
] as const;
const step = fc.record({ action: fc.constantFrom(...actions), name: fc.constantFrom("a", "b", "c"), size: fc.nat(9) });

test("the cache ends up as the server, and so does the sum of its changes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const clock = new FakeClock();
      const cluster = new FakeCluster({ clock });
      const client = cluster.client();
      const cache = openCache(client, widgets, { clock, silenceMs: 20_000 });
      const sum = new Map<string, Widget>();
      cache.onChange((change) => apply(sum, change));
      const stop = new AbortController();
      const running = cache.start(stop.signal);
      for (const { action, name, size } of steps) {
        const key = { namespace: "default", name };
        const spec = { size };
        const there = cluster.read(widgets, key) !== undefined;
        if (action === "create" && !there) await client.create(widgets, { metadata: key, spec });
        if (action === "patch" && there) await client.mergePatch(widgets, key, { spec });
        if (action === "learn" && there) cache.learn(await client.mergePatch(widgets, key, { spec }));
        if (action === "delete" && there) await client.delete(widgets, key);
        if (action === "end" || action === "reset") cluster.dropWatches(action);
        if (action === "stall") cluster.stallWatches();
        if (action === "compact") cluster.compact();
        if (action === "bookmark") cluster.bookmark();
        if (action === "break") cluster.fail({ verb: size > 4 ? "list" : "watch" }, { status: 503 });
        if (action === "settle") await clock.advance(size * 1_000);
      }
      await clock.advance(200_000);
      const there = byKey(cluster.objects(widgets));
      assert.deepEqual(byKey(cache.list()), there);
      assert.deepEqual(byKey([...sum.values()]), there);
      stop.abort();
      await running;
    }),
    { numRuns: 150 },
  );
});

/** Fails when the change does not fit what was told before. */
function apply(sum: Map<string, Widget>, change: CacheChange<Widget>): void {
  const key = keyText(keyOf(change.object));
  assert.equal(sum.has(key), change.type !== "added", `${change.type} ${key}`);
  if (change.type === "changed") assert.equal(sum.get(key), change.previous);
  if (change.type === "deleted") sum.delete(key);
  else sum.set(key, change.object);
}

function byKey(objects: readonly Widget[]): Readonly<Record<string, string | undefined>> {
  const entries = objects.map((object) => [keyText(keyOf(object)), object.metadata?.resourceVersion] as const);
  return Object.fromEntries(entries.toSorted());
}
