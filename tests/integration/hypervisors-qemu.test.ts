/**
 * What only a real VMM shows: confinement, disks, hangs, the spawner's death, networking. QEMU under TCG with a real kernel.
 *
 * Needs root, qemu-system-x86_64, qemu-img, iproute2, busybox, and apt for the first download of the kernel.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { createQemuHypervisor } from "@liquidmetal/hypervisors";
import type { MadeVolume, ProcessIdentity } from "@liquidmetal/microvm";
import { startSpawner } from "@liquidmetal/spawner";
import { Heard, madeOf } from "../conformance/hypervisors-suite.ts";
import { cgroupRoot, owner, QemuWorld } from "./hypervisors-qemu-world.ts";

const tunMode = statSync("/dev/net/tun").mode & 0o777;

describe("QEMU", () => {
  let world: QemuWorld;
  before(async () => {
    world = await QemuWorld.make({ quitMs: 300 });
  });
  after(() => world.close());

  it("runs confined: its own user, no capabilities, no new privileges, seccomp, cgroup; its files are private", async () => {
    const machine = world.machine();
    const { vmm } = await world.boot(machine);
    const status = readFileSync(`/proc/${vmm.process.pid}/status`, "utf8");
    assert.match(status, /^Uid:\t64123\t64123\t64123\t64123$/m);
    assert.match(status, /^Groups:\t\s*$/m);
    assert.match(status, /^CapEff:\t0+$/m);
    assert.match(status, /^CapBnd:\t0+$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    assert.match(readFileSync(`/proc/${vmm.process.pid}/cgroup`, "utf8"), new RegExp(`${cgroupRoot}/${machine.uid}`));
    assert.equal(readFileSync(join(machine.directory, "qemu.pid"), "utf8").trim(), String(vmm.process.pid));
    assert.equal(statSync(join(machine.directory, "vmm.log")).mode & 0o777, 0o600);
    assert.match(readFileSync(join(machine.directory, "console.log"), "latin1"), /Linux version/);
    unwrap(await vmm.stop("forced"));
  });

  it("gives the guest its disks in order, read-only where asked, and counts what it reads", async () => {
    const disk = (id: string, kib: number, format: "raw" | "qcow2", readOnly: boolean): MadeVolume => {
      const path = join(world.folder, `${id}.img`);
      if (format === "qcow2") execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", path, `${kib}K`]);
      else {
        writeFileSync(path, "");
        truncateSync(path, kib * 1024);
      }
      chownSync(path, owner.uid, owner.gid);
      return { id, kind: "block", path, format, readOnly, sizeBytes: kib * 1024, store: "test", imageDigest: "" };
    };
    const seedPath = disk("seed", 512, "raw", true).path;
    const volumes = [
      disk("root", 1024, "qcow2", false),
      disk("data,1", 2048, "raw", false),
      disk("more", 4096, "raw", true),
    ];
    const { vmm, heard } = await world.boot(world.machine({ volumes, seedPath }));
    unwrap(await vmm.writeConsole(Buffer.from("blocks\n")));
    for (const line of [
      "block vda 2048 ro=0",
      "block vdb 4096 ro=0",
      "block vdc 8192 ro=1",
      "block vdd 1024 ro=1",
      "blocks done",
    ]) {
      await heard.console(line);
    }
    assert.ok(unwrap(await vmm.usage()).diskReadBytes > 0);
    assert.ok(unwrap(await vmm.usage()).memoryBytes > 10_000_000);
    unwrap(await vmm.stop("forced"));
  });

  it("takes the mark on the console of a guest without an agent, and addresses that change", async () => {
    const machine = world.machine({ cmdline: { "test.mark": "", "test.address": "10.9.8.7/24" } });
    const prepared = unwrap(await world.hypervisor.prepare(machine));
    const vmm = unwrap(await world.hypervisor.start(prepared, { onSpawned: () => {} }));
    const heard = new Heard(vmm);
    assert.deepEqual((await heard.event("guest-ready")).addresses, ["10.9.8.7"]);
    unwrap(await vmm.writeConsole(Buffer.from("report 10.9.8.8\n")));
    assert.deepEqual((await heard.event("guest-ready")).addresses, ["10.9.8.8"]);
    unwrap(await vmm.stop("forced"));
  });

  it("stops a VMM that hangs, at its deadline", async () => {
    const { vmm, heard } = await world.boot(world.machine());
    await world.spawner.signal(vmm.process, "SIGSTOP");
    const paused = await vmm.pause({ timeoutMs: 200 });
    assert.ok(!paused.ok && paused.error.code === "HYPERVISOR_TIMEOUT");
    unwrap(await vmm.stop("graceful", { gracefulTimeoutMs: 300 }));
    assert.equal((await heard.exit()).cause, "requested");
    assert.equal(await world.spawner.verdict(vmm.process), "gone");
  });

  it("asks an adopted guest whether it is ready: what it said while nobody listened is lost", async () => {
    const machine = world.machine({ cmdline: { "test.address": "10.9.8.7/24" } });
    const { vmm } = await world.boot(machine);
    await vmm.detach();
    const hypervisor = createQemuHypervisor({ spawner: world.spawner, accelerator: "tcg" });
    const adoption = unwrap(await hypervisor.adopt(machine, madeOf(machine, vmm.process)));
    assert.ok(adoption.state === "adopted");
    assert.deepEqual((await new Heard(adoption.vmm).event("guest-ready")).addresses, ["10.9.8.7"]);
    unwrap(await adoption.vmm.stop("forced"));
  });

  it("adopts a VMM that hangs, so that it can be stopped", async () => {
    const machine = world.machine();
    const { vmm } = await world.boot(machine);
    await vmm.detach();
    await world.spawner.signal(vmm.process, "SIGSTOP");
    const hypervisor = createQemuHypervisor({
      spawner: world.spawner,
      accelerator: "tcg",
      timings: { controlMs: 300, quitMs: 300 },
    });
    const adoption = unwrap(await hypervisor.adopt(machine, madeOf(machine, vmm.process)));
    assert.ok(adoption.state === "adopted");
    unwrap(await adoption.vmm.stop("forced"));
    assert.equal(await world.spawner.verdict(vmm.process), "gone");
  });

  it("ends a guest whose kernel says nothing", async () => {
    const hypervisor = createQemuHypervisor({
      spawner: world.spawner,
      accelerator: "tcg",
      timings: { silenceTcgMs: 250 },
    });
    const machine = world.machine();
    const prepared = unwrap(await hypervisor.prepare(machine));
    const vmm = unwrap(await hypervisor.start(prepared, { onSpawned: () => {} }));
    assert.equal((await new Heard(vmm).exit()).cause, "hung");
  });

  it("says why QEMU refuses to start, and leaves nothing behind", async () => {
    const volume: MadeVolume = {
      id: "gone",
      kind: "block",
      path: "/nonexistent/disk.img",
      format: "raw",
      readOnly: false,
      sizeBytes: 1,
      store: "test",
      imageDigest: "",
    };
    const machine = world.machine({ volumes: [volume] });
    const started = await world.hypervisor.start(unwrap(await world.hypervisor.prepare(machine)), {
      onSpawned: () => {},
    });
    assert.ok(!started.ok && started.error.code === "HYPERVISOR_FAILED");
    assert.match(started.error.message, /nonexistent/);
    assert.deepEqual(await world.spawner.findByTokenPrefix(machine.token), []);
    const wrong = await world.hypervisor.prepare({ ...machine, kernelPath: world.initrdPath });
    assert.ok(!wrong.ok && wrong.error.code === "KERNEL_INVALID");
  });

  it("lives on when the spawner is killed, and its end is still told", async () => {
    const restarted = Promise.withResolvers<number>();
    const spawner = await startSpawner({
      cgroupRoot,
      onRestart: restarted.resolve,
    });
    const hypervisor = createQemuHypervisor({ spawner, accelerator: "tcg" });
    const { vmm, heard } = await world.boot(world.machine(), hypervisor);
    process.kill(spawner.pid ?? 0, "SIGKILL");
    await restarted.promise;
    assert.equal(await spawner.verdict(vmm.process), "alive");
    unwrap(await vmm.writeConsole(Buffer.from("echo alive\n")));
    await heard.console("said: alive");
    unwrap(await vmm.writeConsole(Buffer.from("poweroff\n")));
    assert.equal((await heard.exit()).cause, "powered-off");
    await spawner.close();
  });

  it("lets a guest that an agent left before its first instruction run after all", async () => {
    const machine = world.machine();
    const prepared = unwrap(await world.hypervisor.prepare(machine));
    const [program = "", ...args] = prepared.commandLine;
    const process: ProcessIdentity = unwrap(
      await world.spawner.spawn({ program, args, token: machine.token, identity: owner }),
    );
    const adoption = unwrap(await world.hypervisor.adopt(machine, madeOf(machine, process)));
    assert.ok(adoption.state === "adopted");
    await new Heard(adoption.vmm).event("guest-ready");
    unwrap(await adoption.vmm.stop("forced"));
  });

  it("reaches the network through a tap in another network namespace", async () => {
    const namespace = `lmt${randomBytes(3).toString("hex")}`;
    const inside = (...words: string[]): Buffer => execFileSync("ip", ["netns", "exec", namespace, ...words]);
    execFileSync("ip", ["netns", "add", namespace]);
    try {
      inside("ip", "tuntap", "add", "dev", "lmtap0", "mode", "tap", "user", String(owner.uid));
      inside("ip", "addr", "add", "10.77.0.1/24", "dev", "lmtap0");
      inside("ip", "link", "set", "lmtap0", "up");
      const made = {
        deviceId: "eth0",
        hostDevice: "lmtap0",
        hostIndex: 2,
        hostMac: "",
        guestMac: "02:00:00:00:00:05",
        bridge: "",
      };
      const interfaces = [{ ...made, type: "tap", addresses: [], nameservers: [], dhcp: false } as const];
      const machine = world.machine({
        interfaces,
        networkNamespace: namespace,
        cmdline: { "test.address": "10.77.0.5/24" },
      });
      const { vmm } = await world.boot(machine);
      assert.match(inside("busybox", "ping", "-c", "2", "-W", "5", "10.77.0.5").toString(), / 0% packet loss/);
      const usage = unwrap(await vmm.usage());
      assert.ok(usage.networkReceivedBytes > 100 && usage.networkSentBytes > 100);
      unwrap(await vmm.stop("forced"));
      assert.equal(statSync("/dev/net/tun").mode & 0o777, tunMode);
    } finally {
      execFileSync("ip", ["netns", "delete", namespace]);
    }
  });
});
