/** Microvms of a real QEMU under TCG, run by an unprivileged user in folders of their own: what the tests of the driver stand on. */
import { execFileSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { createQemuHypervisor, type QemuTimings } from "@liquidmetal/hypervisors";
import type { Hypervisor, Machine, RunningVmm } from "@liquidmetal/microvm";
import { type ProcessSpawner, startSpawner } from "@liquidmetal/spawner";
import { type TestKernel, testKernel } from "../assets/kernel.ts";
import { testInitrd } from "../assets/test-initrd.ts";
import { Heard } from "../conformance/hypervisors-suite.ts";

export const owner: { readonly uid: number; readonly gid: number } = { uid: 64_123, gid: 64_123 };
const kernel: TestKernel = await testKernel();
const initrdPath: string = testInitrd(kernel);
export const cgroupRoot: string = `lmt-${randomBytes(4).toString("hex")}`;

export class QemuWorld {
  readonly folder: string = mkdtempSync(join(tmpdir(), "lmt-"));
  readonly spawner: ProcessSpawner;
  readonly hypervisor: Hypervisor;
  readonly kernelPath: string = join(this.folder, "vmlinuz");
  readonly initrdPath: string = join(this.folder, "initrd");
  readonly cgroups: string[] = [];

  private constructor(spawner: ProcessSpawner, timings: Partial<QemuTimings>) {
    this.spawner = spawner;
    this.hypervisor = createQemuHypervisor({ spawner, accelerator: "tcg", timings });
    chmodSync(this.folder, 0o711);
    // The cache may lie in a folder that an unprivileged VMM cannot enter.
    copyFileSync(kernel.kernelPath, this.kernelPath);
    copyFileSync(initrdPath, this.initrdPath);
  }

  static async make(timings: Partial<QemuTimings> = {}): Promise<QemuWorld> {
    return new QemuWorld(await startSpawner({ cgroupRoot }), timings);
  }

  machine(changes: Partial<Machine> = {}): Machine {
    const uid = randomUUID().slice(0, 13);
    const directory = join(this.folder, `${uid}.d`);
    const runDirectory = join(this.folder, uid);
    for (const path of [directory, runDirectory]) {
      mkdirSync(path, { mode: 0o700 });
      chownSync(path, owner.uid, owner.gid);
    }
    this.cgroups.push(uid);
    return {
      uid,
      namespace: "test",
      name: "guest",
      vcpu: 1,
      memoryMiB: 192,
      kernelPath: this.kernelPath,
      initrdPath: this.initrdPath,
      cmdline: {},
      hasRootVolume: false,
      volumes: [],
      interfaces: [],
      vsock: false,
      directory,
      runDirectory,
      identity: owner,
      cgroupName: uid,
      bootGeneration: 1,
      token: `lmt-${uid}`,
      ...changes,
    };
  }

  async boot(machine: Machine, hypervisor: Hypervisor = this.hypervisor): Promise<{ vmm: RunningVmm; heard: Heard }> {
    const prepared = unwrap(await hypervisor.prepare(machine));
    const vmm = unwrap(await hypervisor.start(prepared, { onSpawned: () => {} }));
    const heard = new Heard(vmm);
    await heard.event("guest-ready");
    return { vmm, heard };
  }

  async close(): Promise<void> {
    for (const process of await this.spawner.findByTokenPrefix("lmt-")) {
      if (!this.cgroups.some((uid) => process.token === `lmt-${uid}`)) continue;
      await this.spawner.signal(process, "SIGKILL");
      await this.spawner.exited(process);
    }
    for (const name of this.cgroups) await this.spawner.removeCgroup(name);
    await this.spawner.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

after(() => {
  for (const controller of ["memory", "cpu", "pids"]) {
    const path = `/sys/fs/cgroup/${controller}/${cgroupRoot}`;
    if (existsSync(path)) execFileSync("rmdir", [path]);
  }
});
