/** The gRPC API over a real connection, in front of a fake application: upstream's error rows, idempotency, verbs, watch, console, logs, images. */
import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  errorCodeKey,
  MicroVMStatus_MicroVMState,
  NetworkInterface_IfaceType,
  WatchResponse_Type,
} from "@liquidmetal/api";
import { type Connection, connect } from "@liquidmetal/api/client";
import { PlatformError } from "@liquidmetal/foundation";
import { type FakeHost, startFakeHost } from "./fake-host.ts";

const spec = {
  id: "vm1",
  namespace: "ns1",
  kernel: { image: "registry.example/kernel:1", filename: "boot/vmlinux" },
  rootVolume: { id: "root", source: { containerSource: "registry.example/os:1" } },
  interfaces: [{ deviceId: "eth1", type: NetworkInterface_IfaceType.TAP }],
};

/** A number that a client of another version may send. */
function asType(number: number): NetworkInterface_IfaceType {
  return number;
}

async function failure(work: Promise<unknown>): Promise<PlatformError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof PlatformError, `expected a failure, got ${String(error)}`);
  return error;
}

async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

describe("gRPC", { timeout: 20_000 }, () => {
  let host: FakeHost;
  let client: Connection;
  before(async () => {
    host = await startFakeHost();
    client = connect({ address: host.grpc, timeoutMs: 5_000 });
  });
  after(async () => {
    client.close();
    await host[Symbol.asyncDispose]();
  });

  test("create answers PENDING with a uid, provider, labels and timestamps", async () => {
    const { microvm } = await client.microVms.createMicroVM({ microvm: { ...spec, id: "fresh", labels: { a: "b" } } });
    assert.equal(microvm?.status?.state, MicroVMStatus_MicroVMState.PENDING);
    assert.match(microvm?.spec?.uid ?? "", /^[0-9A-Z]{26}$/);
    assert.equal(microvm?.spec?.provider, "fake");
    assert.deepEqual(microvm?.spec?.labels, { a: "b" });
    assert.ok((microvm?.spec?.createdAt?.seconds ?? 0n) > 0n);
    assert.equal(microvm?.version, 1);
  });

  test("create twice with the same spec is one microVM; with another it is ALREADY_EXISTS", async () => {
    const first = await client.microVms.createMicroVM({ microvm: { ...spec, id: "twice" } });
    const second = await client.microVms.createMicroVM({ microvm: { ...spec, id: "twice" } });
    assert.equal(second.microvm?.spec?.uid, first.microvm?.spec?.uid);
    const error = await failure(client.microVms.createMicroVM({ microvm: { ...spec, id: "twice", vcpu: 3 } }));
    assert.equal(error.code, "MICROVM_EXISTS");
    assert.equal(error.details["grpcStatus"], 6);
  });

  const rows: readonly [string, () => Promise<unknown>, number, RegExp][] = [
    [
      "create without a spec",
      () => client.microVms.createMicroVM({}),
      3,
      /invalid create microvm request: MicroVMSpec required/,
    ],
    [
      "create with an empty id",
      () => client.microVms.createMicroVM({ microvm: { ...spec, id: "" } }),
      3,
      /id: name is required/,
    ],
    ["get with an empty uid", () => client.microVms.getMicroVM({ uid: "" }), 3, /invalid request/],
    ["delete with an empty uid", () => client.microVms.deleteMicroVM({ uid: "" }), 3, /invalid request/],
    [
      "validation",
      () => client.microVms.createMicroVM({ microvm: { ...spec, vcpu: 65 } }),
      3,
      /validation failures found.*\nvcpu: /,
    ],
    [
      "no kernel",
      () => client.microVms.createMicroVM({ microvm: { id: "x", rootVolume: spec.rootVolume } }),
      3,
      /kernel: is required/,
    ],
    [
      "unknown provider",
      () => client.microVms.createMicroVM({ microvm: { ...spec, id: "p", provider: "x" } }),
      3,
      /microvm provider x isn't available/,
    ],
    [
      "interface type 7",
      () =>
        client.microVms.createMicroVM({ microvm: { ...spec, interfaces: [{ deviceId: "eth1", type: asType(7) }] } }),
      3,
      /interfaces\[0\]\.type/,
    ],
    [
      "bad metadata",
      () => client.microVms.createMicroVM({ microvm: { ...spec, metadata: { "meta-data": "%%%" } } }),
      3,
      /meta-data.*base64/,
    ],
    ["get of an unknown uid", () => client.microVms.getMicroVM({ uid: "01NOPE" }), 5, /not found/],
  ];
  for (const [name, work, status, text] of rows) {
    test(`${name} fails with status ${status}`, async () => {
      const error = await failure(work());
      assert.equal(error.details["grpcStatus"], status);
      assert.match(error.message, text);
    });
  }

  test("an error carries the catalogue's code and remedy, and the text has both for clients that know nothing else", async () => {
    const raw = new Client(host.grpc, credentials.createInsecure());
    const error = await new Promise<ServiceError | null>((resolve) => {
      const path = "/microvm.services.api.v1alpha1.MicroVM/GetMicroVM";
      const uid = Buffer.from([0x0a, 0x01, 0x78]);
      raw.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        uid,
        new Metadata(),
        {},
        (reason) => resolve(reason),
      );
    });
    raw.close();
    assert.equal(error?.metadata.get(errorCodeKey)[0], "MICROVM_NOT_FOUND");
    assert.match(error?.details ?? "", /not found \(hint: .*lm vm list/);
    const typed = await failure(client.microVms.getMicroVM({ uid: "x" }));
    assert.equal(typed.message, "microvm x not found");
    assert.match(typed.remedy, /lm vm list/);
  });

  test("unknown fields of a newer client are skipped", async () => {
    const raw = new Client(host.grpc, credentials.createInsecure());
    const response = await new Promise<Buffer | undefined>((resolve, reject) => {
      // Field 1 = "ns-none", field 2047 = varint 5, field 900 = a string.
      const request = Buffer.concat([
        Buffer.from([0x0a, 0x07]),
        Buffer.from("ns-none"),
        Buffer.from([0xf8, 0x7f, 0x05]),
        Buffer.from([0xa2, 0x38, 0x02, 0x68, 0x69]),
      ]);
      const path = "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMs";
      raw.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        request,
        (error, value) => (error === null ? resolve(value) : reject(error)),
      );
    });
    raw.close();
    assert.equal(response?.length, 0);
  });

  test("malformed protobuf fails and harms nobody", async () => {
    const raw = new Client(host.grpc, credentials.createInsecure());
    const error = await new Promise<ServiceError | null>((resolve) => {
      const path = "/microvm.services.api.v1alpha1.MicroVM/CreateMicroVM";
      raw.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        Buffer.from([0x0a, 0xff, 0xff]),
        (reason) => resolve(reason),
      );
    });
    raw.close();
    assert.ok(error !== null && error.code !== 0);
    assert.equal((await client.microVms.listMicroVMs({ namespace: "nobody" })).microvm.length, 0);
  });

  test("a message above the limit is refused with RESOURCE_EXHAUSTED", async () => {
    const metadata = { "user-data": "A".repeat(17 * 1_048_576) };
    const error = await failure(client.microVms.createMicroVM({ microvm: { ...spec, metadata } }));
    assert.equal(error.details["grpcStatus"], 8);
  });

  test("10 MB of metadata is refused by name, not by a broken connection", async () => {
    const metadata = { "user-data": "A".repeat(10 * 1_048_576) };
    const error = await failure(client.microVms.createMicroVM({ microvm: { ...spec, metadata } }));
    assert.equal(error.code, "SPEC_INVALID");
    assert.match(error.message, /metadata: must decode to at most 1048576 bytes/);
  });

  test("delete is Empty, also for what is gone", async () => {
    const { microvm } = await client.microVms.createMicroVM({ microvm: { ...spec, id: "gone" } });
    const uid = microvm?.spec?.uid ?? "";
    await client.microVms.deleteMicroVM({ uid });
    await client.microVms.deleteMicroVM({ uid });
    assert.equal((await failure(client.microVms.getMicroVM({ uid }))).code, "MICROVM_NOT_FOUND");
  });

  test("lists are sorted, filtered by namespace and name; the stream wants a namespace and honours the name", async () => {
    for (const id of ["b", "a", "c"])
      await client.microVms.createMicroVM({ microvm: { ...spec, namespace: "sorted", id } });
    const all = await client.microVms.listMicroVMs({ namespace: "sorted" });
    assert.deepEqual(
      all.microvm.map((vm) => vm.spec?.id),
      ["a", "b", "c"],
    );
    const one = await client.microVms.listMicroVMs({ namespace: "sorted", name: "b" });
    assert.equal(one.microvm.length, 1);
    const streamed = await collect(client.microVms.listMicroVMsStream({ namespace: "sorted", name: "c" }));
    assert.deepEqual(
      streamed.map((message) => message.microvm?.spec?.id),
      ["c"],
    );
    const error = await failure(collect(client.microVms.listMicroVMsStream({ namespace: "" })));
    assert.match(error.message, /invalid request/);
    assert.equal(error.details["grpcStatus"], 3);
  });

  test("ServerInfo announces at least 0.15.2", async () => {
    const { version } = await client.microVms.serverInfo({});
    assert.match(version, /^v0\.1[6-9]\.[0-9]+\+liquidmetal\.0\.1\.0$/);
  });

  test("an unexpected failure is INTERNAL without its text, and the server goes on", async () => {
    host.application.defect = new Error("secret words");
    const error = await failure(client.microVms.getMicroVM({ uid: "x" }));
    host.application.defect = undefined;
    assert.equal(error.code, "INTERNAL");
    assert.doesNotMatch(error.message, /secret/);
  });

  test("health: check, unknown service, watch", async () => {
    assert.equal((await client.health.check({ service: "" })).status, 1);
    assert.equal((await client.health.check({ service: "nope" })).status, 3);
    const watching = new AbortController();
    for await (const { status } of client.health.watch({ service: "" }, { signal: watching.signal })) {
      assert.equal(status, 1);
      break;
    }
  });

  test("host facts and verbs", async () => {
    assert.equal((await client.host.getHost({})).defaultProvider, "fake");
    const { microvm } = await client.microVms.createMicroVM({ microvm: { ...spec, id: "verbs" } });
    const uid = microvm?.spec?.uid ?? "";
    assert.equal((await client.host.stopMicroVM({ uid, force: true })).microvm?.status?.desiredState, "stopped");
    assert.equal((await client.host.startMicroVM({ uid })).microvm?.status?.phase, "running");
    assert.equal((await client.host.pauseMicroVM({ uid })).microvm?.status?.phase, "paused");
    assert.equal((await client.host.resumeMicroVM({ uid })).microvm?.status?.state, MicroVMStatus_MicroVMState.CREATED);
    await client.host.rebootMicroVM({ uid });
    const { events } = await client.host.listEvents({ uid, limit: 2 });
    assert.deepEqual(
      events.map((event) => event.reason),
      ["Accepted", "Asked:stopped"],
    );
    assert.equal((await failure(client.host.startMicroVM({ uid: "nope" }))).code, "MICROVM_NOT_FOUND");
  });

  test("watch: snapshot, synced, changes, then resume without a gap", async () => {
    const { microvm } = await client.microVms.createMicroVM({ microvm: { ...spec, namespace: "watched", id: "w" } });
    const uid = microvm?.spec?.uid ?? "";
    const seen: WatchResponse_Type[] = [];
    let position = 0n;
    for await (const message of client.host.watch({ uid, snapshot: true })) {
      seen.push(message.type);
      position = message.position;
      if (message.type === WatchResponse_Type.SYNCED) void client.host.startMicroVM({ uid });
      if (message.type === WatchResponse_Type.CHANGED) break;
    }
    assert.deepEqual(seen, [WatchResponse_Type.SNAPSHOT, WatchResponse_Type.SYNCED, WatchResponse_Type.CHANGED]);
    await client.host.pauseMicroVM({ uid });
    await client.microVms.deleteMicroVM({ uid });
    const missed: string[] = [];
    for await (const { event } of client.host.watch({ uid, afterPosition: position })) {
      missed.push(event?.reason ?? "");
      if (missed.length === 2) break;
    }
    assert.deepEqual(missed, ["Asked:paused", "Deleted"]);
  });

  test("watch from a position that is no longer kept is OUT_OF_RANGE", async () => {
    host.application.firstPosition = 5;
    const error = await failure(collect(client.host.watch({ afterPosition: 2n })));
    host.application.firstPosition = 1;
    assert.equal(error.code, "POSITION_EXPIRED");
    assert.equal(error.details["grpcStatus"], 11);
  });

  test("console echoes, and refuses what does not run", async () => {
    const { microvm } = await client.microVms.createMicroVM({ microvm: { ...spec, id: "console" } });
    const uid = microvm?.spec?.uid ?? "";
    const hello = Buffer.from("hello");
    async function* input(): AsyncGenerator<{ uid?: string; data?: Uint8Array }> {
      yield { uid };
      yield { data: hello };
    }
    assert.equal((await failure(collect(client.host.console(input())))).code, "PHASE_CONFLICT");
    await client.host.startMicroVM({ uid });
    for await (const { data } of client.host.console(input())) {
      assert.deepEqual(Buffer.from(data), hello);
      break;
    }
    async function* nobody(): AsyncGenerator<{ data: Uint8Array }> {
      yield { data: hello };
    }
    assert.equal((await failure(collect(client.host.console(nobody())))).code, "REQUEST_INVALID");
  });

  test("logs: tail over rotated files, then follow", async () => {
    const directory = await mkdtemp(join(tmpdir(), "lm-logs-"));
    const files = [join(directory, "console.log.1"), join(directory, "console.log")];
    await writeFile(files[0] ?? "", "one\ntwo\nthree\n");
    await writeFile(files[1] ?? "", "four\nfive\n");
    host.application.logs = { console: files, vmm: [] };
    const { microvm } = await client.microVms.createMicroVM({ microvm: { ...spec, id: "logs" } });
    const uid = microvm?.spec?.uid ?? "";
    const text = async (tailLines: number): Promise<string> => {
      const parts = await collect(client.host.logs({ uid, tailLines }));
      return Buffer.concat(parts.map(({ data }) => data)).toString();
    };
    assert.equal(await text(0), "one\ntwo\nthree\nfour\nfive\n");
    assert.equal(await text(3), "three\nfour\nfive\n");
    assert.equal(await text(1), "five\n");
    let followed = "";
    for await (const { data } of client.host.logs({ uid, tailLines: 1, follow: true })) {
      followed += Buffer.from(data).toString();
      if (followed === "five\n") void appendFile(files[1] ?? "", "six\n");
      if (followed.endsWith("six\n")) await client.microVms.deleteMicroVM({ uid });
    }
    assert.equal(followed, "five\nsix\n");
    await rm(directory, { recursive: true });
  });

  test("images: pull with progress, list, inspect, import with backpressure, remove", async () => {
    const progress = await collect(client.images.pullImage({ reference: "registry.example/os:1" }));
    assert.equal(progress.at(-1)?.image?.reference, "registry.example/os:1");
    assert.ok(progress.length >= 2);
    assert.equal((await client.images.listImages({})).images.length, 1);
    assert.equal((await failure(client.images.inspectImage({ reference: "nope:1" }))).code, "IMAGE_NOT_FOUND");
    assert.equal((await failure(client.images.inspectImage({ reference: "no pe" }))).code, "IMAGE_REFERENCE_INVALID");
    async function* chunks(): AsyncGenerator<{ reference?: string; data?: Uint8Array }> {
      yield { reference: "imported:1" };
      for (let index = 0; index < 8; index++) yield { data: new Uint8Array(100_000) };
    }
    const { images } = await client.images.importImage(chunks());
    assert.equal(images[0]?.sizeBytes, 800_000n);
    await client.images.removeImage({ reference: "imported:1" });
  });

  test("a client that goes away ends its watch on the server", async () => {
    const going = connect({ address: host.grpc });
    const watching = collect(going.host.watch({ snapshot: true })).catch(() => undefined);
    await host.application.watched(1);
    going.close();
    await host.application.watched(0);
    void watching;
  });
});

test("a Unix socket is served with mode 0600 and without TLS, and is gone after stop", async () => {
  const directory = await mkdtemp(join(tmpdir(), "lm-sock-"));
  const path = join(directory, "a.sock");
  const host = await startFakeHost({ grpc: [{ kind: "unix", path }] });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  using client = connect({ address: `unix:${path}` });
  assert.equal((await client.health.check({})).status, 1);
  await assert.rejects(startFakeHost({ grpc: [{ kind: "unix", path }] }), /another server listens/);
  await host.servers.stop();
  await assert.rejects(stat(path), /ENOENT/);
  await rm(directory, { recursive: true });
});

test("stop ends open streams with UNAVAILABLE, within its deadline", async () => {
  const host = await startFakeHost();
  using client = connect({ address: host.grpc });
  const watching = failure(collect(client.host.watch({})));
  await host.application.watched(1);
  await host.servers.stop();
  assert.equal((await watching).code, "UNAVAILABLE");
});

test("a call that was given up before it began, and one that is given up at a deadline, say so", async () => {
  await using host = await startFakeHost();
  using client = connect({ address: host.grpc });
  const error = await failure(client.microVms.listMicroVMs({}, { signal: AbortSignal.abort() }));
  assert.equal(error.code, "CANCELLED");
  const watching = collect(client.host.watch({}, { signal: AbortSignal.timeout(50) }));
  assert.equal((await failure(watching)).code, "DEADLINE_EXCEEDED");
  const nobody = connect({ address: "127.0.0.1:1", timeoutMs: 2_000 });
  assert.equal((await failure(nobody.microVms.listMicroVMs({}))).code, "UNAVAILABLE");
  nobody.close();
});

test("plain text on an address that others can reach is refused", async () => {
  const grpc = [{ kind: "tcp", host: "0.0.0.0", port: 0, loopback: false }] as const;
  await assert.rejects(startFakeHost({ grpc }), /certificate file path is required when running securely/);
  const host = await startFakeHost({ grpc, insecure: true });
  await host.servers.stop();
});
