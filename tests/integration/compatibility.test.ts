/**
 * Clients of upstream flintlock v0.11, as they are: the Cluster API provider, hammertime, fl, brigade, upstream's own e2e suite, and curl. They
 * speak to the real API over the real engine; only the host below it is a fake one.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { FakeImageStore } from "../../packages/host-agent/src/api/fake-image-store.ts";
import { type ApiServers, startApiServers } from "../../packages/host-agent/src/api/index.ts";
import { defaultAgentConfig } from "../../packages/host-agent/src/config/load.ts";
import { World } from "../../packages/host-agent/src/engine/fake-world/world.ts";
import { silentLogger } from "../../packages/host-agent/src/observability/logger.ts";
import { CallError, UpstreamClient, type UpstreamMicroVm, type UpstreamSpec } from "./compatibility-client.ts";

const token = "s3cret";
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const basic = `Basic ${base64(token)}`;
const ulid = /^[0-9A-HJKMNP-TV-Z]{26}$/;
const kernel = {
  image: "registry.example/flintlock-kernel:5.10.77",
  filename: "boot/vmlinux",
  add_network_config: true,
};
const rootVolume = { id: "root", source: { container_source: "registry.example/capmvm-k8s-os:1.23.5" } };
const minimal = { kernel, root_volume: rootVolume, interfaces: [{ device_id: "eth1", type: "TAP" }] } as const;

async function failure(work: Promise<unknown>): Promise<CallError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CallError, `expected a failure, got ${String(error)}`);
  return error;
}

describe("a client that knows only flintlock v0.11", { timeout: 30_000 }, () => {
  let world: World;
  let servers: ApiServers;
  const warned: object[] = [];
  let client: UpstreamClient;
  let grpc: string;
  let http: string;
  before(async () => {
    world = new World();
    const application = await world.start();
    const defaults = defaultAgentConfig();
    const local = { kind: "tcp", host: "127.0.0.1", port: 0, loopback: true } as const;
    const config = { ...defaults, api: { ...defaults.api, grpc: [local], http: local, token, stopTimeoutMs: 500 } };
    const log = { ...silentLogger, warn: (event: string, fields?: object) => void warned.push({ event, ...fields }) };
    servers = await startApiServers({ application, images: new FakeImageStore(), config, log });
    grpc = servers.addresses.grpc[0] ?? "";
    http = `http://${servers.addresses.http[0]}/v1alpha1/microvm`;
    client = new UpstreamClient(grpc, basic);
  });
  after(async () => {
    client[Symbol.dispose]();
    await servers.stop();
    await world.stop();
  });

  /** What every client of upstream does: asks until the state is there. */
  async function untilCreated(uid: string): Promise<UpstreamMicroVm> {
    for (let poll = 0; poll < 20; poll++) {
      const microvm = await client.get(uid);
      assert.notEqual(microvm.status.state, "FAILED");
      if (microvm.status.state === "CREATED") return microvm;
      await world.settle(100);
    }
    throw new Error(`${uid} was not CREATED in time`);
  }

  /** And until the error says so. */
  async function untilNotFound(uid: string): Promise<void> {
    for (let poll = 0; poll < 20; poll++) {
      const answer = await client.get(uid).catch((error: CallError) => error);
      if (answer instanceof CallError) {
        assert.match(answer.message, /not found/);
        return;
      }
      assert.equal(answer.status.state, "DELETING");
      await world.settle(100);
    }
    throw new Error(`${uid} was not gone in time`);
  }

  test("the Cluster API provider: empty optionals, Get until CREATED, one Delete, Get until 'not found'", async () => {
    const metadata = {
      "meta-data": base64("instance_id: default/node-0\nlocal_hostname: node-0\nplatform: liquid_metal\n"),
      "user-data": base64("#cloud-config\nhostname: node-0\n"),
      "vendor-data": base64("## template: jinja\n#cloud-config\n\nssh_pwauth: false\n"),
    };
    const created = await client.create({
      id: "node-0",
      namespace: "default",
      provider: "",
      labels: { "cluster-name": "mvm-test" },
      vcpu: 2,
      memory_in_mb: 2_048,
      kernel: { ...kernel, cmdline: { ro: "" } },
      root_volume: { ...rootVolume, is_read_only: false, mount_point: "", partition_id: "" },
      interfaces: [{ device_id: "eth1", type: "TAP", guest_mac: "", overrides: {} }],
      metadata,
    });
    assert.equal(created.status.state, "PENDING");
    assert.equal(created.version, 1);
    assert.match(created.spec.uid, ulid);
    const { spec, status } = await untilCreated(created.spec.uid);
    assert.deepEqual([spec.id, spec.namespace, spec.vcpu, spec.memory_in_mb], ["node-0", "default", 2, 2_048]);
    assert.deepEqual(spec.kernel, { ...kernel, cmdline: { ro: "" } });
    assert.deepEqual(spec.metadata, metadata);
    assert.equal(spec.interfaces?.[0]?.guest_mac, "");
    assert.equal(status.kernel_mount?.type, "HOSTPATH");
    assert.ok((status.volumes["root"]?.mount.source ?? "") !== "");
    const nic = status.network_interfaces["eth1"];
    assert.ok(nic !== undefined && nic.host_device_name !== "" && nic.index > 0);
    assert.match(nic.mac_address, /^[0-9A-F]{2}(:[0-9A-F]{2}){5}$/);
    await client.delete(created.spec.uid);
    await untilNotFound(created.spec.uid);
    assert.deepEqual(world.faults(), []);
  });

  test("hammertime: its default spec, get by name and namespace, delete, then get fails", async () => {
    const spec: UpstreamSpec = {
      id: "mvm0",
      namespace: "ht",
      vcpu: 2,
      memory_in_mb: 2_048,
      kernel,
      root_volume: { ...rootVolume, is_read_only: false },
      additional_volumes: [
        {
          id: "modules",
          is_read_only: false,
          source: { container_source: "registry.example/kernel-modules:5.10.77" },
          mount_point: "/lib/modules/5.10.77",
        },
      ],
      interfaces: [{ device_id: "eth1", type: 0 }],
      metadata: { "meta-data": base64("instance_id: ht/mvm0\n"), "user-data": base64("#cloud-config\n") },
    };
    // Its interface is of type 0, which is MACVTAP; a host without it says so, as upstream's default provider does.
    const refused = await failure(client.create(spec));
    assert.equal(refused.code, 9);
    assert.match(refused.message, /macvtap/);
    assert.deepEqual(await client.list("ht"), []);
    const { uid } = (await client.create({ ...spec, interfaces: [{ device_id: "eth1", type: 1 }] })).spec;
    await untilCreated(uid);
    const [found, ...others] = await client.list("ht", "mvm0");
    assert.deepEqual([found?.spec.uid, others.length], [uid, 0]);
    assert.equal(found?.spec.additional_volumes?.[0]?.mount_point, "/lib/modules/5.10.77");
    await client.delete(uid);
    await untilNotFound(uid);
    assert.deepEqual(await client.list("ht", "mvm0"), []);
  });

  test("fl: a made-up address and a label, then the namespace is listed", async () => {
    const { uid } = (
      await client.create({
        ...minimal,
        id: "fl-1",
        namespace: "fl",
        labels: { "created-with": "fl" },
        interfaces: [{ device_id: "eth1", type: "TAP", guest_mac: "6E:D8:2C:AA:01:FF" }],
      })
    ).spec;
    assert.ok((await client.list("")).some(({ spec }) => spec.uid === uid));
    const [only] = await client.list("fl");
    assert.equal(only?.spec.uid, uid);
    assert.deepEqual(only?.spec.labels, { "created-with": "fl" });
    assert.equal(only?.spec.interfaces?.[0]?.guest_mac?.toUpperCase(), "6E:D8:2C:AA:01:FF");
    assert.deepEqual(
      (await client.listStream("fl")).map(({ spec }) => spec.uid),
      [uid],
    );
  });

  test("brigade: Bearer, constraint labels, delete of what is gone is Empty, get of it is NOT_FOUND", async () => {
    using brigade = new UpstreamClient(grpc, `Bearer ${token}`);
    const { uid } = (
      await brigade.create({ ...minimal, id: "b-1", namespace: "b", labels: { "brigade.scheduling/zone": "one" } })
    ).spec;
    await untilCreated(uid);
    assert.deepEqual(await brigade.delete(uid), {});
    await untilNotFound(uid);
    assert.deepEqual(await brigade.delete(uid), {});
    assert.deepEqual(await brigade.delete("01ARZ3NDEKTSV4RRFFQ69G5FAV"), {});
    assert.equal((await failure(brigade.get(uid))).code, 5);
  });

  test("upstream's e2e suite: two microVMs, both listed in order and one by name, both deleted", async () => {
    const uids: string[] = [];
    for (const id of ["mvm0", "mvm1"]) uids.push((await client.create({ ...minimal, id, namespace: "ns0" })).spec.uid);
    for (const uid of uids) await untilCreated(uid);
    const states = (all: readonly UpstreamMicroVm[]) => all.map(({ spec, status }) => `${spec.id} ${status.state}`);
    assert.deepEqual(states(await client.list("ns0")), ["mvm0 CREATED", "mvm1 CREATED"]);
    assert.deepEqual(states(await client.list("ns0", "mvm1")), ["mvm1 CREATED"]);
    for (const uid of uids) await client.delete(uid);
    for (const uid of uids) await untilNotFound(uid);
    assert.deepEqual(await client.list("ns0"), []);
  });

  test("a spec of the fewest fields is completed; a client's uid and the request's metadata are not taken", async () => {
    const few = { ...minimal, id: "few", uid: "01ARZ3NDEKTSV4RRFFQ69G5FAV" };
    const { spec } = await client.create(few, { note: { type_url: "example.org/note", value: Buffer.from([1]) } });
    assert.deepEqual(spec.metadata, {});
    assert.deepEqual([spec.namespace, spec.vcpu, spec.memory_in_mb], ["default", 2, 1_024]);
    assert.notEqual(spec.uid, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert.match(spec.uid, ulid);
  });

  test("an image reference is cleaned, and a warning says so", async () => {
    const image = " registry.example/os:1\n";
    const dirty = { ...minimal, id: "dirty", root_volume: { id: "root", source: { container_source: image } } };
    const { spec } = await client.create(dirty);
    assert.equal(spec.root_volume?.source.container_source, "registry.example/os:1");
    assert.deepEqual(warned, [
      {
        event: "api.image_sanitised",
        field: "root_volume.source.container_source",
        originalImage: image,
        sanitizedImage: "registry.example/os:1",
      },
    ]);
  });

  test("what upstream refused by a code of its own keeps the code and the words", async () => {
    const rows: readonly [Promise<unknown>, RegExp][] = [
      [client.create(undefined), /invalid create microvm request: MicroVMSpec required/],
      [client.get(""), /invalid request/],
      [client.delete(""), /invalid request/],
      [client.listStream(""), /invalid request/],
    ];
    for (const [work, text] of rows) {
      const { code, message } = await failure(work);
      assert.equal(code, 3, message);
      assert.match(message, text);
    }
    assert.match((await failure(client.create({ ...minimal, id: "" }))).message, /name is required/);
    const invalid = await failure(client.create({ ...minimal, id: "x", vcpu: 65 }));
    assert.match(invalid.message, /validation failures found/);
    const unknown = await failure(client.create({ ...minimal, id: "x", provider: "xen" }));
    assert.match(unknown.message, /microvm provider xen isn't available/);
  });

  test("without the token every call is UNAUTHENTICATED, streams too", async () => {
    using stranger = new UpstreamClient(grpc);
    using mistaken = new UpstreamClient(grpc, `Basic ${token}`);
    for (const work of [stranger.list(""), stranger.get("x"), stranger.listStream("ns0"), mistaken.list("")]) {
      assert.equal((await failure(work)).code, 16);
    }
    assert.match((await failure(stranger.list(""))).message, /could not extract token from request header/);
    assert.match((await failure(mistaken.list(""))).message, /invalid auth token/);
  });

  test("curl at the gateway: create, list, delete, and 401 without the header", async () => {
    // `curl -d` says that its body is a form, whatever it is.
    const headers = { authorization: basic, "content-type": "application/x-www-form-urlencoded" };
    const body = JSON.stringify({ id: "curl", namespace: "web", ...minimal });
    const answer = async (path: string, init: RequestInit = {}): Promise<{ status: number; json: HttpAnswer }> => {
      const response = await fetch(`${http}${path}`, { headers, ...init });
      return { status: response.status, json: JSON.parse(await response.text()) as HttpAnswer };
    };
    const created = (await answer("", { method: "POST", body })).json.microvm;
    assert.ok(created !== undefined && !Array.isArray(created));
    const { uid } = created.spec;
    assert.match(uid, ulid);
    assert.deepEqual([created.status.state, created.spec.memoryInMb], ["PENDING", 1_024]);
    assert.equal(created.spec.rootVolume.source.containerSource, rootVolume.source.container_source);
    await untilCreated(uid);
    const listed = (await answer("/web")).json.microvm;
    assert.ok(Array.isArray(listed));
    assert.deepEqual(
      listed.map(({ status }) => status.state),
      ["CREATED"],
    );
    assert.deepEqual((await answer("/web?name=other")).json.microvm, []);
    assert.deepEqual(await answer(`/${uid}`, { method: "DELETE" }), { status: 200, json: {} });
    await untilNotFound(uid);
    const invalid = await answer("", { method: "POST", body: JSON.stringify({ ...minimal, id: "x", vcpu: 65 }) });
    assert.deepEqual([invalid.status, invalid.json.code, invalid.json.details], [400, 3, []]);
    assert.equal((await fetch(`${http}/web`)).status, 401);
  });
});

/** What is looked at in the gateway's answers. */
interface HttpMicroVm {
  readonly spec: {
    readonly uid: string;
    readonly memoryInMb: number;
    readonly rootVolume: { readonly source: { readonly containerSource: string } };
  };
  readonly status: { readonly state: string };
}

interface HttpAnswer {
  readonly microvm?: HttpMicroVm | HttpMicroVm[];
  readonly code?: number;
  readonly details?: readonly unknown[];
}
