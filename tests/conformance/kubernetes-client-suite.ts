/** What every `KubernetesClient` promises, over the real kube-apiserver and over the fake one. Test files register it with a world of their own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ApiError,
  type Condition,
  isAlreadyExists,
  isConflict,
  isExpired,
  isInvalid,
  isNotFound,
  type KubernetesClient,
  type ObjectKey,
  type WatchEvent,
} from "@liquidmetal/kubernetes";
import { configMaps, type Widget, widgets } from "../assets/kubernetes-widget.ts";

export interface ClientWorld {
  /** Has the kind `widgets`. Its field manager is "suite". */
  readonly client: KubernetesClient;
  /** Makes 410 of a watch from the version of now, once something else has changed. */
  compact(): Promise<void>;
}

export function kubernetesClientConformance(name: string, open: () => Promise<ClientWorld>): void {
  let objects = 0;
  const check = (
    title: string,
    body: (world: ClientWorld, key: ObjectKey, widget: (more?: Widget) => Widget) => Promise<void>,
  ): void => {
    test(`${name}: ${title}`, { timeout: 60_000 }, async () => {
      const key = { namespace: "default", name: `w-${++objects}` };
      const widget = (more: Widget = {}): Widget => ({ ...more, metadata: { ...key, ...more.metadata } });
      const world = await open();
      await body(world, key, widget);
    });
  };

  check("create fills in the metadata, drops the status, and names what it made", async ({ client }, key, widget) => {
    const made = await client.create(widgets, widget({ spec: { size: 1 }, status: { ready: true } }));
    assert.deepEqual([made.apiVersion, made.kind], ["conformance.liquidmetal.dev/v1", "Widget"]);
    assert.match(made.metadata?.uid ?? "", /^[0-9a-f-]{36}$/);
    assert.match(made.metadata?.resourceVersion ?? "", /^[1-9][0-9]*$/);
    assert.match(made.metadata?.creationTimestamp ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.equal(made.metadata?.generation, 1);
    assert.equal(made.status, undefined);
    assert.deepEqual(await client.get(widgets, key), made);
  });

  check("a name is made of generateName", async ({ client }) => {
    const made = await client.create(widgets, { metadata: { namespace: "default", generateName: "made-" } });
    assert.match(made.metadata?.name ?? "", /^made-[a-z0-9]{5}$/);
  });

  check("what is not there: get throws, find does not, delete is content", async ({ client }, key) => {
    await assert.rejects(client.get(widgets, key), (error: ApiError) => {
      return isNotFound(error) && error.httpStatus === 404 && error.reason === "NotFound";
    });
    assert.equal(await client.find(widgets, key), undefined);
    await client.delete(widgets, key);
    await assert.rejects(client.mergePatch(widgets, key, { spec: {} }), isNotFound);
    await assert.rejects(client.apply(widgets, key, { status: {} }, { subresource: "status" }), isNotFound);
  });

  check("a second create of the same name is refused, a version on create too", async ({ client }, _key, widget) => {
    const made = await client.create(widgets, widget());
    await assert.rejects(client.create(widgets, widget()), (error: ApiError) => {
      return isAlreadyExists(error) && !isConflict(error) && error.httpStatus === 409;
    });
    const versioned = widget({ metadata: { name: "other", resourceVersion: made.metadata?.resourceVersion ?? "" } });
    await assert.rejects(client.create(widgets, versioned), /resourceVersion should not be set/);
    await assert.rejects(client.create(widgets, { metadata: { namespace: "default" } }), isInvalid);
  });

  check("replace needs the newest version", async ({ client }, key, widget) => {
    const made = await client.create(widgets, widget({ spec: { size: 1 } }));
    const next = await client.replace(widgets, { ...made, spec: { size: 2 }, status: { ready: true } });
    assert.deepEqual([next.spec, next.status, next.metadata?.generation], [{ size: 2 }, undefined, 2]);
    await assert.rejects(client.replace(widgets, { ...made, spec: { size: 3 } }), isConflict);
    await assert.rejects(client.replace(widgets, widget({ spec: { size: 3 } })), isInvalid);
    assert.deepEqual((await client.get(widgets, key)).spec, { size: 2 });
  });

  check("replacing the status leaves spec, labels and generation alone", async ({ client }, _key, widget) => {
    const made = await client.create(widgets, widget({ spec: { size: 1 } }));
    const wanted = {
      ...made,
      spec: { size: 9 },
      status: { ready: true },
      metadata: { ...made.metadata, labels: { a: "b" } },
    };
    const next = await client.replace(widgets, wanted, { subresource: "status" });
    assert.deepEqual([next.spec, next.status], [{ size: 1 }, { ready: true }]);
    assert.deepEqual([next.metadata?.generation, next.metadata?.labels], [1, undefined]);
  });

  check(
    "a merge patch changes what it names; null removes; a wrong version is a conflict",
    async ({ client }, key, widget) => {
      const made = await client.create(widgets, widget({ spec: { size: 1, colour: "red" } }));
      const patch = { metadata: { labels: { a: "1" } }, spec: { colour: null }, status: { ready: true } };
      const next = await client.mergePatch(widgets, key, patch);
      assert.deepEqual([next.spec, next.metadata?.labels, next.status], [{ size: 1 }, { a: "1" }, undefined]);
      const stale = { metadata: { resourceVersion: made.metadata?.resourceVersion }, spec: { size: 7 } };
      await assert.rejects(client.mergePatch(widgets, key, stale), isConflict);
      const status = await client.mergePatch(widgets, key, { status: { ready: true } }, { subresource: "status" });
      assert.deepEqual([status.status, status.metadata?.generation], [{ ready: true }, 2]);
    },
  );

  check("a patch that changes nothing makes no new version", async ({ client }, key, widget) => {
    const made = await client.create(widgets, widget({ spec: { size: 1 }, metadata: { labels: { a: "1" } } }));
    const same = await client.mergePatch(widgets, key, { spec: { size: 1 }, metadata: { labels: { a: "1" } } });
    assert.equal(same.metadata?.resourceVersion, made.metadata?.resourceVersion);
    const again = await client.replace(widgets, same);
    assert.equal(again.metadata?.resourceVersion, made.metadata?.resourceVersion);
  });

  check("a JSON patch does all or nothing; a test that fails refuses it", async ({ client }, key, widget) => {
    await client.create(widgets, widget({ spec: { size: 1, parts: ["a", "c"] } }));
    const next = await client.jsonPatch(widgets, key, [
      { op: "test", path: "/spec/size", value: 1 },
      { op: "replace", path: "/spec/size", value: 2 },
      { op: "add", path: "/spec/parts/1", value: "b" },
      { op: "add", path: "/spec/parts/-", value: "d" },
      { op: "add", path: "/metadata/labels", value: { "x/y": "1" } },
    ]);
    assert.deepEqual(next.spec, { size: 2, parts: ["a", "b", "c", "d"] });
    const removed = await client.jsonPatch(widgets, key, [{ op: "remove", path: "/metadata/labels/x~1y" }]);
    assert.equal(removed.metadata?.labels, undefined);
    const wrong = client.jsonPatch(widgets, key, [
      { op: "replace", path: "/spec/size", value: 3 },
      { op: "test", path: "/spec/parts/0", value: "z" },
    ]);
    await assert.rejects(wrong, (error: ApiError) => isInvalid(error) && error.httpStatus === 422);
    assert.equal((await client.get(widgets, key)).spec?.size, 2);
  });

  check(
    "finalizers hold an object; none can be added while it goes; the last one gone, it is gone",
    async ({ client }, key, widget) => {
      await client.create(widgets, widget({ metadata: { finalizers: ["suite.dev/one", "suite.dev/two"] } }));
      await client.delete(widgets, key);
      await client.delete(widgets, key);
      const going = await client.get(widgets, key);
      assert.match(going.metadata?.deletionTimestamp ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.equal(going.metadata?.generation, 2);
      const more = { metadata: { finalizers: ["suite.dev/one", "suite.dev/two", "suite.dev/three"] } };
      await assert.rejects(client.mergePatch(widgets, key, more), isInvalid);
      const one = await client.mergePatch(widgets, key, { metadata: { finalizers: ["suite.dev/two"] } });
      assert.deepEqual(one.metadata?.finalizers, ["suite.dev/two"]);
      await client.mergePatch(widgets, key, { metadata: { finalizers: [] } });
      assert.equal(await client.find(widgets, key), undefined);
    },
  );

  check("delete with a uid or version leaves another object alone", async ({ client }, key, widget) => {
    const made = await client.create(widgets, widget());
    await assert.rejects(client.delete(widgets, key, { uid: "00000000-0000-4000-8000-000000000000" }), isConflict);
    await assert.rejects(client.delete(widgets, key, { resourceVersion: "1" }), isConflict);
    await client.delete(widgets, key, { uid: made.metadata?.uid ?? "" });
    assert.equal(await client.find(widgets, key), undefined);
  });

  check("a dry run answers, and does nothing", async ({ client }, key, widget) => {
    const dry = await client.create(widgets, widget({ spec: { size: 1 } }), { dryRun: true });
    assert.equal(dry.spec?.size, 1);
    assert.equal(await client.find(widgets, key), undefined);
    const made = await client.create(widgets, widget({ spec: { size: 1 } }));
    const patched = await client.mergePatch(widgets, key, { spec: { size: 2 } }, { dryRun: true });
    assert.equal(patched.spec?.size, 2);
    assert.equal((await client.get(widgets, key)).metadata?.resourceVersion, made.metadata?.resourceVersion);
  });

  check("names that would reach other paths are refused", async ({ client }) => {
    for (const name of ["", "..", "a/b"]) {
      await assert.rejects(client.get(widgets, { namespace: "default", name }), isInvalid);
      await assert.rejects(client.delete(widgets, { namespace: "default", name }), isInvalid);
    }
  });

  check("built-in kinds have no generation; lists name the kind of each item", async ({ client }, key) => {
    const made = await client.create(configMaps, {
      metadata: { ...key, labels: { suite: key.name } },
      data: { a: "1" },
    });
    assert.equal(made.metadata?.generation, undefined);
    const { items } = await client.list(configMaps, { namespace: "default", labelSelector: `suite=${key.name}` });
    assert.deepEqual(
      items.map(({ kind, apiVersion, data }) => [apiVersion, kind, data]),
      [["v1", "ConfigMap", { a: "1" }]],
    );
  });

  check("lists select by namespace, labels and name, over all pages", async ({ client }, key) => {
    const names = Array.from({ length: 7 }, (_, index) => `${key.name}-${index}`);
    for (const [index, name] of names.entries()) {
      const labels = {
        suite: key.name,
        parity: index % 2 === 0 ? "even" : "odd",
        ...(index === 3 ? { only: "x" } : {}),
      };
      await client.create(widgets, { metadata: { namespace: "default", name, labels } });
    }
    const listed = async (labelSelector: string, more: object = {}): Promise<readonly string[]> => {
      const { items } = await client.list(widgets, {
        labelSelector: `suite=${key.name},${labelSelector}`,
        pageSize: 2,
        ...more,
      });
      return items.map(({ metadata }) => metadata?.name?.slice(key.name.length + 1) ?? "");
    };
    assert.deepEqual(await listed("parity"), ["0", "1", "2", "3", "4", "5", "6"]);
    assert.deepEqual(await listed("parity=odd"), ["1", "3", "5"]);
    assert.deepEqual(await listed("parity!=odd,!only"), ["0", "2", "4", "6"]);
    assert.deepEqual(await listed("parity in (odd, x),only notin (x)"), ["1", "5"]);
    assert.deepEqual(await listed("parity", { namespace: "elsewhere" }), []);
    assert.deepEqual(await listed("parity", { fieldSelector: `metadata.name=${key.name}-4` }), ["4"]);
  });

  applyChecks(check);
  watchChecks(check);
}

type Check = (
  title: string,
  body: (world: ClientWorld, key: ObjectKey, widget: (more?: Widget) => Widget) => Promise<void>,
) => void;

function applyChecks(check: Check): void {
  check("apply creates; what it no longer states goes; what others own stays", async ({ client }, key) => {
    const first = {
      metadata: { labels: { a: "1", b: "2" }, finalizers: ["suite.dev/one"] },
      spec: { size: 1, nested: { a: "x" } },
    };
    const made = await client.apply(widgets, key, first);
    assert.deepEqual([made.spec, made.metadata?.generation], [{ size: 1, nested: { a: "x" } }, 1]);
    const theirs = { metadata: { finalizers: ["them.dev/two"] }, spec: { colour: "red", nested: { b: "y" } } };
    await client.apply(widgets, key, theirs, { fieldManager: "them" });
    const next = await client.apply(widgets, key, { metadata: { labels: { a: "1" } }, spec: { size: 2 } });
    assert.deepEqual(next.metadata?.labels, { a: "1" });
    assert.deepEqual(next.metadata?.finalizers, ["them.dev/two"]);
    assert.deepEqual(next.spec, { size: 2, colour: "red", nested: { b: "y" } });
    await client.apply(widgets, key, {}, { fieldManager: "them" });
    const last = await client.apply(widgets, key, {});
    assert.deepEqual([last.metadata?.labels, last.metadata?.finalizers], [undefined, undefined]);
  });

  check("an applied empty map may be filled, by its owner and by others", async ({ client }, key) => {
    await client.apply(widgets, key, { spec: { nested: {} } });
    const filled = await client.apply(widgets, key, { spec: { nested: { a: "x" } } });
    assert.deepEqual(filled.spec, { nested: { a: "x" } });
    await client.apply(widgets, key, { spec: { nested: { b: "y" } } }, { fieldManager: "them" });
    assert.deepEqual((await client.apply(widgets, key, {})).spec, { nested: { b: "y" } });
  });

  check(
    "a map whose last field is no longer applied: left out it goes, stated as empty it is refused",
    async ({ client }, key) => {
      let objects = 0;
      const applied = async (first: object, second: object, subresource?: string): Promise<Widget> => {
        const own = { ...key, name: `${key.name}-${++objects}` };
        const options = subresource === undefined ? {} : { subresource };
        await client.create(widgets, { metadata: own }, { fieldManager: "creator" });
        await client.apply(widgets, own, first, options);
        return client.apply(widgets, own, second, options);
      };
      const nested = { a: "x" };
      assert.deepEqual((await applied({ spec: { size: 1, nested } }, { spec: { size: 1 } })).spec, { size: 1 });
      assert.equal((await applied({ spec: { nested } }, {})).spec, undefined);
      assert.deepEqual((await applied({ spec: { parts: ["a"] } }, { spec: { parts: [] } })).spec, { parts: [] });
      const labels = await applied({ metadata: { labels: { a: "1" } } }, { metadata: { labels: {} } });
      assert.equal(labels.metadata?.labels, undefined);
      const conditions = [condition("A", "First")];
      const cleared = await applied({ status: { ready: true, conditions } }, { status: { ready: true } }, "status");
      assert.deepEqual(cleared.status, { ready: true });
      assert.equal(
        (await applied({ status: { conditions } }, { status: { conditions: [] } }, "status")).status,
        undefined,
      );
      await assert.rejects(applied({ spec: { size: 1, nested } }, { spec: { size: 1, nested: {} } }), isInvalid);
      await assert.rejects(applied({ spec: { nested } }, { spec: {} }), isInvalid);
      await assert.rejects(applied({ spec: { nested: {} } }, { spec: {} }), isInvalid);
      await assert.rejects(applied({ status: { ready: true } }, { status: {} }, "status"), isInvalid);
    },
  );

  check("applying the same again makes no new version", async ({ client }, key) => {
    const configuration = { metadata: { labels: { a: "1" } }, spec: { size: 1, parts: ["a"] } };
    const made = await client.apply(widgets, key, configuration);
    const again = await client.apply(widgets, key, configuration);
    assert.equal(again.metadata?.resourceVersion, made.metadata?.resourceVersion);
  });

  check(
    "without force, fields of others are a conflict that names them; with it they change hands",
    async ({ client }, key) => {
      await client.apply(widgets, key, { spec: { colour: "red" } }, { fieldManager: "them" });
      await assert.rejects(
        client.apply(widgets, key, { spec: { colour: "blue" } }, { force: false }),
        (error: ApiError) => {
          assert.deepEqual(
            error.causes.map(({ reason, field }) => [reason, field]),
            [["FieldManagerConflict", ".spec.colour"]],
          );
          assert.match(error.message, /them/);
          return isConflict(error);
        },
      );
      const same = await client.apply(widgets, key, { spec: { colour: "red" } }, { force: false });
      assert.equal(same.spec?.colour, "red");
      await client.apply(widgets, key, { spec: { colour: "blue" } });
      await client.apply(widgets, key, {}, { fieldManager: "them" });
      assert.equal((await client.get(widgets, key)).spec?.colour, "blue");
    },
  );

  check(
    "what was created or patched belongs to its writer, and apply does not drop it",
    async ({ client }, key, widget) => {
      await client.create(widgets, widget({ spec: { size: 1, colour: "red" } }), { fieldManager: "creator" });
      await client.apply(widgets, key, { spec: { size: 1 } });
      assert.deepEqual((await client.apply(widgets, key, { metadata: { labels: { a: "1" } } })).spec, {
        size: 1,
        colour: "red",
      });
      await assert.rejects(client.apply(widgets, key, { spec: { size: 2 } }, { force: false }), isConflict);
      await client.apply(widgets, key, { spec: { size: 2 } });
      await client.mergePatch(widgets, key, { spec: { size: 3 } }, { fieldManager: "patcher" });
      const { spec } = await client.apply(widgets, key, {});
      assert.deepEqual(spec, { size: 3, colour: "red" });
    },
  );

  check(
    "an applied status reaches the status only, and conditions of several managers live side by side",
    async ({ client }, key, widget) => {
      await client.create(widgets, widget({ spec: { size: 1 } }));
      const status = { subresource: "status" };
      const apply = (conditions: readonly Condition[], fieldManager = "suite") =>
        client.apply(
          widgets,
          key,
          { metadata: { labels: { no: "1" } }, spec: { size: 9 }, status: { conditions } },
          { ...status, fieldManager },
        );
      await apply([condition("A", "First"), condition("B", "First")]);
      await apply([condition("C", "First")], "them");
      const next = await apply([condition("B", "Second")]);
      assert.deepEqual(next.status?.conditions?.map(({ type, reason }) => `${type} ${reason}`).sort(), [
        "B Second",
        "C First",
      ]);
      assert.deepEqual([next.spec, next.metadata?.labels, next.metadata?.generation], [{ size: 1 }, undefined, 1]);
      const again = await apply([condition("B", "Second")]);
      assert.equal(again.metadata?.resourceVersion, next.metadata?.resourceVersion);
      const plain = await client.apply(widgets, key, { spec: { size: 2 }, status: { ready: true } });
      assert.deepEqual([plain.spec?.size, plain.status?.ready], [2, undefined]);
      assert.equal(plain.status?.conditions?.length, 2);
    },
  );

  check("managedFields name what each manager applied, by subresource", async ({ client }, key) => {
    const metadata = { labels: { a: "1" }, annotations: { "x/y": "z" }, finalizers: ["suite.dev/one"] };
    await client.apply(widgets, key, { metadata, spec: { size: 1, parts: ["a"], nested: { a: "x" } } });
    await client.mergePatch(widgets, key, { spec: { colour: "red" } }, { fieldManager: "patcher" });
    const conditions = [condition("A", "First")];
    const object = await client.apply(widgets, key, { status: { conditions } }, { subresource: "status" });
    const entries = (object.metadata?.managedFields ?? []).map((entry) => Object.entries(entry ?? {}));
    const own = entries.map((entry) => Object.fromEntries(entry.filter(([name]) => name !== "time")));
    const common = {
      apiVersion: "conformance.liquidmetal.dev/v1",
      fieldsType: "FieldsV1",
      manager: "suite",
      operation: "Apply",
    };
    const [plain, status] = [undefined, "status"].map((subresource) =>
      own.find((entry) => entry["manager"] === "suite" && entry["subresource"] === subresource),
    );
    assert.deepEqual(plain, {
      ...common,
      fieldsV1: {
        "f:metadata": {
          "f:annotations": { "f:x/y": {} },
          "f:finalizers": { 'v:"suite.dev/one"': {} },
          "f:labels": { "f:a": {} },
        },
        "f:spec": { "f:nested": { "f:a": {} }, "f:parts": {}, "f:size": {} },
      },
    });
    const fields = ["lastTransitionTime", "message", "reason", "status", "type"].map((name) => [`f:${name}`, {}]);
    const item = { ".": {}, ...Object.fromEntries(fields) };
    const fieldsV1 = { "f:status": { "f:conditions": { 'k:{"type":"A"}': item } } };
    assert.deepEqual(status, { ...common, subresource: "status", fieldsV1 });
    const patcher = own.find((entry) => entry["manager"] === "patcher");
    assert.deepEqual([patcher?.["operation"], patcher?.["fieldsV1"]], ["Update", { "f:spec": { "f:colour": {} } }]);
  });

  check("a finalizer that is no longer applied lets a deleted object go", async ({ client }, key) => {
    const finalizers = ["suite.dev/one"];
    const made = await client.apply(widgets, key, { metadata: { finalizers }, spec: { size: 1 } });
    await client.mergePatch(widgets, key, { metadata: { annotations: { a: "b" } } }, { fieldManager: "patcher" });
    await client.delete(widgets, key);
    const more = { metadata: { finalizers: ["suite.dev/one", "suite.dev/two"] } };
    await assert.rejects(client.apply(widgets, key, more), isInvalid);
    const kept = await client.apply(widgets, key, { metadata: { finalizers } });
    assert.deepEqual([kept.metadata?.finalizers, kept.spec?.size], [finalizers, undefined]);
    const ready = await client.apply(widgets, key, { status: { ready: true } }, { subresource: "status" });
    assert.equal(ready.status?.ready, true);
    const last = await client.apply(widgets, key, {});
    assert.deepEqual([last.metadata?.uid, last.metadata?.finalizers], [made.metadata?.uid, undefined]);
    assert.equal(await client.find(widgets, key), undefined);
    const again = await client.apply(widgets, key, { metadata: { finalizers } });
    assert.notEqual(again.metadata?.uid, made.metadata?.uid);
    assert.equal(again.metadata?.generation, 1);
    await client.mergePatch(widgets, key, { metadata: { finalizers: null } });
    await client.delete(widgets, key);
  });

  check(
    "owner references and finalizers of several managers are merged; a replace takes what it takes",
    async ({ client }, key, widget) => {
      const owner = (uid: string): object => ({ apiVersion: "v1", kind: "ConfigMap", name: "x", uid });
      const [one, two] = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"].map(owner);
      await client.apply(widgets, key, {
        metadata: { ownerReferences: [one], finalizers: ["a.dev/a"], labels: { a: "1" } },
      });
      const theirs = { metadata: { ownerReferences: [two], finalizers: ["b.dev/b"] } };
      const both = await client.apply(widgets, key, theirs, { fieldManager: "them" });
      assert.equal(both.metadata?.ownerReferences?.length, 2);
      assert.deepEqual(both.metadata?.finalizers?.toSorted(), ["a.dev/a", "b.dev/b"]);
      const { metadata } = await client.apply(widgets, key, { metadata: { labels: { a: "1" } } });
      assert.deepEqual([metadata?.ownerReferences, metadata?.finalizers], [[two], ["b.dev/b"]]);
      const without = { ...widget(), metadata: { ...metadata, labels: {}, finalizers: [] } };
      const replaced = await client.replace(widgets, without, { fieldManager: "replacer" });
      assert.deepEqual([replaced.metadata?.labels, replaced.metadata?.finalizers], [undefined, undefined]);
      const back = await client.apply(widgets, key, { metadata: { labels: { a: "1" } } });
      assert.deepEqual(back.metadata?.labels, { a: "1" });
    },
  );

  check("a JSON patch of the status, guarded by the version", async ({ client }, key, widget) => {
    const made = await client.create(widgets, widget({ spec: { size: 1 } }));
    const version = made.metadata?.resourceVersion ?? "";
    const patch = [
      { op: "test", path: "/metadata/resourceVersion", value: version },
      { op: "add", path: "/status", value: { ready: true } },
    ] as const;
    const next = await client.jsonPatch(widgets, key, patch, { subresource: "status" });
    assert.deepEqual([next.status, next.spec], [{ ready: true }, { size: 1 }]);
    await assert.rejects(client.jsonPatch(widgets, key, patch, { subresource: "status" }), isInvalid);
    const cleared = await client.jsonPatch(widgets, key, [{ op: "remove", path: "/status" }], {
      subresource: "status",
    });
    assert.equal(cleared.status, undefined);
  });

  check("apply with a version or uid of another time is a conflict", async ({ client }, key, widget) => {
    const made = await client.create(widgets, widget({ spec: { size: 1 } }));
    const { resourceVersion = "", uid = "" } = made.metadata ?? {};
    await client.apply(widgets, key, { metadata: { resourceVersion, uid }, spec: { size: 2 } });
    await assert.rejects(client.apply(widgets, key, { metadata: { resourceVersion }, spec: { size: 3 } }), isConflict);
    await client.delete(widgets, key);
    await assert.rejects(client.apply(widgets, key, { metadata: { uid }, spec: { size: 3 } }), isConflict);
  });
}

function watchChecks(check: Check): void {
  check(
    "a watch tells what happened since its version, also what comes into and leaves its selection",
    async ({ client }, key, widget) => {
      const { resourceVersion } = await client.list(widgets);
      await client.create(widgets, widget({ spec: { size: 1 }, metadata: { labels: { suite: key.name } } }));
      const watching = collect(client, { resourceVersion, labelSelector: `suite=${key.name}` }, 5);
      await client.create(widgets, { metadata: { namespace: "default", name: `${key.name}-other` } });
      await client.mergePatch(widgets, key, { spec: { size: 2 } });
      await client.mergePatch(widgets, key, { metadata: { labels: { suite: "left" } } });
      await client.mergePatch(widgets, key, { metadata: { labels: { suite: key.name } }, spec: { size: 3 } });
      await client.delete(widgets, key);
      const events = await watching;
      assert.deepEqual(events.map(said), ["ADDED 1", "MODIFIED 2", "DELETED 2", "ADDED 3", "DELETED 3"]);
      const versions = events.map(versionOf);
      assert.deepEqual(
        versions,
        versions.toSorted((a, b) => a - b),
        "versions only grow",
      );
      assert.equal(new Set(versions).size, 5);
      const [, , third] = events;
      assert.ok(third?.type === "DELETED" && third.object.kind === "Widget");
    },
  );

  check("a watch ends at its time, with what came before", async ({ client }) => {
    const { resourceVersion } = await client.list(widgets);
    const events: WatchEvent<Widget>[] = [];
    for await (const event of client.watch(widgets, { resourceVersion, timeoutSeconds: 1 })) events.push(event);
    assert.deepEqual(
      events.filter(({ type }) => type !== "BOOKMARK"),
      [],
    );
  });

  check("a watch ends with its signal", async ({ client }) => {
    const { resourceVersion } = await client.list(widgets);
    const stop = new AbortController();
    const watching = collect(client, { resourceVersion, signal: stop.signal }, 1);
    const reason = new Error("enough");
    setImmediate(() => stop.abort(reason));
    await assert.rejects(watching, reason);
    await assert.rejects(client.get(widgets, { namespace: "default", name: "x" }, { signal: stop.signal }), reason);
  });

  check("a watch from a forgotten version fails with Expired", async ({ client, compact }, key, widget) => {
    const { resourceVersion } = await client.list(widgets);
    await client.create(widgets, widget());
    await client.mergePatch(widgets, key, { spec: { size: 2 } });
    await compact();
    await assert.rejects(collect(client, { resourceVersion, timeoutSeconds: 5 }, 1), (error: ApiError) => {
      return isExpired(error) && error.httpStatus === 410;
    });
  });
}

async function collect(
  client: KubernetesClient,
  options: Parameters<KubernetesClient["watch"]>[1],
  count: number,
): Promise<readonly WatchEvent<Widget>[]> {
  const events: WatchEvent<Widget>[] = [];
  for await (const event of client.watch(widgets, options)) {
    if (event.type !== "BOOKMARK") events.push(event);
    if (events.length === count) break;
  }
  return events;
}

function said(event: WatchEvent<Widget>): string {
  return event.type === "BOOKMARK" ? event.type : `${event.type} ${event.object.spec?.size}`;
}

function versionOf(event: WatchEvent<Widget>): number {
  return Number(event.type === "BOOKMARK" ? event.resourceVersion : event.object.metadata?.resourceVersion);
}

function condition(type: string, reason: string): Condition {
  return { type, status: "True", reason, message: "", lastTransitionTime: "2026-01-01T00:00:00Z" };
}
