/**
 * What every flintlockd of ours must do as its clients see it, real or fake. `open` gives a fresh one with a token; the suite closes it.
 *
 * The fake stands for the real one in all tests of clients: whatever those rely on belongs in here.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type flintlock,
  type MicroVMSpecSchema,
  MicroVMStatus_MicroVMState as State,
  WatchResponse_Type as Type,
  type WatchResponse,
} from "@liquidmetal/api";
import type { Connection } from "@liquidmetal/api/client";
import { PlatformError } from "@liquidmetal/foundation";
import { Microvms } from "../e2e/world/microvms.ts";
import { type ReadWatch, watching } from "./flintlockd-watching.ts";

export interface FlintlockdSubject extends AsyncDisposable {
  /** Images that can be had. */
  readonly kernel: { readonly image: string; readonly filename: string };
  readonly root: string;
  /** With the right token, or with another (empty = none). */
  connect(token?: string): Connection;
  /** The VMM of this microVM dies by itself. */
  kill(uid: string): Promise<void>;
  /** The daemon ends and is started again with the state it had. Connections are gone. */
  restart(): Promise<void>;
}

type Spec = Exclude<MessageInitShape<typeof MicroVMSpecSchema>, { readonly $typeName: string }>;

export function flintlockdSuite(name: string, open: () => Promise<FlintlockdSubject>): void {
  describe(`flintlockd conformance: ${name}`, { timeout: 240_000 }, () => {
    let subject: FlintlockdSubject;
    let client: Connection;
    let vms: Microvms;
    let subnet = "10.90.0.";

    before(async () => {
      subject = await open();
      client = subject.connect();
      vms = new Microvms(client);
      const host = await client.host.getHost({});
      subnet = /^\d+\.\d+\.\d+\./.exec(host.subnet)?.[0] ?? subnet;
    });
    after(async () => {
      client?.close();
      await subject?.[Symbol.asyncDispose]();
    });

    afterEach(async () => {
      const { microvm } = await client.microVms.listMicroVMs({});
      await Promise.all(microvm.map((one) => vms.delete(one.spec?.uid ?? "")));
    });

    const spec = (id: string, more: Spec = {}): Spec => ({
      id,
      namespace: "team-a",
      labels: { owner: "suite" },
      vcpu: 1,
      memoryInMb: 64,
      kernel: { ...subject.kernel, cmdline: { quiet: "" }, addNetworkConfig: true },
      rootVolume: { id: "root", source: { containerSource: subject.root } },
      interfaces: [{ deviceId: "eth1", type: 1 }],
      metadata: { "meta-data": Buffer.from(`local_hostname: ${id}\n`).toString("base64") },
      ...more,
    });
    const create = async (id: string, more: Spec = {}): Promise<string> => await vms.create(spec(id, more));

    it("answers a create with PENDING and all that was asked for, and then runs it until it is ready", async () => {
      const interfaces = [
        { deviceId: "eth1", type: 1, guestMac: "02:00:00:00:00:77", address: { address: `${subnet}77/24` } },
      ];
      const { microvm } = await client.microVms.createMicroVM({ microvm: spec("life", { interfaces }) });
      assert.equal(microvm?.status?.state, State.PENDING);
      assert.equal(microvm.status.phase, "pending");
      assert.equal(microvm.spec?.id, "life");
      assert.deepEqual(microvm.spec.labels, { owner: "suite" });
      assert.match(microvm.spec.uid ?? "", /^[0-9A-HJKMNP-TV-Z]{26}$/);
      assert.equal(microvm.spec.provider, "fake");
      assert.ok((microvm.spec.createdAt?.seconds ?? 0n) > 0n);
      assert.equal(
        Buffer.from(microvm.spec.metadata["meta-data"] ?? "", "base64").toString(),
        "local_hostname: life\n",
      );
      const { status } = await vms.ready(microvm.spec.uid ?? "");
      assert.equal(status.state, State.CREATED);
      assert.equal(status.boots, 1);
      assert.equal(status.desiredState, "running");
      assert.deepEqual(status.addresses, [`${subnet}77`]);
      assert.equal(status.networkInterfaces["eth1"]?.guestMac, "02:00:00:00:00:77");
      assert.deepEqual([status.reason, status.message], ["", ""]);
    });

    it("gives the same microVM for the same request again, and a conflict that names the field for another", async () => {
      const uid = await create("twice");
      assert.equal(await create("twice"), uid);
      const both = await Promise.all([create("race"), create("race")]);
      assert.equal(both[0], both[1]);
      const error = await failure(create("twice", { vcpu: 2 }));
      assert.equal(error.code, "MICROVM_EXISTS");
      assert.equal(error.details["grpcStatus"], 6);
      assert.match(error.message, /team-a\/twice exists already and differs in vcpu/);
      assert.notEqual(await create("twice", { namespace: "team-b" }), uid, "another namespace is another microVM");
    });

    it("says not found for what is not there, and deletes it all the same", async () => {
      const unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
      const error = await failure(client.microVms.getMicroVM({ uid: unknown }));
      assert.equal(error.code, "MICROVM_NOT_FOUND");
      assert.match(error.message, /not found/);
      await client.microVms.deleteMicroVM({ uid: unknown });
      for (const call of [client.microVms.getMicroVM, client.microVms.deleteMicroVM]) {
        assert.match((await failure(call({ uid: "" }))).message, /^invalid request/);
      }
    });

    it("lists by namespace and name, all for the empty namespace, sorted", async () => {
      await create("list-b");
      await create("list-a");
      await create("list-a", { namespace: "team-z" });
      const names = async (filter: { namespace?: string; name?: string }): Promise<readonly string[]> => {
        const { microvm } = await client.microVms.listMicroVMs(filter);
        return microvm.map((one) => `${one.spec?.namespace}/${one.spec?.id}`).filter((one) => one.includes("list-"));
      };
      assert.deepEqual(await names({ namespace: "team-a" }), ["team-a/list-a", "team-a/list-b"]);
      assert.deepEqual(await names({}), ["team-a/list-a", "team-a/list-b", "team-z/list-a"]);
      assert.deepEqual(await names({ namespace: "team-z", name: "list-a" }), ["team-z/list-a"]);
      assert.deepEqual(await names({ name: "list-a" }), ["team-a/list-a", "team-z/list-a"]);
      assert.deepEqual(await names({ namespace: "nobody" }), []);
      const streamed = await collect(client.microVms.listMicroVMsStream({ namespace: "team-z" }));
      assert.deepEqual(
        streamed.map(({ microvm }) => microvm?.spec?.id),
        ["list-a"],
      );
      assert.match((await failure(collect(client.microVms.listMicroVMsStream({})))).message, /^invalid request/);
    });

    it("refuses what breaks a rule, every violation in one answer, and makes nothing", async () => {
      const rows: readonly [Spec, string, RegExp][] = [
        [{ vcpu: 65, kernel: { image: "" } }, "SPEC_INVALID", /validation failures found.*\nvcpu: .*\nkernel: /s],
        [{ interfaces: [{ deviceId: "eth/1", type: 1 }] }, "SPEC_INVALID", /interfaces\[0\]/],
        [{ metadata: { "user-data": "%%%" } }, "SPEC_INVALID", /user-data.*base64/],
        [{ metadata: { "meta-data": Buffer.from("- a\n- list").toString("base64") } }, "METADATA_INVALID", /meta-data/],
        [
          { provider: "firecracker" },
          "PROVIDER_UNKNOWN",
          /microvm provider firecracker isn't available; this host has: /,
        ],
        [{ id: "" }, "SPEC_INVALID", /id: name is required/],
      ];
      for (const [change, code, text] of rows) {
        const error = await failure(create("refused", change));
        assert.equal(error.code, code, error.message);
        assert.match(error.message, text);
      }
      assert.match((await failure(client.microVms.createMicroVM({}))).message, /MicroVMSpec required/);
      assert.deepEqual((await client.microVms.listMicroVMs({ namespace: "team-a", name: "refused" })).microvm, []);
    });

    it("refuses more than it has room for, and says how much there is", async () => {
      const { allocatable } = await client.host.getHost({});
      const memoryInMb = Math.min(16_777_216, Number((allocatable?.memoryBytes ?? 0n) / 1_048_576n) + 1);
      const error = await failure(create("too-big", { memoryInMb }));
      assert.equal(error.code, "CAPACITY_EXCEEDED");
      assert.equal(error.details["grpcStatus"], 8);
      assert.match(error.message, /^\d+ MiB of memory do not fit: \d+ of \d+ are free on this host$/);
    });

    it("accepts a microVM whose image it cannot get, and says so in its status", async () => {
      const uid = await create("no-image", {
        rootVolume: { id: "root", source: { containerSource: "127.0.0.1:1/nowhere:1" } },
      });
      const { status } = await vms.until(uid, "it has a reason", ({ reason }) => reason !== "");
      assert.match(status.reason, /^Image/);
      assert.match(status.message, /127\.0\.0\.1:1/);
      assert.ok(status.state === State.PENDING || status.state === State.FAILED);
      await vms.delete(uid);
    });

    it("tells facts of the host: who it is, what it can do, what is promised", async () => {
      const before = await client.host.getHost({});
      const uid = await create("counted", { vcpu: 2, memoryInMb: 128 });
      const during = await client.host.getHost({});
      assert.equal((during.allocated?.vcpu ?? 0) - (before.allocated?.vcpu ?? 0), 2);
      assert.equal((during.allocated?.memoryBytes ?? 0n) - (before.allocated?.memoryBytes ?? 0n), 134_217_728n);
      assert.equal(during.microvms - before.microvms, 1);
      assert.ok(during.lastPosition > before.lastPosition);
      assert.match(during.platform, /^linux\//);
      assert.equal(during.defaultProvider, "fake");
      const fake = during.hypervisors.find((hypervisor) => hypervisor.name === "fake");
      assert.ok(fake?.capabilities.includes("interface:tap"));
      assert.equal(fake?.unavailableReason, "");
      await vms.delete(uid);
      assert.equal((await client.host.getHost({})).allocated?.vcpu, before.allocated?.vcpu);
      assert.match((await client.microVms.serverInfo({})).version, /^v0\.\d+\.\d+/);
    });

    it("watches: first what is there, then that this was all, then every change in order", async () => {
      const there = await create("watched");
      await vms.ready(there);
      const messages = watching(client, { snapshot: true });
      const snapshot = await messages.until((all) => all.some(({ type }) => type === Type.SYNCED));
      assert.ok(snapshot.some(({ type, microvm }) => type === Type.SNAPSHOT && microvm?.spec?.uid === there));
      assert.ok(snapshot.slice(0, -1).every(({ type }) => type === Type.SNAPSHOT));
      const uid = await create("watched-later");
      const alive = await messages.until((all) => all.some(of(uid, ({ status }) => status?.ready === true)));
      const later = alive.slice(snapshot.length);
      assert.ok(later.every(({ type }) => type === Type.CHANGED));
      assert.equal(later.find(of(uid))?.event?.reason, "Accepted");
      await client.microVms.deleteMicroVM({ uid });
      const all = await messages.until((seen) =>
        seen.some((one) => one.type === Type.DELETED && one.microvm?.spec?.uid === uid),
      );
      const positions = all.map(({ position }) => position);
      assert.deepEqual(
        positions,
        positions.toSorted((a, b) => Number(a - b)),
        "positions never go back",
      );
      assert.ok(all.some(of(uid, ({ status }) => status?.state === State.DELETING)));
      await messages.end();
    });

    it("watches one namespace or one microVM where that is asked for", async () => {
      const uid = await create("only", { namespace: "team-w" });
      await create("not-this", { namespace: "team-v" });
      for (const filter of [{ namespace: "team-w" }, { uid }]) {
        const messages = watching(client, { snapshot: true, ...filter });
        const seen = await messages.until((all) => all.some(({ type }) => type === Type.SYNCED));
        assert.deepEqual(
          seen.flatMap(({ microvm }) => microvm?.spec?.uid ?? []),
          [uid],
        );
        await messages.end();
      }
    });

    it("resumes a watch from a position: what was missed comes first, deletions by name", async () => {
      const stays = await create("stays");
      const goes = await create("goes");
      await Promise.all([stays, goes].map((uid) => vms.ready(uid)));
      const { lastPosition } = await client.host.getHost({});
      await vms.delete(goes);
      const fresh = await create("fresh");
      const messages = watching(client, { afterPosition: lastPosition });
      const seen = await messages.until((all) => all.some(of(fresh, ({ status }) => status?.ready === true)));
      assert.ok(seen.every(({ position }) => position > lastPosition));
      const gone = seen.filter(({ type }) => type === Type.DELETED);
      assert.ok(gone.length > 0 && gone.every(({ event }) => event?.uid === goes && event.name === "goes"));
      assert.equal(seen.some(of(stays)), false);
      await messages.end();
    });

    it("says that a position is not kept when it is from the future", async () => {
      const error = await failure(collect(client.host.watch({ afterPosition: 1_000_000_000n }, { timeoutMs: 10_000 })));
      assert.equal(error.code, "POSITION_EXPIRED");
      assert.equal(error.details["grpcStatus"], 11);
    });

    it("tells within a second that a VMM died, how, and that the guest is not ready any more", async () => {
      const labels = { "liquidmetal.dev/restart-policy": "never" };
      const uid = await create("dies", { labels });
      await vms.ready(uid);
      const messages: ReadWatch = watching(client, { uid, snapshot: true });
      await messages.until((all) => all.some(({ type }) => type === Type.SYNCED));
      const killedAt = performance.now();
      await subject.kill(uid);
      const seen = await messages.until((all) => all.some(of(uid, ({ status }) => status?.reason === "VmmCrashed")));
      assert.ok(performance.now() - killedAt < 1_000, `${performance.now() - killedAt} ms`);
      const { status } = seen.find(of(uid, ({ status: one }) => one?.reason === "VmmCrashed"))?.microvm ?? {};
      assert.equal(status?.state, State.FAILED);
      assert.equal(status.phase, "failed");
      assert.equal(status.ready, false);
      assert.equal(status.lastExit?.cause, "crashed");
      assert.equal(status.desiredState, "stopped");
      await messages.end();
    });

    it("stops and starts at the user's word", async () => {
      const uid = await create("stopped");
      await vms.ready(uid);
      await client.host.stopMicroVM({ uid, force: true });
      const stopped = await vms.until(uid, "it is stopped", ({ phase }) => phase === "stopped");
      assert.equal(stopped.status.state, State.CREATED);
      assert.equal(stopped.status.ready, false);
      await client.host.startMicroVM({ uid });
      assert.equal((await vms.ready(uid)).status.boots, 2);
    });

    it("lets nobody in without the token, whatever is asked, except to ask for its health", async () => {
      for (const [token, text] of [
        ["", /^could not extract token from request header: /],
        ["wrong", /^invalid auth token: /],
      ] as const) {
        using stranger = subject.connect(token);
        const calls = [
          stranger.microVms.listMicroVMs({}),
          stranger.host.getHost({}),
          collect(stranger.host.watch({ snapshot: true }, { timeoutMs: 10_000 })),
        ];
        for (const call of calls) {
          const error = await failure(call);
          assert.equal(error.code, "UNAUTHENTICATED");
          assert.equal(error.details["grpcStatus"], 16);
          assert.match(error.message, text);
        }
        assert.equal((await stranger.health.check({})).status, 1);
      }
    });

    it("comes back after a restart with its identity, its microVMs and its positions", async () => {
      const uid = await create("survivor");
      await vms.ready(uid);
      const before = await client.host.getHost({});
      client.close();
      await subject.restart();
      client = subject.connect();
      vms = new Microvms(client);
      const now = await client.host.getHost({});
      assert.equal(now.hostId, before.hostId);
      assert.ok(now.lastPosition >= before.lastPosition);
      const { status } = await vms.ready(uid);
      assert.equal(status.boots, 1, "its guest was left alone");
      const messages = watching(client, { afterPosition: before.lastPosition });
      const fresh = await create("after-restart");
      await messages.until((all) => all.some(of(fresh)));
      await messages.end();
    });
  });
}

/** Whether a message is about this microVM. */
function of(
  uid: string,
  also: (microVm: flintlock.MicroVM) => boolean = () => true,
): (message: WatchResponse) => boolean {
  return ({ microvm }) => microvm?.spec?.uid === uid && also(microvm);
}

async function failure(work: Promise<unknown>): Promise<PlatformError> {
  const error: unknown = await work.then(
    (value) => new Error(`expected a failure, got ${String(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof PlatformError) return error;
  throw error;
}

async function collect<T extends object>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}
