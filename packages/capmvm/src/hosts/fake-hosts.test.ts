import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock, PlatformError } from "@liquidmetal/foundation";
import { FakeHosts } from "./fake-hosts.ts";
import type { HostChange, MicroVmRequest } from "./host.ts";

const request: MicroVmRequest = {
  namespace: "ns",
  name: "vm",
  identity: "i-1",
  labels: { a: "b" },
  vcpu: 2,
  memoryMiB: 1_024,
  kernel: { image: "kernel:1", filename: "boot/vmlinux", cmdline: {} },
  rootVolume: { id: "root", image: "os:1", readOnly: false },
  additionalVolumes: [],
  interfaces: [],
  metadata: { "user-data": "", "vendor-data": "", "meta-data": "" },
};
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a microVM is made once, starts, and goes away, and every change is told", async () => {
  const hosts = new FakeHosts(new FakeClock());
  hosts.add("a:9090");
  const told: HostChange["type"][] = [];
  hosts.onChange((change) => change.type !== "facts" && told.push(change.type));
  const host = hosts.host({ endpoint: "a:9090" });
  const first = await host.create(request);
  assert.equal(first.state, "pending");
  assert.equal((await host.create(request)).uid, first.uid);
  await turn();
  assert.equal(host.known(first.uid)?.state, "created");
  await assert.rejects(host.create({ ...request, identity: "i-2" }), { code: "MICROVM_EXISTS" });
  await host.delete(first.uid);
  await turn();
  assert.equal(await host.get(first.uid), undefined);
  assert.deepEqual(told, ["microvm", "microvm", "microvm", "microvm-deleted"]);
});

test("an answer that is lost leaves the microVM behind; an unreachable host leaves nothing", async () => {
  const hosts = new FakeHosts(new FakeClock());
  const fake = hosts.add("a:9090", { upstream: true, startupMs: "manual" });
  const host = hosts.host({ endpoint: "a:9090" });
  fake.fail("create", new PlatformError("CREATE_UNCERTAIN", "no answer"), { applied: true });
  await assert.rejects(host.create(request), { code: "CREATE_UNCERTAIN" });
  assert.equal((await host.list("ns", "vm")).length, 1);
  fake.unreachable();
  await assert.rejects(host.create(request), { code: "HOST_UNREACHABLE" });
  assert.equal(hosts.microVms().length, 1);
  await assert.rejects(hosts.host({ endpoint: "typo:1" }).get("x"), { code: "HOST_UNREACHABLE" });
});

test("capacity is held to", async () => {
  const hosts = new FakeHosts(new FakeClock());
  hosts.add("a:9090", { capacity: { vcpu: 3, memoryBytes: 2 ** 40, diskBytes: 0 } });
  const host = hosts.host({ endpoint: "a:9090" });
  await host.create(request);
  await assert.rejects(host.create({ ...request, name: "second" }), { code: "CAPACITY_EXCEEDED", message: /1 of 3/ });
});
