/** A controller of ours under the real kube-apiserver: what it writes, how it bears conflicts, overload and restarts, what people see of it. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { systemClock, systemEntropy } from "@liquidmetal/foundation";
import {
  addFinalizer,
  applyStatus,
  connectCluster,
  EventRecorder,
  findCondition,
  isConditionTrue,
  isConflict,
  type KubernetesClient,
  keepOwnManagedFields,
  keyText,
  loadKubeconfig,
  manifestYaml,
  openCache,
  RuntimeMetrics,
  removeFinalizer,
  runRuntime,
  setAnnotations,
  setCondition,
  silentLogger,
  startController,
} from "@liquidmetal/kubernetes";
import { type Gadget, gadgetDefinition, gadgets } from "../assets/kubernetes-gadget.ts";
import { type RoughRoad, roughRoad } from "../assets/kubernetes-rough-road.ts";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";

const finalizer = "runtime.liquidmetal.dev/gadget";
const us = "runtime-test";
const stack = new AsyncDisposableStack();
let server: ApiServer;
let road: RoughRoad;
/** Not over the rough road. */
let direct: KubernetesClient;

before(
  async () => {
    server = stack.use(await startApiServer());
    road = stack.use(await roughRoad(server));
    await server.kubectl(["apply", "--server-side", "-f", "-"], manifestYaml(gadgetDefinition()));
    await server.kubectl([
      "wait",
      "--for=condition=Established",
      "--timeout=30s",
      "crd/gadgets.runtime.liquidmetal.dev",
    ]);
    direct = connectCluster({
      configuration: await loadKubeconfig({ path: server.kubeconfigFile }),
      userAgent: "test/1",
    });
    stack.defer(() => direct.close());
  },
  { timeout: 300_000 },
);
beforeEach(() => {
  road.trouble = undefined;
  road.forget();
});
after(() => stack.disposeAsync());

interface World extends AsyncDisposable {
  readonly metrics: RuntimeMetrics;
  readonly reconciled: string[];
}

/** The controller under test: a finalizer, a status, an event when it is done, and the finalizer away again at the end. */
async function controllerOf(namespace: string): Promise<World> {
  const client = connectCluster({
    configuration: { server: road.url, namespace },
    userAgent: `${us}/1`,
    fieldManager: us,
  });
  const metrics = new RuntimeMetrics();
  const recorder = new EventRecorder({ client, component: us, instance: "test", metrics });
  const cache = openCache<Gadget>(client, gadgets, { namespace, transform: keepOwnManagedFields(us) });
  const reconciled: string[] = [];
  const stop = new AbortController();
  const options = { fieldManager: us };
  const running = runRuntime(
    {
      clock: systemClock,
      entropy: systemEntropy,
      logger: silentLogger,
      metrics,
      caches: [{ name: "Gadget", cache }],
      controllers: [
        (ports) =>
          startController(
            {
              name: "gadget",
              resource: gadgets,
              cache,
              triggers: [],
              reconcile: async (key, { signal }) => {
                reconciled.push(keyText(key));
                const seen = cache.get(key);
                if (seen === undefined) return undefined;
                if (seen.metadata?.deletionTimestamp !== undefined) {
                  const left = await removeFinalizer(client, gadgets, seen, finalizer, { ...options, signal });
                  if (left !== undefined) cache.learn(left);
                  return undefined;
                }
                const gadget = await addFinalizer(client, gadgets, seen, finalizer, { ...options, signal });
                if (gadget === undefined) return undefined;
                const ready = {
                  type: "Ready",
                  status: "True",
                  reason: "Made",
                  message: `size ${gadget.spec?.sizeMiB}`,
                } as const;
                const conditions = setCondition(gadget.status?.conditions, ready, systemClock.nowMs());
                const own = conditions.filter(({ type }) => type === "Ready");
                const status = { phase: "made", addresses: ["10.0.0.1"], conditions: own };
                const written = await applyStatus(client, gadgets, gadget, status, { ...options, signal });
                cache.learn(written);
                if (!isConditionTrue(gadget.status?.conditions, "Ready")) {
                  recorder.record(gadgets, gadget, { type: "Normal", reason: "Made", message: "it is made" });
                }
                return undefined;
              },
            },
            ports,
          ),
      ],
    },
    stop.signal,
  );
  running.catch(() => undefined);
  return {
    metrics,
    reconciled,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
      await recorder[Symbol.asyncDispose]();
      await client.close();
    },
  };
}

async function namespaceOf(names: readonly string[]): Promise<string> {
  const namespace = `t-${randomUUID().slice(0, 8)}`;
  await server.kubectl(["create", "namespace", namespace]);
  await Promise.all(
    names.map((name) => direct.create(gadgets, { metadata: { namespace, name }, spec: { sizeMiB: 1 } })),
  );
  return namespace;
}

const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `g${index}`);

/** Waits until the gadgets of the namespace are as wanted, over restarts of the server too. */
async function until(namespace: string, wanted: (all: readonly Gadget[]) => boolean, withinMs = 60_000): Promise<void> {
  const end = new AbortController();
  const late = AbortSignal.timeout(withinMs);
  const cache = openCache<Gadget>(direct, gadgets, { namespace });
  const running = cache.start(end.signal);
  const so = Promise.withResolvers<void>();
  try {
    await cache.synced(late);
    const look = (): void => {
      if (wanted(cache.list())) so.resolve();
    };
    using _changes = cache.onChange(look);
    look();
    late.addEventListener("abort", () =>
      so.reject(new Error(`not so within ${withinMs} ms: ${JSON.stringify(cache.list().slice(0, 2))}`)),
    );
    await so.promise;
  } finally {
    end.abort();
    await running.catch(() => undefined);
  }
}

const made = (all: readonly Gadget[]): boolean => all.length > 0 && all.every(({ status }) => status?.phase === "made");

/** Resolves when the road has been quiet for a while: what a controller does in answer to what it did is done. */
async function quiet(): Promise<void> {
  for (let seen = -1; seen !== road.asked.length; ) {
    seen = road.asked.length;
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
}

test("writes what has to be written once, and nothing when nothing is different", { timeout: 180_000 }, async () => {
  const namespace = await namespaceOf(many(20));
  {
    await using _world = await controllerOf(namespace);
    await until(namespace, made);
    await quiet();
    assert.deepEqual(road.writes(), { "PATCH gadgets": 20, "PATCH gadgets/status": 20, "POST events": 20 });
    road.forget();
    const g0 = await direct.get(gadgets, { namespace, name: "g0" });
    await setAnnotations(direct, gadgets, g0, { other: "1" });
    const theirs = {
      conditions: setCondition(undefined, { type: "Theirs", status: "True", reason: "Is" }, Date.now()),
    };
    await applyStatus(direct, gadgets, g0, theirs, { fieldManager: "them" });
    await quiet();
    assert.deepEqual(road.writes(), {});
  }
  road.forget();
  await using again = await controllerOf(namespace);
  await quiet();
  assert.equal(new Set(again.reconciled).size, 20);
  assert.deepEqual(road.writes(), {});
  const g0 = await direct.get(gadgets, { namespace, name: "g0" });
  assert.ok(isConditionTrue(g0.status?.conditions, "Theirs") && isConditionTrue(g0.status?.conditions, "Ready"));
  await direct.mergePatch(gadgets, { namespace, name: "g0" }, { spec: { sizeMiB: 2 } });
  await until(namespace, (all) =>
    all.some(({ status }) => findCondition(status?.conditions, "Ready")?.message === "size 2"),
  );
});

test("events are there for kubectl describe", { timeout: 180_000 }, async () => {
  const namespace = await namespaceOf(["one"]);
  {
    await using _world = await controllerOf(namespace);
    await until(namespace, made);
  }
  const described = await server.kubectl(["describe", "gadget", "one", "-n", namespace]);
  assert.match(described, /Normal +Made +\S+ +runtime-test +it is made/);
  assert.match(await server.kubectl(["get", "gd", "-n", namespace]), /NAME +SIZE +READY +AGE\none +1 +True/);
});

test("a storm of conflicts: others' finalizers and annotations are kept, and all gets done", {
  timeout: 180_000,
}, async () => {
  const names = many(10);
  const namespace = await namespaceOf(names);
  await using _world = await controllerOf(namespace);
  await until(namespace, made);
  const over = new AbortController();
  const theirs = "them.dev/f";
  const rivals = names.map(async (name) => {
    const key = { namespace, name };
    for (let turn = 0; !over.signal.aborted; turn++) {
      await direct
        .mergePatch(gadgets, key, { metadata: { annotations: { turn: String(turn) } } })
        .catch(() => undefined);
    }
  });
  try {
    for (const name of names) {
      const gadget = await direct.get(gadgets, { namespace, name });
      await addFinalizer(direct, gadgets, gadget, theirs);
      await direct.delete(gadgets, { namespace, name });
    }
    await until(namespace, (all) => all.every(({ metadata }) => metadata?.finalizers?.join() === theirs), 90_000);
  } finally {
    over.abort();
    await Promise.all(rivals);
  }
  for (const gadget of (await direct.list(gadgets, { namespace })).items) {
    await removeFinalizer(direct, gadgets, gadget, theirs);
  }
  await until(namespace, (all) => all.length === 0);
});

test("every second write meets a conflict: progress, and no hot loop", { timeout: 180_000 }, async () => {
  const namespace = await namespaceOf(many(20));
  let turn = 0;
  road.trouble = ({ method }) => (method === "PATCH" && turn++ % 2 === 0 ? { status: 409 } : undefined);
  await using world = await controllerOf(namespace);
  await until(namespace, made);
  await quiet();
  const patches = road.asked.filter(({ method }) => method === "PATCH").length;
  assert.ok(patches >= 60 && patches <= 160, `${patches} patches for 40 writes`);
  assert.ok(world.reconciled.length < 200, `${world.reconciled.length} reconciles`);
});

test("an API server that is overloaded is left in peace, and caught up with when it has recovered", {
  timeout: 180_000,
}, async () => {
  const namespace = await namespaceOf(many(50));
  let since = Date.now();
  const stormMs = 6_000;
  road.trouble = ({ method }) =>
    method !== "GET" && Date.now() - since < stormMs ? { status: 429, retryAfterSeconds: 1 } : undefined;
  await using _world = await controllerOf(namespace);
  since = Date.now();
  await new Promise((resolve) => setTimeout(resolve, stormMs));
  const refused = road.asked.filter(({ status }) => status === 429).length;
  // Ten workers and the events' one, each of which heeds "in a second".
  assert.ok(refused > 0 && refused <= 11 * 8, `${refused} requests in ${stormMs} ms of "too many requests"`);
  await until(namespace, made);
});

test("an API server that is restarted is found again", { timeout: 180_000 }, async () => {
  const namespace = await namespaceOf(["before"]);
  await using _world = await controllerOf(namespace);
  await until(namespace, made);
  await server.process("kube-apiserver").restart();
  await direct.create(gadgets, { metadata: { namespace, name: "after" }, spec: { sizeMiB: 1 } });
  await until(namespace, (all) => all.length === 2 && made(all));
});

test("a status that is old is not written over a newer one when the writer asks for that", {
  timeout: 180_000,
}, async () => {
  const namespace = await namespaceOf(["one"]);
  const old = await direct.get(gadgets, { namespace, name: "one" });
  await setAnnotations(direct, gadgets, old, { newer: "1" });
  await assert.rejects(
    applyStatus(direct, gadgets, old, { phase: "x" }, { fieldManager: us, optimistic: true }),
    isConflict,
  );
  await applyStatus(direct, gadgets, old, { phase: "x" }, { fieldManager: us });
  await direct.delete(gadgets, { namespace, name: "one" });
  await assert.rejects(applyStatus(direct, gadgets, old, { phase: "y" }, { fieldManager: us }));
  assert.deepEqual((await direct.list(gadgets, { namespace })).items, []);
});

test("what the check calls applied, the server does too", { timeout: 180_000 }, async () => {
  const namespace = await namespaceOf(["one"]);
  const key = { namespace, name: "one" };
  const [a, b] = ["A", "B"].map((type) => ({
    type,
    status: "True",
    reason: "Is",
    message: "",
    lastTransitionTime: "2026-11-23T18:00:00Z",
  }));
  const wishes: readonly object[] = [
    { phase: "1", addresses: ["x"], conditions: [a, b], vm: { size: 1, labels: { x: "1" } } },
    { phase: "1", addresses: [], conditions: [b], vm: { size: 1, labels: {} } },
    { phase: "1", vm: {} },
    { phase: "2", conditions: [] },
    { addresses: ["y", "x"], conditions: [b, a] },
    { addresses: ["x", "y"], conditions: [b, a] },
    { conditions: [a, b] },
    {},
    { phase: "1", addresses: ["x"], conditions: [a, b] },
  ];
  for (const [index, wish] of wishes.entries()) {
    const before = await direct.get(gadgets, key);
    const written = await applyStatus(direct, gadgets, before, wish, { fieldManager: us });
    assert.notEqual(
      written.metadata?.resourceVersion,
      before.metadata?.resourceVersion,
      `wish ${index} was not written`,
    );
    const read = keepOwnManagedFields<Gadget>(us)(await direct.get(gadgets, key));
    assert.equal(await applyStatus(direct, gadgets, read, wish, { fieldManager: us }), read, `wish ${index}`);
    // The server itself is not at rest with what is empty: applied again, they come and go.
    if (/\[\]|\{\}/.test(JSON.stringify(wish))) continue;
    const again = await direct.apply(gadgets, key, { status: wish }, { fieldManager: us, subresource: "status" });
    assert.equal(again.metadata?.resourceVersion, written.metadata?.resourceVersion, `wish ${index}`);
  }
});
