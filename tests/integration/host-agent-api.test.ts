/** The API under rougher conditions: TLS in all its ways to fail, load, slow readers, backpressure, reflection. */
import assert from "node:assert/strict";
import { get } from "node:https";
import { connect as dial } from "node:net";
import { after, before, describe, test } from "node:test";
import { connect as dialTls } from "node:tls";
import { Client, credentials } from "@grpc/grpc-js";
import { NetworkInterface_IfaceType } from "@liquidmetal/api";
import { type Connection, type ConnectTls, connect, serviceClient } from "@liquidmetal/api/client";
import { ServerReflection } from "@liquidmetal/api/reflection/v1";
import { ServerReflection as ServerReflectionAlpha } from "@liquidmetal/api/reflection/v1alpha";
import { PlatformError } from "@liquidmetal/foundation";
import { type FakeHost, startFakeHost } from "../../packages/host-agent/src/api/fake-host.ts";
import { type Certificate, TestAuthority } from "../assets/certificates.ts";

const spec = {
  id: "vm1",
  namespace: "ns1",
  kernel: { image: "registry.example/kernel:1" },
  rootVolume: { id: "root", source: { containerSource: "registry.example/os:1" } },
  interfaces: [{ deviceId: "eth1", type: NetworkInterface_IfaceType.TAP }],
};

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof PlatformError ? error.code : String(error);
}

async function list(host: FakeHost, tls?: ConnectTls): Promise<string> {
  using client = connect({ address: host.grpc, timeoutMs: 5_000, ...(tls === undefined ? {} : { tls }) });
  return await codeOf(client.microVms.listMicroVMs({}));
}

/** HTTP status, or the error's code. */
function httpsGet(host: FakeHost, options: object): Promise<number | string> {
  return new Promise((resolve) => {
    const request = get(`https://${host.http}/v1alpha1/microvm/ns1`, { ...options, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", (error) => resolve("code" in error ? String(error.code) : error.message));
  });
}

describe("TLS", { timeout: 60_000 }, () => {
  const authority = new TestAuthority();
  const stranger = new TestAuthority();
  let server: Certificate;
  let host: FakeHost;
  let mutual: FakeHost;
  before(async () => {
    server = authority.issue("server");
    host = await startFakeHost({ tls: server });
    mutual = await startFakeHost({ tls: { ...server, clientCaPath: authority.caPath } });
  });
  after(async () => {
    await host[Symbol.asyncDispose]();
    await mutual[Symbol.asyncDispose]();
    authority[Symbol.dispose]();
    stranger[Symbol.dispose]();
  });

  test("gRPC and HTTP answer over TLS", async () => {
    assert.equal(await list(host, { ca: authority.ca }), "undefined");
    assert.equal(await httpsGet(host, { ca: authority.ca }), 200);
  });

  test("TLS below 1.3 is refused on both", async () => {
    for (const address of [host.grpc, host.http]) {
      const [name = "", port] = address.split(":");
      const code = await new Promise<string>((resolve) => {
        const options = { host: name, port: Number(port), ca: authority.ca, maxVersion: "TLSv1.2" } as const;
        const socket = dialTls(options, () => resolve("connected"));
        socket.on("error", (error) => resolve("code" in error ? String(error.code) : error.message));
      });
      assert.match(code, /PROTOCOL_VERSION|ECONNRESET/);
    }
  });

  test("plain text to a TLS port fails, and the port goes on", async () => {
    assert.equal(await list(host), "UNAVAILABLE");
    const [name = "", port] = host.grpc.split(":");
    await new Promise<void>((resolve) => {
      const socket = dial(Number(port), name, () => socket.write("GET / HTTP/1.1\r\n\r\n"));
      socket.on("close", () => resolve());
      socket.on("error", () => undefined);
      socket.resume();
    });
    assert.equal(await list(host, { ca: authority.ca }), "undefined");
  });

  test("a client that does not know the authority does not connect", async () => {
    assert.equal(await list(host, { ca: stranger.ca }), "UNAVAILABLE");
  });

  test("mutual TLS: own clients only, no expired ones, no others", async () => {
    const good = authority.issue("client");
    const expired = authority.issue("late", "expired");
    const foreign = stranger.issue("foreign");
    const ca = authority.ca;
    assert.equal(await list(mutual, { ca, cert: good.cert, key: good.key }), "undefined");
    assert.equal(await list(mutual, { ca }), "UNAVAILABLE");
    assert.equal(await list(mutual, { ca, cert: expired.cert, key: expired.key }), "UNAVAILABLE");
    assert.equal(await list(mutual, { ca, cert: foreign.cert, key: foreign.key }), "UNAVAILABLE");
    assert.equal(await httpsGet(mutual, { ca, cert: good.cert, key: good.key }), 200);
    assert.notEqual(await httpsGet(mutual, { ca }), 200);
    assert.notEqual(await httpsGet(mutual, { ca, cert: expired.cert, key: expired.key }), 200);
  });

  test("an expired certificate of the server is refused by the client", async () => {
    await using late = await startFakeHost({ tls: authority.issue("late-server", "expired") });
    assert.equal(await list(late, { ca: authority.ca }), "UNAVAILABLE");
  });

  test("a certificate that is not there is said by name", async () => {
    const missing = { certPath: "/nope.pem", keyPath: "/nope.key" };
    await assert.rejects(startFakeHost({ tls: missing }), /certificate (key )?file \/nope\.\w+ does not exist/);
  });
});

describe("load", { timeout: 60_000 }, () => {
  let host: FakeHost;
  let client: Connection;
  before(async () => {
    host = await startFakeHost({ reflection: true });
    client = connect({ address: host.grpc });
  });
  after(async () => {
    client.close();
    await host[Symbol.asyncDispose]();
  });

  test("200 creates at once, each twice, make 200 microVMs", async () => {
    const ids = Array.from({ length: 200 }, (_, index) => `vm-${index}`);
    const both = await Promise.all(
      [...ids, ...ids].map((id) => client.microVms.createMicroVM({ microvm: { ...spec, namespace: "many", id } })),
    );
    assert.equal(new Set(both.map(({ microvm }) => microvm?.spec?.uid)).size, 200);
    assert.equal((await client.microVms.listMicroVMs({ namespace: "many" })).microvm.length, 200);
  });

  test("a watcher that does not read is ended with WATCHER_TOO_SLOW and holds up nobody", async () => {
    const { microvm } = await client.microVms.createMicroVM({ microvm: { ...spec, id: "chatty" } });
    const record = host.application.records.get(microvm?.spec?.uid ?? "");
    assert.ok(record !== undefined);
    using slow = connect({ address: host.grpc });
    const messages = slow.host.watch({ snapshot: true })[Symbol.asyncIterator]();
    await messages.next();
    const message = "x".repeat(10_000);
    // More than the connection and the backlog can hold, in one turn: nobody can keep up with that.
    for (let version = 2; version < 6_000; version++) host.application.put({ ...record, version, message }, "Chatter");
    assert.equal((await client.health.check({})).status, 1);
    const drain = async (): Promise<void> => {
      for (;;) if ((await messages.next()).done === true) return;
    };
    assert.equal(await codeOf(drain()), "WATCHER_TOO_SLOW");
  });

  test("an import takes no more from the client than the store takes", async () => {
    const { promise, resolve: release } = Promise.withResolvers<void>();
    host.images.holdImport = promise;
    let sent = 0;
    const chunk = new Uint8Array(262_144);
    async function* chunks(): AsyncGenerator<{ reference?: string; data?: Uint8Array }> {
      yield { reference: "big:1" };
      for (; sent < 400; sent++) yield { data: chunk };
    }
    const importing = client.images.importImage(chunks());
    // As many round trips as a sender without brakes would need to send it all.
    for (let turn = 0; turn < 200; turn++) await client.health.check({});
    assert.ok(sent < 100, `${sent} of 400 chunks were taken while the store took none`);
    release();
    assert.equal((await importing).images[0]?.sizeBytes, BigInt(400 * chunk.length));
  });

  test("a client that goes away in the middle of an import ends it", async () => {
    host.images.holdImport = undefined;
    using going = connect({ address: host.grpc });
    const leaving = new AbortController();
    async function* endless(): AsyncGenerator<{ data: Uint8Array }> {
      for (let index = 0; ; index++) {
        if (index === 5) leaving.abort();
        yield { data: new Uint8Array(1_024) };
      }
    }
    assert.equal(await codeOf(going.images.importImage(endless(), { signal: leaving.signal })), "CANCELLED");
    assert.equal((await client.health.check({})).status, 1);
  });

  test("reflection lists the services and describes them, in both versions", async () => {
    const raw = new Client(host.grpc, credentials.createInsecure());
    const defaults = { timeoutMs: 5_000, closed: new AbortController().signal };
    for (const reflection of [
      serviceClient(raw, ServerReflection, defaults),
      serviceClient(raw, ServerReflectionAlpha, defaults),
    ]) {
      async function* questions(): AsyncGenerator<{
        messageRequest: { case: "listServices" | "fileContainingSymbol" | "fileByFilename"; value: string };
      }> {
        yield { messageRequest: { case: "listServices", value: "" } };
        yield { messageRequest: { case: "fileContainingSymbol", value: "microvm.services.api.v1alpha1.MicroVM" } };
        yield { messageRequest: { case: "fileByFilename", value: "nope.proto" } };
      }
      const answers: unknown[] = [];
      for await (const { messageResponse } of reflection.serverReflectionInfo(questions())) {
        if (messageResponse.case === "listServicesResponse") {
          answers.push(
            messageResponse.value.service.some(({ name }) => name === "microvm.services.api.v1alpha1.MicroVM"),
          );
        }
        if (messageResponse.case === "fileDescriptorResponse") {
          const [file = new Uint8Array()] = messageResponse.value.fileDescriptorProto;
          answers.push(Buffer.from(file).includes("services/microvm/v1alpha1/microvms.proto"));
        }
        if (messageResponse.case === "errorResponse") answers.push(messageResponse.value.errorCode);
      }
      assert.deepEqual(answers, [true, true, 5]);
    }
    raw.close();
  });

  test("noise on the port harms nobody", async () => {
    const [name = "", port] = host.grpc.split(":");
    for (const noise of [
      Buffer.alloc(1_000, 0xff),
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff", "latin1"),
    ]) {
      await new Promise<void>((resolve) => {
        const socket = dial(Number(port), name, () => socket.end(noise));
        socket.on("close", () => resolve());
        socket.on("error", () => undefined);
        socket.resume();
      });
    }
    assert.equal((await client.health.check({})).status, 1);
  });
});

test("without the flag there is no reflection", async () => {
  await using host = await startFakeHost();
  const raw = new Client(host.grpc, credentials.createInsecure());
  const reflection = serviceClient(raw, ServerReflection, { timeoutMs: 5_000, closed: new AbortController().signal });
  async function* question(): AsyncGenerator<{ messageRequest: { case: "listServices"; value: string } }> {
    yield { messageRequest: { case: "listServices", value: "" } };
  }
  assert.equal(
    await codeOf(reflection.serverReflectionInfo(question())[Symbol.asyncIterator]().next()),
    "CAPABILITY_MISSING",
  );
  raw.close();
});
