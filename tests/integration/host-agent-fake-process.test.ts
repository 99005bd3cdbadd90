/** Fake flintlockds in a process of their own: commanded from here, thousands of microVMs carried lightly, ended with whoever started them. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "@liquidmetal/api/client";
import { FakeFlintlockdProcess } from "@liquidmetal/host-agent/fake";

const spec = (id: string) => ({
  id,
  namespace: "ns",
  kernel: { image: "registry.example/kernel:1", filename: "boot/vmlinux" },
  rootVolume: { id: "root", source: { containerSource: "registry.example/os:1" } },
  metadata: { "user-data": Buffer.alloc(8_192, "u").toString("base64") },
});

function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1_024;
}

test("fakes are started, scripted and looked at by name", { timeout: 30_000 }, async () => {
  await using fakes = new FakeFlintlockdProcess();
  const endpoint = await fakes.start("a", { token: "t" });
  await fakes.start("b", { likeUpstream: true });
  await fakes.tell({ do: "lives", name: "a", lives: [{ match: "^slow-", life: { startsAfterMs: "never" } }] });
  using client = connect({ address: endpoint, token: "t", timeoutMs: 5_000 });
  const made = await client.microVms.createMicroVM({ microvm: spec("slow-1") });
  assert.equal((await fakes.microVms("a"))[0]?.phase, "pending");
  await fakes.tell({ do: "boot", name: "a", uid: made.microvm?.spec?.uid ?? "" });
  assert.equal((await fakes.microVms("a"))[0]?.phase, "running");
  await fakes.tell({ do: "failCall", name: "a", method: "GetMicroVM", failure: { status: "UNKNOWN", message: "no" } });
  await assert.rejects(client.microVms.getMicroVM({ uid: "x" }), { message: "no" });
  assert.deepEqual(await fakes.tell({ do: "counts", name: "a" }), { CreateMicroVM: 1, GetMicroVM: 1 });
  await assert.rejects(fakes.tell({ do: "cut", name: "nobody" }), /there is no fake nobody/);
  await fakes.tell({ do: "restart", name: "a", empty: true });
  assert.deepEqual(await fakes.microVms("a"), []);
});

test("5,000 microVMs with 8 KiB of user data each weigh little", {
  timeout: 60_000,
}, async () => {
  await using fakes = new FakeFlintlockdProcess();
  const endpoint = await fakes.start("a", { facts: { capacity: { vcpu: 100_000, memoryMiB: 100_000_000 } } });
  using client = connect({ address: endpoint, timeoutMs: 30_000 });
  const before = residentMiB(fakes.pid);
  const startedAt = performance.now();
  for (let at = 0; at < 5_000; at += 100) {
    const names = Array.from({ length: 100 }, (_, index) => `vm-${at + index}`);
    await Promise.all(names.map((id) => client.microVms.createMicroVM({ microvm: spec(id) })));
  }
  const tookMs = performance.now() - startedAt;
  assert.equal((await fakes.microVms("a")).length, 5_000);
  const weightMiB = residentMiB(fakes.pid) - before;
  assert.ok(weightMiB < 500, `${weightMiB} MiB`);
  process.stderr.write(`5,000 microVMs: ${Math.round(tookMs)} ms, ${Math.round(weightMiB)} MiB\n`);
});

test("when the one that started them is killed, they end too", { timeout: 30_000 }, async () => {
  const room = join(import.meta.dirname, "../../packages/host-agent/src/fake/fake-process.ts");
  const script = `const { FakeFlintlockdProcess } = await import(${JSON.stringify(room)});
    const fakes = new FakeFlintlockdProcess(); await fakes.start("a"); console.log(fakes.pid); setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(parent.stdout, "data");
  const pid = Number(String(line));
  parent.kill("SIGKILL");
  execFileSync("tail", [`--pid=${pid}`, "-f", "/dev/null"], { timeout: 15_000 });
});
