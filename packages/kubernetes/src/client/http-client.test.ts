import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";
import { type Clock, systemClock } from "@liquidmetal/foundation";
import { type KubernetesObject, resource } from "../object.ts";
import type { ApiError } from "./api-error.ts";
import type { KubernetesClient, WatchEvent } from "./client.ts";
import { type ConnectClusterOptions, connectCluster } from "./connect-cluster.ts";

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

const widgets = resource<KubernetesObject & { spec?: unknown }>({
  group: "example.org",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
});
const key = { namespace: "default", name: "a" };

interface World extends AsyncDisposable {
  readonly client: KubernetesClient;
  /** "METHOD path" of each request, in order. */
  readonly requests: string[];
  readonly url: string;
}

/** A server that gives the answers one after another, the last for ever. */
async function open(answers: readonly Answer[], options: Partial<ConnectClusterOptions> = {}): Promise<World> {
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const answer = answers[Math.min(requests.length, answers.length - 1)];
    requests.push(`${request.method} ${request.url}`);
    answer?.(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const entropy = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0 };
  const configuration = { server: `${url}/prefix/`, namespace: "default", ...options.configuration };
  const client = connectCluster({ userAgent: "suite/1.0", entropy, clock: systemClock, ...options, configuration });
  const close = async (): Promise<void> => {
    await client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { client, requests, url, [Symbol.asyncDispose]: close };
}

/** Ten times as fast, for what waits between repetitions. */
const fastClock: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() * 10,
  timer: (delayMs, fire) => systemClock.timer(delayMs / 10, fire),
};

const object = { apiVersion: "x", kind: "y", metadata: { ...key, resourceVersion: "5" } };
const ok: Answer = (_request, response) => json(response, 200, object);
const refuse =
  (status: number, reason: string, headers: Record<string, string> = {}): Answer =>
  (_request, response) =>
    json(response, status, { kind: "Status", reason, message: "said the server", details: { causes: [] } }, headers);
const reset: Answer = (request) => void request.socket.resetAndDestroy();

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

test("every request says who asks, and kinds are named as asked for", async () => {
  const agents: (string | undefined)[] = [];
  const answer: Answer = (request, response, body) => {
    agents.push(request.headers["user-agent"]);
    json(response, 200, {
      ...object,
      echo: body === "" ? undefined : JSON.parse(body),
      type: request.headers["content-type"],
    });
  };
  await using world = await open([answer]);
  const { client, requests } = world;
  const got = await client.get(widgets, key);
  assert.deepEqual([got.apiVersion, got.kind], ["example.org/v1", "Widget"]);
  const applied: object = await client.apply(
    widgets,
    key,
    { spec: { size: 1 }, metadata: { labels: { a: "b" } } },
    { subresource: "status" },
  );
  assert.deepEqual("echo" in applied && applied.echo, {
    apiVersion: "example.org/v1",
    kind: "Widget",
    metadata: { name: "a", namespace: "default", labels: { a: "b" } },
    spec: { size: 1 },
  });
  await client.create(widgets, { metadata: key }, { fieldManager: "other", dryRun: true });
  await client.delete(widgets, key, { uid: "u", propagationPolicy: "Foreground" });
  const root = "/prefix/apis/example.org/v1/namespaces/default/widgets";
  assert.deepEqual(requests, [
    `GET ${root}/a`,
    `PATCH ${root}/a/status?fieldManager=suite&force=true`,
    `POST ${root}?fieldManager=other&dryRun=All`,
    `DELETE ${root}/a`,
  ]);
  assert.deepEqual(new Set(agents), new Set(["suite/1.0"]));
});

const repeated: readonly (readonly [what: string, trouble: Answer])[] = [
  ["429 with Retry-After", refuse(429, "TooManyRequests", { "retry-after": "0" })],
  ["503", refuse(503, "ServiceUnavailable")],
  ["504", refuse(504, "Timeout")],
  [
    "502 of a proxy",
    (_request, response) => void response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad</h1>"),
  ],
  ["a broken connection", reset],
  [
    "an answer that breaks off",
    (request, response) => {
      response.writeHead(200, { "content-length": "100" }).write("{");
      setImmediate(() => request.socket.resetAndDestroy());
    },
  ],
];

for (const [what, trouble] of repeated) {
  test(`after ${what}, calls that may be carried out twice are repeated`, async () => {
    const repeats: string[] = [];
    const observer = { onRepeat: ({ operation }: { operation: string }) => void repeats.push(operation) };
    await using world = await open([trouble, ok], { observer, clock: fastClock });
    assert.equal((await world.client.get(widgets, key)).metadata?.resourceVersion, "5");
    assert.deepEqual([world.requests.length, repeats], [2, ["get widgets default/a"]]);
    for (const write of [
      (client: KubernetesClient) => client.apply(widgets, key, {}),
      (client: KubernetesClient) => client.replace(widgets, object),
      (client: KubernetesClient) => client.delete(widgets, key),
    ]) {
      await using other = await open([trouble, ok], { clock: fastClock });
      await write(other.client);
      assert.equal(other.requests.length, 2);
    }
  });
}

test("a create or patch is repeated after 429 only: whatever else, it may have been carried out", async () => {
  for (const write of [
    (client: KubernetesClient) => client.create(widgets, { metadata: key }),
    (client: KubernetesClient) => client.mergePatch(widgets, key, {}),
  ]) {
    await using again = await open([refuse(429, "TooManyRequests"), ok]);
    await write(again.client);
    assert.equal(again.requests.length, 2);
    for (const trouble of [refuse(503, "ServiceUnavailable"), reset]) {
      await using once = await open([trouble, ok]);
      await assert.rejects(write(once.client), { code: "KUBERNETES_UNAVAILABLE" });
      assert.equal(once.requests.length, 1);
    }
  }
});

test("a server that is not there yet: even a create waits for it", async () => {
  const world = await open([ok]);
  await world[Symbol.asyncDispose]();
  const client = connectCluster({ configuration: { server: world.url, namespace: "default" }, userAgent: "suite/1.0" });
  const creating = client.create(widgets, { metadata: key }, { timeoutMs: 20_000 });
  const port = Number(new URL(world.url).port);
  const server = createServer((_request, response) => json(response, 201, object));
  setTimeout(() => server.listen(port, "127.0.0.1"), 300);
  assert.equal((await creating).metadata?.name, "a");
  await client.close();
  server.closeAllConnections();
  server.close();
});

test("refusals carry status, reason, causes and the wish to be left alone; they are not repeated past the deadline", async () => {
  const cause = { reason: "FieldValueRequired", message: "Required value", field: "spec.size" };
  const invalid: Answer = (_request, response) =>
    json(response, 422, { reason: "Invalid", message: "Widget is invalid", details: { causes: [cause] } });
  await using world = await open([invalid]);
  await assert.rejects(world.client.create(widgets, { metadata: key }), (error: ApiError) => {
    assert.deepEqual(
      [error.code, error.httpStatus, error.reason, error.causes],
      ["OBJECT_INVALID", 422, "Invalid", [cause]],
    );
    assert.equal(error.message, "create widgets default/a: Widget is invalid");
    return true;
  });
  await using busy = await open([refuse(429, "TooManyRequests", { "retry-after": "60" })]);
  await assert.rejects(busy.client.get(widgets, key), { httpStatus: 429, retryAfterMs: 60_000 });
  assert.equal(busy.requests.length, 1);
});

test("a call ends at its deadline, also when the server says nothing, and tells what was last", async () => {
  await using mute = await open([() => undefined]);
  await assert.rejects(mute.client.get(widgets, key, { timeoutMs: 100 }), {
    code: "DEADLINE_EXCEEDED",
    message: "get widgets default/a: waited 100 ms, and no answer came",
  });
  await using down = await open([reset]);
  await assert.rejects(down.client.get(widgets, key, { timeoutMs: 700 }), { code: "KUBERNETES_UNAVAILABLE" });
});

test("no more calls at once than connections; the rest wait their turn, and their deadlines count", async () => {
  let now = 0;
  let most = 0;
  const slow: Answer = (_request, response) => {
    now += 1;
    most = Math.max(most, now);
    setTimeout(() => {
      now -= 1;
      json(response, 200, object);
    }, 20);
  };
  await using world = await open([slow], { connections: 3 });
  await Promise.all(Array.from({ length: 20 }, () => world.client.get(widgets, key)));
  assert.equal(most, 3);
  await using mute = await open([() => undefined], { connections: 1 });
  const calls = [1, 2].map(() => mute.client.get(widgets, key, { timeoutMs: 50 }));
  for (const { status } of await Promise.allSettled(calls)) assert.equal(status, "rejected");
  assert.equal(mute.requests.length, 1);
});

test("pages are followed to the end, begun again when they expire, and made smaller when they are too large", async () => {
  const page = (names: readonly string[], next?: string): unknown => ({
    metadata: { resourceVersion: "9", ...(next === undefined ? {} : { continue: next }) },
    items: names.map((name) => ({ metadata: { name, annotations: { large: "x".repeat(1_000) } } })),
  });
  const names = Array.from({ length: 20 }, (_, index) => `w${index}`);
  let expired = false;
  const answer: Answer = (request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://x");
    const start = Number(searchParams.get("continue") ?? 0);
    const end = start + Number(searchParams.get("limit"));
    if (start > 0 && !expired) {
      expired = true;
      refuse(410, "Expired")(request, response, "");
      return;
    }
    json(response, 200, page(names.slice(start, end), end < names.length ? String(end) : undefined));
  };
  await using world = await open([answer], { answerLimitBytes: 10_000 });
  const { items, resourceVersion } = await world.client.list(widgets, {
    labelSelector: "a in (b)",
    resourceVersion: "0",
  });
  assert.deepEqual(
    items.map(({ metadata, kind }) => `${kind} ${metadata?.name}`),
    names.map((name) => `Widget ${name}`),
  );
  assert.equal(resourceVersion, "9");
  const limits = world.requests.map((line) => new URL(line.split(" ")[1] ?? "", "http://x").searchParams.get("limit"));
  assert.deepEqual([...new Set(limits)], ["500", "63", "8"]);
});

test("a watch is read line by line however it is cut, and ends with the server", async () => {
  const event = (type: string, version: string, more: object = {}): string =>
    JSON.stringify({ type, object: { kind: "Widget", metadata: { name: "ä€😀", resourceVersion: version }, ...more } });
  const lines = [event("ADDED", "6"), event("MODIFIED", "7", { spec: "x".repeat(3_000_000) }), event("BOOKMARK", "8")];
  const answer: Answer = async (_request, response) => {
    const bytes = Buffer.from(`${lines.join("\n")}\n\n`);
    for (let start = 0; start < bytes.length; start += start < 200 ? 3 : 70_001) {
      response.write(bytes.subarray(start, start + (start < 200 ? 3 : 70_001)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  };
  await using world = await open([answer]);
  const events = await all(world.client, { timeoutSeconds: 7, labelSelector: "a=b", namespace: "n" });
  assert.deepEqual(
    events.map((each) => (each.type === "BOOKMARK" ? each.resourceVersion : each.object.metadata)),
    [{ name: "ä€😀", resourceVersion: "6" }, { name: "ä€😀", resourceVersion: "7" }, "8"],
  );
  assert.deepEqual(world.requests, [
    "GET /prefix/apis/example.org/v1/namespaces/n/widgets?watch=true&allowWatchBookmarks=true&labelSelector=a%3Db&resourceVersion=5&timeoutSeconds=7",
  ]);
});

const brokenWatches: readonly (readonly [what: string, answer: Answer, error: object])[] = [
  ["410 as status", refuse(410, "Expired"), { reason: "Expired", code: "POSITION_EXPIRED" }],
  [
    "410 as event",
    (_request, response) =>
      void response.end('{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"old"}}\n'),
    { httpStatus: 410, reason: "Expired" },
  ],
  ["429", refuse(429, "TooManyRequests", { "retry-after": "3" }), { httpStatus: 429, retryAfterMs: 3_000 }],
  [
    "a broken connection",
    (request, response) => {
      response.write("{");
      setTimeout(() => request.socket.resetAndDestroy(), 10);
    },
    { httpStatus: 0, reason: "Unreachable" },
  ],
  [
    "silence",
    (_request, response) => void response.write("\n"),
    { reason: "Silent", message: /nothing came for 150 ms/ },
  ],
  ["what is not JSON", (_request, response) => void response.end("<html>\n"), { message: /not JSON/ }],
  [
    "an event that is too large",
    (_request, response) => void response.end("x".repeat(1_000_000)),
    { message: /more than 100000 bytes/ },
  ],
];

for (const [what, answer, error] of brokenWatches) {
  test(`a watch fails with its reason: ${what}`, async () => {
    await using world = await open([answer], { eventLimitBytes: 100_000 });
    await assert.rejects(all(world.client, { silenceMs: 150 }), error);
  });
}

test("a watch that is heard from now and then is not silent; leaving it ends it", async () => {
  let closed: (() => void) | undefined;
  const ended = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const answer: Answer = (_request, response) => {
    response.on("close", () => closed?.());
    for (let round = 1; round <= 4; round++) {
      setTimeout(
        () => response.write(`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"${round}"}}}\n`),
        round * 300,
      );
    }
  };
  await using world = await open([answer]);
  let last = "";
  for await (const event of world.client.watch(widgets, { resourceVersion: "1", silenceMs: 1_000 })) {
    if (event.type === "BOOKMARK") last = event.resourceVersion;
    if (last === "4") break;
  }
  await ended;
  assert.equal(last, "4");
});

test("a page with 200 that is no Kubernetes object is not taken for one", async () => {
  await using world = await open([(_request, response) => void response.end("<html>please log in</html>")]);
  const error = { code: "KUBERNETES_UNAVAILABLE", message: /no Kubernetes object: <html>please log in/ };
  await assert.rejects(world.client.get(widgets, key), error);
  await assert.rejects(world.client.list(widgets), error);
  assert.equal(await world.client.request("GET", "/readyz"), "<html>please log in</html>");
});

test("closing ends what is under way, and what comes after fails at once", async () => {
  await using world = await open([() => undefined]);
  const watching = all(world.client, {});
  const call = world.client.get(widgets, key);
  const ends = Promise.allSettled([watching, call]);
  await world.client.close();
  assert.deepEqual(
    (await ends).map(({ status }) => status),
    ["rejected", "rejected"],
  );
  await assert.rejects(world.client.get(widgets, key), { code: "CANCELLED" });
});

test("a program that does nothing but wait for its call stays alive until the call is over", async () => {
  const program = `import { connectCluster } from ${JSON.stringify(import.meta.resolve("./connect-cluster.ts"))};
    const configuration = { server: "http://127.0.0.1:1", namespace: "default" };
    const client = connectCluster({ configuration, userAgent: "suite/1.0" });
    client.request("GET", "/readyz", undefined, { timeoutMs: 300 }).catch(({ code }) => console.log(code));`;
  const output = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
  assert.equal(output.stdout, "KUBERNETES_UNAVAILABLE\n");
});

test("warnings of the server are passed on", async () => {
  const warnings: string[] = [];
  const warn: Answer = (_request, response) => json(response, 200, object, { warning: '299 - "use \\"v2\\" instead"' });
  await using world = await open([warn], { observer: { onWarning: (text) => warnings.push(text) } });
  await world.client.get(widgets, key);
  assert.deepEqual(warnings, ['use "v2" instead']);
});

async function all(
  client: KubernetesClient,
  options: Omit<Parameters<KubernetesClient["watch"]>[1], "resourceVersion">,
): Promise<readonly WatchEvent<KubernetesObject>[]> {
  const events: WatchEvent<KubernetesObject>[] = [];
  for await (const event of client.watch(widgets, { resourceVersion: "5", ...options })) events.push(event);
  return events;
}
