/** The HTTP gateway over real connections: upstream's routes, casing and errors, and the same authentication as gRPC. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { Client, credentials } from "@grpc/grpc-js";
import { connect, serviceClient } from "@liquidmetal/api/client";
import { ServerReflection } from "@liquidmetal/api/reflection/v1";
import { PlatformError } from "@liquidmetal/foundation";
import { authenticator } from "./authentication.ts";
import { type FakeHost, startFakeHost } from "./fake-host.ts";
import { openApiText } from "./openapi.ts";

const spec = {
  id: "vm1",
  namespace: "ns1",
  kernel: { image: "registry.example/kernel:1", filename: "boot/vmlinux" },
  root_volume: { id: "root", source: { container_source: "registry.example/os:1" } },
  interfaces: [{ deviceId: "eth1", type: "TAP" }],
  something_new: { nested: true },
};

/** What the tests look at in an answer. */
interface Answer {
  readonly code?: number;
  readonly message?: string;
  readonly details?: readonly unknown[];
  readonly microvm?: {
    /** Of a list. */
    readonly length?: number;
    readonly spec?: {
      readonly id?: string;
      readonly uid?: string;
      readonly memoryInMb?: number;
      readonly rootVolume?: { readonly source?: { readonly containerSource?: string } };
      readonly deletedAt?: string | null;
      readonly additionalVolumes?: readonly unknown[];
      readonly labels?: object;
    };
    readonly status?: { readonly state?: string; readonly kernelMount?: object | null; readonly vsockPath?: string };
  };
}

async function json(response: Response): Promise<Answer> {
  const value: Answer = JSON.parse(await response.text());
  return value;
}

describe("gateway", { timeout: 20_000 }, () => {
  let host: FakeHost;
  let base: string;
  before(async () => {
    host = await startFakeHost({ bodyLimitBytes: 100_000 });
    base = `http://${host.http}`;
  });
  after(() => host[Symbol.asyncDispose]());

  const post = (path: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${base}${path}`, { method: "POST", body, headers });
  const create = (change: object): Promise<Response> =>
    post("/v1alpha1/microvm", JSON.stringify({ ...spec, ...change }));

  test("create takes the spec itself, in either casing, ignoring what it does not know; answers as upstream does", async () => {
    const response = await create({ id: "casing" });
    assert.equal(response.status, 200);
    const { microvm } = await json(response);
    assert.equal(microvm?.spec?.rootVolume?.source?.containerSource, "registry.example/os:1");
    assert.equal(microvm?.spec?.memoryInMb, 1_024);
    assert.equal(microvm?.status?.state, "PENDING");
    // Unset: plain messages null, lists and maps empty, fields of explicit presence left out.
    assert.equal(microvm?.status?.kernelMount, null);
    assert.equal(microvm?.spec?.deletedAt, null);
    assert.deepEqual(microvm?.spec?.additionalVolumes, []);
    assert.deepEqual(microvm?.spec?.labels, {});
    assert.ok(!("initrd" in (microvm?.spec ?? {})));
    assert.equal(microvm?.status?.vsockPath, "");
  });

  test("get by uid, list by namespace and name, list all by a trailing slash", async () => {
    const { microvm } = await json(await create({ id: "listed", namespace: "listing" }));
    const uid = String(microvm?.spec?.uid);
    const got = await json(await fetch(`${base}/v1alpha1/microvm/${uid}`));
    assert.equal(got.microvm?.spec?.id, "listed");
    const list = await json(await fetch(`${base}/v1alpha1/microvm/listing`));
    assert.equal(list.microvm?.length, 1);
    assert.equal((await json(await fetch(`${base}/v1alpha1/microvm/listing?name=other`))).microvm?.length, 0);
    const all = await json(await fetch(`${base}/v1alpha1/microvm/`));
    assert.ok((all.microvm?.length ?? 0) >= 1);
    const form = await post("/v1alpha1/microvm/listing", "name=listed", {
      "content-type": "application/x-www-form-urlencoded",
    });
    assert.equal((await json(form)).microvm?.length, 1);
  });

  test("a namespace that looks like a uid can still be listed; an unknown uid is 404 with 'not found'", async () => {
    const namespace = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    const missing = await fetch(`${base}/v1alpha1/microvm/${namespace}`);
    assert.equal(missing.status, 404);
    assert.equal(missing.headers.get("liquidmetal-error-code"), "MICROVM_NOT_FOUND");
    const body = await json(missing);
    assert.equal(body.code, 5);
    assert.match(String(body.message), /not found/);
    await create({ id: "odd", namespace });
    assert.equal((await json(await fetch(`${base}/v1alpha1/microvm/${namespace}`))).microvm?.length, 1);
  });

  test("delete answers {}, also for what is gone", async () => {
    const { microvm } = await json(await create({ id: "deleted" }));
    for (let time = 0; time < 2; time++) {
      const response = await fetch(`${base}/v1alpha1/microvm/${microvm?.spec?.uid}`, { method: "DELETE" });
      assert.equal(response.status, 200);
      assert.equal(await response.text(), "{}");
    }
  });

  test("the stream is one JSON object a line; a failure is a line too", async () => {
    await create({ id: "s1", namespace: "streamed" });
    await create({ id: "s2", namespace: "streamed" });
    const path = "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMsStream";
    const lines = (await (await post(path, '{"namespace":"streamed"}')).text()).trim().split("\n");
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).result.microvm.spec.id),
      ["s1", "s2"],
    );
    assert.equal(JSON.parse(await (await post(path, "{}")).text()).error.code, 3);
  });

  const failures: readonly [string, () => Promise<Response>, number, number][] = [
    ["empty body", () => post("/v1alpha1/microvm", ""), 400, 3],
    ["no JSON", () => post("/v1alpha1/microvm", "{"), 400, 3],
    ["wrong type of a field", () => create({ vcpu: "many" }), 400, 3],
    ["deep nesting", () => post("/v1alpha1/microvm", "[".repeat(90_000)), 400, 3],
    ["broken rules", () => create({ vcpu: 99 }), 400, 3],
    ["another spec under the same id", () => create({ id: "casing", vcpu: 3 }), 409, 6],
    ["body too large", () => post("/v1alpha1/microvm", "x".repeat(200_000)), 413, 8],
    ["unknown route", () => fetch(`${base}/nope`), 404, 5],
    ["wrong method", () => fetch(`${base}/v1alpha1/microvm`, { method: "PUT" }), 501, 12],
    ["a JSON body posted to a GET route", () => post("/v1alpha1/microvm/ns1", "{}"), 501, 12],
  ];
  for (const [name, work, status, code] of failures) {
    test(`${name}: HTTP ${status}, code ${code}`, async () => {
      const response = await work();
      assert.equal(response.status, status);
      const body = await json(response);
      assert.equal(body.code, code);
      assert.deepEqual(body.details, []);
      assert.equal(typeof body.message, "string");
    });
  }

  test("a web page of another origin is refused, one of this host is not", async () => {
    const from = (origin: string): Promise<Response> => fetch(`${base}/v1alpha1/microvm/ns1`, { headers: { origin } });
    for (const origin of ["http://evil.example", "null", "http://localhost:1"]) {
      assert.equal((await from(origin)).status, 400, origin);
    }
    assert.equal((await from(base)).status, 200);
  });

  test("localhost is served on all its addresses, and stops", async () => {
    const local = { kind: "tcp", host: "localhost", port: 0, loopback: true } as const;
    const other = await startFakeHost({ http: local, grpc: [local] });
    assert.equal((await fetch(`http://${other.http}/healthz`)).status, 200);
    assert.equal((await fetch(`http://${other.http.replace("localhost", "127.0.0.1")}/healthz`)).status, 200);
    await other.servers.stop();
    await assert.rejects(fetch(`http://${other.http}/healthz`));
  });

  test("health follows the application", async () => {
    assert.equal((await fetch(`${base}/healthz`)).status, 200);
    host.application.isHealthy = false;
    assert.equal((await fetch(`${base}/healthz`)).status, 503);
    host.application.isHealthy = true;
  });

  test("a client that sends half a request and goes away harms nobody", async () => {
    await new Promise<void>((resolve) => {
      const half = request(`${base}/v1alpha1/microvm`, { method: "POST", headers: { "content-length": "1000" } });
      half.on("error", () => resolve());
      half.write("{", () => half.destroy());
      half.on("close", () => resolve());
    });
    assert.equal((await fetch(`${base}/healthz`)).status, 200);
  });

  test("the served description is the checked-in one", async () => {
    const file = new URL("../../../../api/openapi/flintlock.json", import.meta.url);
    if (process.env["UPDATE_GOLDEN"] !== undefined) await writeFile(file, openApiText());
    const checkedIn = await readFile(file, "utf8");
    assert.equal(
      openApiText(),
      checkedIn,
      "run this test with UPDATE_GOLDEN=1 to write api/openapi/flintlock.json anew",
    );
    assert.equal(await (await fetch(`${base}/openapi.json`)).text(), checkedIn);
  });

  test("every path of the description is served", async () => {
    for (const [path, methods] of Object.entries<object>(JSON.parse(openApiText()).paths)) {
      for (const method of Object.keys(methods)) {
        const response = await fetch(`${base}${path.replace("{segment}", "ns1")}`, {
          method: method.toUpperCase(),
          ...(method === "post" ? { body: "" } : {}),
        });
        assert.notEqual(response.status, 501, `${method} ${path}`);
        assert.notEqual((await json(response)).message, "Not Found", `${method} ${path}`);
      }
    }
  });
});

describe("token", { timeout: 20_000 }, () => {
  let host: FakeHost;
  before(async () => {
    host = await startFakeHost({ token: "s3cret", reflection: true });
  });
  after(() => host[Symbol.asyncDispose]());

  const basic = `Basic ${Buffer.from("s3cret").toString("base64")}`;
  const texts: readonly [string | undefined, RegExp | undefined][] = [
    [basic, undefined],
    [basic.replace("Basic", "bAsIc"), undefined],
    ["Bearer s3cret", undefined],
    [undefined, /^could not extract token from request header:.*Request unauthenticated with basic/],
    ["Digest x", /^could not extract token from request header:.*Request unauthenticated with basic/],
    ["nonsense", /^could not extract token from request header:.*Bad authorization string/],
    ["Basic ", /^invalid auth token: empty authentication token/],
    ["Basic AAAA", /^invalid auth token: failed basic authentication\. Check the token supplied/],
    ["Bearer s3cre", /^invalid auth token: failed basic authentication/],
  ];
  for (const [header, text] of texts) {
    test(`authorization ${String(header)} is ${text === undefined ? "right" : "refused, with upstream's words"}`, () => {
      const refusal = authenticator("s3cret")(header);
      if (text === undefined) assert.equal(refusal, undefined);
      else assert.match(refusal?.message ?? "", text);
    });
  }

  test("HTTP: 401 with WWW-Authenticate without it, 200 with it, health and description without", async () => {
    const refused = await fetch(`http://${host.http}/v1alpha1/microvm/ns1`);
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get("www-authenticate") ?? "", /Basic/);
    assert.equal((await json(refused)).code, 16);
    const headers = { authorization: basic };
    assert.equal((await fetch(`http://${host.http}/v1alpha1/microvm/ns1`, { headers })).status, 200);
    assert.equal((await fetch(`http://${host.http}/nope`)).status, 401);
    assert.equal((await fetch(`http://${host.http}/healthz`)).status, 200);
    assert.equal((await fetch(`http://${host.http}/openapi.json`)).status, 200);
  });

  test("gRPC: unary, streams and reflection need it, health does not", async () => {
    using stranger = connect({ address: host.grpc });
    using friend = connect({ address: host.grpc, token: "s3cret" });
    const refused = (work: Promise<unknown>): Promise<void> =>
      assert.rejects(work, (error) => error instanceof PlatformError && error.code === "UNAUTHENTICATED");
    await refused(stranger.microVms.listMicroVMs({}));
    await refused(stranger.host.watch({})[Symbol.asyncIterator]().next());
    const raw = new Client(host.grpc, credentials.createInsecure());
    const defaults = { timeoutMs: 5_000, closed: new AbortController().signal };
    const reflection = serviceClient(raw, ServerReflection, defaults);
    async function* question() {
      yield { messageRequest: { case: "listServices", value: "" } } as const;
    }
    await refused(reflection.serverReflectionInfo(question())[Symbol.asyncIterator]().next());
    raw.close();
    assert.equal((await stranger.health.check({})).status, 1);
    assert.equal((await friend.microVms.listMicroVMs({})).microvm.length, 0);
  });
});
