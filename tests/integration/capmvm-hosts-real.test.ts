/** capmvm's hosts against the real flintlockd on a real port, with a token: machines that only sleep, and everything else as it is. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { processesWith } from "../e2e/world/processes.ts";
import { missingForWorld, World } from "../e2e/world/world.ts";
import { failure, HostsWorld, request } from "./capmvm-hosts-world.ts";

const missing = missingForWorld();
const token = "capmvm";

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

test("a machine's microVM lives on the real flintlockd", { skip: missing ?? false, timeout: 180_000 }, async () => {
  await using world = await World.open({ fake: true });
  await world.start();
  const { kernel, root } = await world.importImages();
  await world.agent.kill("SIGTERM");
  const endpoint = `127.0.0.1:${await freePort()}`;
  const launch = (): void => {
    world.launch({ args: [`--grpc-endpoint=${endpoint}`, "--insecure", `--basic-auth-token=${token}`] });
  };
  launch();
  await using hosts = new HostsWorld({ callMs: 20_000, dialMs: 3_000, keepaliveMs: 1_000, keepaliveTimeoutMs: 2_000 });
  const host = hosts.hosts.host({ endpoint, token });
  await hosts.health(host, "reachable", 60_000);
  assert.equal(host.facts()?.defaultProvider, "fake");
  assert.ok((host.facts()?.allocatable.memoryBytes ?? 0) > 0);
  const stranger = hosts.hosts.host({ endpoint, token: "wrong" });
  assert.match(await hosts.health(stranger, "refused"), /invalid auth token/);

  const wanted = request({
    memoryMiB: 128,
    vcpu: 1,
    labels: { "liquidmetal.dev/restart-policy": "never" },
    kernel: { image: kernel.reference, filename: kernel.elfKernelPath, cmdline: {} },
    rootVolume: { id: "root", image: root.reference, readOnly: false },
    additionalVolumes: [],
    interfaces: [{ device: "eth1", type: "tap", mac: "02:00:00:00:00:07" }],
  });
  const { uid } = await host.create(wanted);
  assert.equal((await host.create(wanted)).uid, uid);
  await hosts.until("it is ready", () => host.known(uid)?.guestReady === true, 60_000);
  assert.equal(host.known(uid)?.identity, wanted.identity);
  assert.equal(host.known(uid)?.addresses.length, 1, "the network gave it an address");
  assert.equal((await failure(host.create({ ...wanted, identity: "another" }))).code, "MICROVM_EXISTS");
  assert.equal(
    (await failure(host.create({ ...wanted, name: "big", memoryMiB: 16_000_000 }))).code,
    "CAPACITY_EXCEEDED",
  );

  // The agent ends and comes back; the guest is left alone, and is known again.
  await world.agent.kill("SIGKILL");
  await hosts.health(host, "unreachable", 10_000);
  assert.equal((await failure(host.create({ ...wanted, name: "later" }))).code, "HOST_UNREACHABLE");
  launch();
  await hosts.health(host, "reachable", 60_000);
  await hosts.until("it is ready again", () => host.known(uid)?.guestReady === true, 30_000);

  const vmm = processesWith(`${world.vmmMark ?? "-"}${uid}.`)[0];
  assert.ok(vmm !== undefined);
  const killedAt = performance.now();
  process.kill(vmm.pid, "SIGKILL");
  await hosts.until("its death is told", () => host.known(uid)?.reason === "VmmCrashed");
  assert.ok(performance.now() - killedAt < 1_000, `${performance.now() - killedAt} ms`);
  await host.delete(uid);
  await hosts.until("it is gone", () => host.synced && host.known(uid) === undefined, 30_000);
  assert.equal(await host.get(uid), undefined);
});
