/**
 * `kernel/distro` and `base/tiny`, built from Debian packages and booted by a bare QEMU: ready on the agent's port and on the console, a login over
 * ssh, the ways to switch it off, and a boot that cannot succeed.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { type BootImages, bootImages } from "../assets/boot-images.ts";
import { BareMachine, guestMac, type MachineOptions, prepareDisks, prepareSeed } from "./image-builder-machine.ts";

const run = promisify(execFile);
const bootMs = 120_000;

describe("kernel/distro and base/tiny under bare QEMU", {
  skip: process.getuid?.() !== 0 && "needs root",
  timeout: 400_000,
}, () => {
  let directory = "";
  let images: BootImages;
  let identity = "";

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-boot-"));
    images = await bootImages();
    await prepareDisks(images, directory);
    identity = join(directory, "id");
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", identity]);
    await copyFile(join(directory, "root.img"), join(directory, "pristine.img"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function boot(
    seed: Readonly<Record<string, string>>,
    options: Partial<MachineOptions> = {},
  ): Promise<BareMachine> {
    await copyFile(join(directory, "pristine.img"), join(directory, "root.img"));
    const publicKey = await readFile(`${identity}.pub`, "utf8");
    for (const name of ["agent.sock", "qmp.sock", "liquidmetal"])
      await rm(join(directory, name), { recursive: true, force: true });
    await prepareSeed(directory, { authorized_keys: publicKey, hostname: "hello\n", "instance-id": "i-1\n", ...seed });
    const { kernelPath, initrdPath } = images.kernel;
    return BareMachine.start({ directory, kernelPath, initrdPath, ...options });
  }

  it("says that it is ready, lets root in by key and at the console, runs its user data, and powers off when the agent is told so", {
    timeout: bootMs,
  }, async () => {
    const userData = "#!/bin/sh\nip link >~root/made-by-user-data\n";
    await using machine = await boot({ network: `${guestMac} dhcp\n`, "user-data": userData });
    const agent = await machine.agent();
    const ready = await agent.hear();
    assert.equal(ready.event, "ready");
    const [address = ""] = ready.addresses;
    assert.match(address, /^10\.77\.0\.\d+$/);
    assert.match(
      machine.console,
      new RegExp(`^liquidmetal: ready addresses=${address.replaceAll(".", "\\.")}\\r?$`, "m"),
    );
    agent.say('{"command": "ping"}\n{"command":"fly"}');
    assert.deepEqual(await agent.hear(), { event: "pong" });
    assert.equal((await agent.hear()).event, "error");
    const said = await machine.ssh(
      address,
      identity,
      "hostname; uname -s; ls /root; cat /proc/1/comm; grep -c ' / ext4 rw' /proc/mounts",
    );
    assert.deepEqual(said.trim().split("\n"), ["hello", "Linux", "made-by-user-data", "busybox", "1"]);
    await machine.typeUntil("\n", /root@hello:.*# /);
    await machine.typeUntil("echo con$((1 + 1))sole; tty; exit\n", /con2sole\s+\/dev\/ttyS0/);
    agent.say('{"command":"shutdown"}');
    assert.deepEqual(await agent.hear(), { event: "stopping" });
    assert.equal(await machine.ended(30_000), 0);
    assert.match(machine.console, /liquidmetal: poweroff/);
    const { stdout } = await run("dumpe2fs", ["-h", join(directory, "root.img")]);
    assert.match(stdout, /Filesystem state: +clean/);
    assert.doesNotMatch(stdout, /needs_recovery/);
  });

  it("boots from the ELF kernel with a read-only root volume and a static address, is ready again for another connection, and heeds the power button", {
    timeout: bootMs,
  }, async () => {
    await using machine = await boot(
      { network: `${guestMac} static 10.77.0.9/24 10.77.0.1 10.77.0.1,10.77.0.2\n` },
      { kernelPath: images.kernel.elfKernelPath, extraArguments: "ro" },
    );
    const first = await machine.agent();
    const ready = { event: "ready", addresses: ["10.77.0.9"] };
    assert.deepEqual(await first.hear(), ready);
    first.hangUp();
    const second = await machine.agent();
    second.say('{"command":"status"}');
    assert.deepEqual(await second.hear(), ready);
    const said = await machine.ssh(
      "10.77.0.9",
      identity,
      "cat /etc/resolv.conf; ip route | head -1; touch /made 2>&1 || true",
    );
    assert.match(said, /^nameserver 10\.77\.0\.1\nnameserver 10\.77\.0\.2\ndefault via 10\.77\.0\.1/);
    assert.match(said, /touch: \/made: Read-only file system/);
    await machine.pressPowerButton();
    assert.equal(await machine.ended(30_000), 0);
  });

  it("refuses a login with another key", { timeout: bootMs }, async () => {
    await using machine = await boot({ network: `${guestMac} dhcp\n`, authorized_keys: "" });
    const agent = await machine.agent();
    const [address = ""] = (await agent.hear()).addresses;
    await assert.rejects(machine.ssh(address, identity, "true"), /Permission denied/);
  });

  it("says what is wrong on the console and ends, when there is no root volume", { timeout: bootMs }, async () => {
    await using machine = await boot({}, { extraArguments: "root=/dev/vdq liquidmetal.rootwait=1" });
    await machine.ended(60_000);
    assert.match(machine.console, /liquidmetal: fatal: no root device \/dev\/vdq within 1 s; block devices: vda vdb/);
    assert.match(machine.console, /Kernel panic - not syncing/);
  });
});
