import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { FakeCluster } from "../fake/index.ts";
import { type Condition, type KubernetesObject, resource } from "../object.ts";
import { applyOwned, applyStatus } from "./apply.ts";
import { equal, keepOwnManagedFields } from "./owned-fields.ts";
import { addFinalizer, removeFinalizer, setAnnotations, setOwnerReference } from "./patch.ts";

interface Widget extends KubernetesObject {
  readonly spec?: { readonly providerID?: string };
  readonly status?: {
    readonly ready?: boolean;
    readonly addresses?: readonly string[];
    readonly conditions?: readonly Condition[];
  };
}

const widgets = resource<Widget>({
  group: "example.org",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
});
const key = { namespace: "default", name: "a" };
const us = { fieldManager: "us" };
const condition = (type: string, reason = "Is"): Condition => ({
  type,
  status: "True",
  reason,
  message: "",
  lastTransitionTime: "2026-11-23T18:00:00Z",
});

async function world(metadata: KubernetesObject["metadata"] = {}) {
  const cluster = new FakeCluster();
  const client = cluster.client({ fieldManager: "us" });
  const object = await client.create(widgets, { metadata: { ...key, ...metadata }, spec: {} });
  cluster.forgetCalls();
  return { cluster, client, object };
}

describe("applying a status", () => {
  test("writes once, and then not again until something is different", async () => {
    const { cluster, client, object } = await world();
    const status = { ready: true, addresses: ["10.0.0.1"], conditions: [condition("Ready")] };
    const written = await applyStatus(client, widgets, object, status, us);
    assert.deepEqual(written.status, status);
    assert.equal(await applyStatus(client, widgets, written, status, us), written);
    assert.equal(await applyStatus(client, widgets, written, { ...status, nothing: undefined }, us), written);
    assert.deepEqual(cluster.writes(), { "Widget/status apply": 1 });
    const changed = await applyStatus(client, widgets, written, { ...status, addresses: [] }, us);
    assert.deepEqual(changed.status?.addresses, []);
  });

  test("a field that is no longer wanted goes, also when the cache keeps no managed fields", async () => {
    const { client, object } = await world();
    const full = await applyStatus(
      client,
      widgets,
      object,
      { ready: true, conditions: [condition("Ready"), condition("Old")] },
      us,
    );
    const without = await applyStatus(client, widgets, full, { ready: true, conditions: [condition("Ready")] }, us);
    assert.deepEqual(
      without.status?.conditions?.map(({ type }) => type),
      ["Ready"],
    );
    const { managedFields: _fields, ...metadata } = without.metadata ?? {};
    const bare = await applyStatus(client, widgets, { ...without, metadata }, { conditions: [condition("Ready")] }, us);
    assert.equal(bare.status?.ready, undefined);
    const { managedFields: _again, ...plain } = bare.metadata ?? {};
    const gone = { ...bare, metadata: plain };
    assert.equal((await applyStatus(client, widgets, gone, { conditions: [] }, us)).status?.conditions?.length ?? 0, 0);
  });

  test("what others own stays, and makes nobody write", async () => {
    const { cluster, client, object } = await world();
    const ours = await applyStatus(client, widgets, object, { conditions: [condition("Ready")] }, us);
    const both = await applyStatus(
      client,
      widgets,
      ours,
      { ready: true, conditions: [condition("Theirs")] },
      { fieldManager: "them" },
    );
    cluster.forgetCalls();
    assert.equal(await applyStatus(client, widgets, both, { conditions: [condition("Ready")] }, us), both);
    assert.deepEqual(cluster.writes(), {});
    const kept = keepOwnManagedFields<Widget>("us")(both);
    assert.equal(kept.metadata?.managedFields?.length, 1);
    assert.equal(await applyStatus(client, widgets, kept, { conditions: [condition("Ready")] }, us), kept);
    assert.deepEqual(cluster.writes(), {});
    const again = await applyStatus(client, widgets, kept, { conditions: [condition("Ready", "Still")] }, us);
    assert.deepEqual(again.status?.conditions?.map(({ type }) => type).toSorted(), ["Ready", "Theirs"]);
    assert.equal(again.status?.ready, true);
  });

  test("caches keep what we own once, however many objects have it, and nothing of others", async () => {
    const { client, object } = await world();
    const first = await applyStatus(client, widgets, object, { conditions: [condition("Ready")] }, us);
    const second = structuredClone(first);
    const keep = keepOwnManagedFields<Widget>("us");
    const [one, other] = [first, second].map((each) => keep(each).metadata?.managedFields?.[0]) as {
      fieldsV1: object;
    }[];
    assert.deepEqual(Object.keys(one?.fieldsV1 ?? {}), ["f:status"]);
    assert.equal(one?.fieldsV1, other?.fieldsV1);
  });

  test("the server's order of keyed lists is no difference, that of other lists is one", async () => {
    const { cluster, client, object } = await world();
    const conditions = [condition("Ready"), condition("Paused")];
    const written = await applyStatus(client, widgets, object, { addresses: ["a", "b"], conditions }, us);
    const turned = { ...written, status: { ...written.status, conditions: conditions.toReversed() } };
    assert.equal(await applyStatus(client, widgets, turned, { addresses: ["a", "b"], conditions }, us), turned);
    assert.equal(cluster.calls.length, 1);
    await applyStatus(client, widgets, turned, { addresses: ["b", "a"], conditions }, us);
    assert.equal(cluster.calls.length, 2);
  });

  test("an object that is gone is not made anew, and its successor is left alone", async () => {
    const { cluster, client, object } = await world();
    await client.delete(widgets, key);
    const wanted = { metadata: { finalizers: ["us/f"], annotations: { a: "b" } } };
    await assert.rejects(applyOwned(client, widgets, object, wanted, us));
    assert.equal(cluster.objects(widgets).length, 0);
    await client.create(widgets, { metadata: key });
    await assert.rejects(applyOwned(client, widgets, object, wanted, us));
    assert.equal(cluster.objects(widgets)[0]?.metadata?.annotations, undefined);
  });

  test("finalizer, annotation and provider id go in one write", async () => {
    const { cluster, client, object } = await world({ finalizers: ["them/f"] });
    const wanted = { metadata: { finalizers: ["us/f"], annotations: { host: "h:1" } }, spec: { providerID: "x" } };
    const written = await applyOwned(client, widgets, object, wanted, us);
    assert.deepEqual(written.metadata?.finalizers?.toSorted(), ["them/f", "us/f"]);
    assert.equal(await applyOwned(client, widgets, written, wanted, us), written);
    assert.equal(cluster.calls.length, 1);
  });
});

test("after any apply nothing is left to write, and any other wish is seen to be one", async () => {
  // As a schema has it: one type for each field.
  const scalars = {
    size: fc.integer({ min: 0, max: 2 }),
    ready: fc.boolean(),
    addresses: fc.array(fc.constantFrom("a", "b"), { maxLength: 2 }),
  };
  const inner = fc.record(scalars, { requiredKeys: [] });
  const conditions = fc.uniqueArray(
    fc.record({ type: fc.constantFrom("A", "B"), status: fc.constantFrom("True", "False") }),
    {
      selector: ({ type }) => type,
    },
  );
  const status = fc.record(
    {
      ...scalars,
      conditions,
      vm: inner,
      labels: fc.dictionary(fc.constantFrom("x", "y"), fc.constantFrom("1", "2"), { noNullPrototype: true }),
    },
    { requiredKeys: ["ready"] },
  );
  await fc.assert(
    fc.asyncProperty(status, status, async (first, second) => {
      const { cluster, client, object } = await world();
      const one = await applyStatus(client, widgets, object, first, us);
      assert.equal(await applyStatus(client, widgets, one, first, us), one);
      const two = await applyStatus(client, widgets, one, second, us);
      if (equal(byType(first), byType(second))) assert.equal(two, one);
      if (!equal(filled(byType(first)), filled(byType(second)))) assert.notEqual(two, one);
      assert.ok(equal(filled(byType(two.status)), filled(byType(second))), JSON.stringify([two.status, second]));
      assert.equal(await applyStatus(client, widgets, two, second, us), two);
      assert.equal(cluster.count({ verb: "apply" }), two === one ? 1 : 2);
    }),
    { numRuns: 200 },
  );
});

/** The server's order of conditions means nothing. */
function byType(status: unknown): Record<string, unknown> {
  const { conditions, ...rest } = status as { readonly conditions?: readonly { readonly type: string }[] };
  return {
    ...rest,
    ...(conditions === undefined ? {} : { conditions: conditions.toSorted((a, b) => (a.type < b.type ? -1 : 1)) }),
  };
}

/** Without what is empty: whether the last element of a list takes the list with it, is the server's to say. */
function filled(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const kept = Object.entries(value)
    .map(([name, field]) => [name, filled(field)] as const)
    .filter(([, field]) => !(typeof field === "object" && field !== null && Object.keys(field).length === 0));
  return Object.fromEntries(kept);
}

describe("finalizers", () => {
  test("are added once, beside others, also from an old copy", async () => {
    const { client, object, cluster } = await world();
    await client.mergePatch(widgets, key, { metadata: { finalizers: ["them/f"] } });
    const added = await addFinalizer(client, widgets, object, "us/f");
    assert.deepEqual(added?.metadata?.finalizers, ["them/f", "us/f"]);
    assert.equal(await addFinalizer(client, widgets, added ?? object, "us/f"), added);
    const two = await addFinalizer(client, widgets, object, "us/second");
    assert.deepEqual(two?.metadata?.finalizers, ["them/f", "us/f", "us/second"]);
    assert.equal(cluster.count({ verb: "apply" }), 2);
  });

  test("are taken away without losing others that came meanwhile", async () => {
    const { client, object, cluster } = await world({ finalizers: ["us/f"] });
    await client.mergePatch(widgets, key, { metadata: { finalizers: ["new/f", "us/f"] } });
    const after = await removeFinalizer(client, widgets, object, "us/f");
    assert.deepEqual(after?.metadata?.finalizers, ["new/f"]);
    assert.deepEqual(cluster.objects(widgets)[0]?.metadata?.finalizers, ["new/f"]);
  });

  test("the last one lets a deleted object go; doing it twice is well", async () => {
    const { client, object } = await world({ finalizers: ["us/f"] });
    await client.delete(widgets, key);
    await removeFinalizer(client, widgets, object, "us/f");
    assert.equal(await client.find(widgets, key), undefined);
    assert.equal(await removeFinalizer(client, widgets, object, "us/f"), undefined);
    await client.create(widgets, { metadata: { ...key, finalizers: ["us/f"] } });
    assert.equal(await removeFinalizer(client, widgets, object, "us/f"), undefined);
    assert.deepEqual((await client.get(widgets, key)).metadata?.finalizers, ["us/f"]);
  });

  test("a conflict is retried, an error that is none is not", async () => {
    const { client, object, cluster } = await world();
    cluster.fail({ verb: "apply" }, { status: 409, times: 2 });
    assert.deepEqual((await addFinalizer(client, widgets, object, "us/f"))?.metadata?.finalizers, ["us/f"]);
    cluster.forgetCalls();
    cluster.fail({ verb: "apply" }, { status: 403 });
    await assert.rejects(addFinalizer(client, widgets, object, "other/f"));
    assert.equal(cluster.count({ verb: "apply" }), 1);
  });
});

describe("annotations and owners", () => {
  test("annotations are set and removed one by one", async () => {
    const { client, object } = await world({ annotations: { keep: "1", old: "2" } });
    const after = await setAnnotations(client, widgets, object, { host: "h", old: undefined });
    assert.deepEqual(after?.metadata?.annotations, { keep: "1", host: "h" });
  });

  test("an owner in another version of its group is replaced, others stay", async () => {
    const owner = { apiVersion: "cluster.x-k8s.io/v1beta1", kind: "Machine", name: "m", uid: "1" };
    const { client, object } = await world({ ownerReferences: [{ ...owner, kind: "Other", uid: "2" }, owner] });
    const newer = { ...owner, apiVersion: "cluster.x-k8s.io/v1beta2", controller: true };
    const after = await setOwnerReference(client, widgets, object, newer);
    assert.deepEqual(after?.metadata?.ownerReferences, [{ ...owner, kind: "Other", uid: "2" }, newer]);
    assert.equal(await setOwnerReference(client, widgets, after ?? object, newer), after);
  });
});
