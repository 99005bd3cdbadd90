/** What a kernel of our own has to show in a guest, for the quick tests (a kernel from the cache) and the long ones (just compiled). */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { promisify } from "node:util";
import { type BuiltRecipe, buildRecipe } from "@liquidmetal/image-builder";
import { BareMachine, guestMac, prepareDisks, prepareSeed } from "./image-builder-machine.ts";

const run = promisify(execFile);
const bootMs = 120_000;

/** What a node asks for and base/tiny can ask: one line a question, `missing …` where the answer is no. */
const questions = [
  "for one in ext4 erofs squashfs overlay vfat iso9660 tmpfs fuse virtiofs cgroup2 bpf mqueue binfmt_misc; do grep -qw $one /proc/filesystems || echo missing $one; done",
  "mkdir /tmp/c; mount -t cgroup2 none /tmp/c; for one in cpuset cpu io memory hugetlb pids rdma misc; do grep -qw $one /tmp/c/cgroup.controllers || echo missing $one; done",
  "for one in bbr cubic; do grep -qw $one /proc/sys/net/ipv4/tcp_available_congestion_control || echo missing $one; done",
  "for one in bridge ip_vs nf_conntrack overlay vxlan wireguard; do [ -d /sys/module/$one ] || echo missing $one; done",
  "for one in net/ipv4/vs/conntrack net/netfilter/nf_conntrack_max net/bridge/bridge-nf-call-iptables kernel/seccomp/actions_avail kernel/keys/maxkeys user/max_user_namespaces; do [ -e /proc/sys/$one ] || echo missing $one; done",
  "for one in /proc/config.gz /proc/pressure/memory /dev/net/tun /dev/fuse /dev/loop-control /dev/hwrng /dev/rtc0 /dev/vsock; do [ -e $one ] || echo missing $one; done",
  "grep -q 1 /proc/sys/net/core/bpf_jit_enable || echo missing bpf compiler",
];

/** Declares the tests; `image` is asked when they run. */
export function bootsOurKernel(image: () => Promise<BuiltRecipe>): void {
  let kernel: BuiltRecipe;
  let directory = "";
  let identity = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-kernel-boot-"));
    kernel = await image();
    await prepareDisks({ kernel, root: await buildRecipe({ recipe: "base/tiny" }) }, directory);
    identity = join(directory, "id");
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", identity]);
    await copyFile(join(directory, "root.img"), join(directory, "pristine.img"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function boot(kernelPath: string): Promise<BareMachine> {
    await copyFile(join(directory, "pristine.img"), join(directory, "root.img"));
    for (const name of ["agent.sock", "qmp.sock", "liquidmetal"])
      await rm(join(directory, name), { recursive: true, force: true });
    const authorized = await readFile(`${identity}.pub`, "utf8");
    await prepareSeed(directory, {
      authorized_keys: authorized,
      hostname: "ours\n",
      "instance-id": "i-1\n",
      network: `${guestMac} dhcp\n`,
    });
    return BareMachine.start({ directory, kernelPath });
  }

  it("is the ELF kernel of the label, boots without an initrd, and has what a Kubernetes node asks for", {
    timeout: bootMs,
  }, async () => {
    const path = kernel.labels["dev.liquidmetal.kernel.path"] ?? "";
    assert.equal(path, "boot/vmlinux");
    assert.equal(kernel.labels["dev.liquidmetal.kernel.elf.path"], path);
    assert.equal(kernel.labels["dev.liquidmetal.initrd.path"], undefined);
    await using machine = await boot(path);
    const agent = await machine.agent();
    const [address = ""] = (await agent.hear()).addresses;
    assert.match(address, /^10\.77\.0\.\d+$/);
    const asked = await machine.ssh(address, identity, "uname -r; cat /proc/modules; ls /sys/class/net");
    assert.deepEqual(asked.trim().split("\n"), [kernel.labels["dev.liquidmetal.kernel.version"], "eth0", "lo"]);
    assert.equal(await machine.ssh(address, identity, questions.join("\n")), "");
    await machine.pressPowerButton();
    assert.equal(await machine.ended(30_000), 0);
  });

  it("boots as bzImage too", { timeout: bootMs }, async () => {
    await using machine = await boot("boot/vmlinuz");
    const agent = await machine.agent();
    assert.equal((await agent.hear()).event, "ready");
    agent.say('{"command":"shutdown"}');
    assert.deepEqual(await agent.hear(), { event: "stopping" });
    assert.equal(await machine.ended(30_000), 0);
  });
}

/** The process namespaces in which a kernel is being built, by whomever: a build that has ended has left none behind. */
export async function kernelBuilds(): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const id of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${id}/environ`, "utf8").catch(() => "");
    if (!environment.split("\0").includes("HOME=/nonexistent")) continue;
    const namespace = await readlink(`/proc/${id}/ns/pid`).catch(() => undefined);
    if (namespace !== undefined) found.add(namespace);
  }
  return found;
}
