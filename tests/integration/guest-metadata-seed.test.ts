/** Seed disks as others read them: fsck.vfat, mtools, blkid and the kernel. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { NoCloudMetadata } from "@liquidmetal/guest-metadata";
import type { SeedRequest } from "@liquidmetal/microvm";

const has = (program: string): boolean => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
const tools = has("fsck.vfat") && has("mcopy");

async function withSeed(userData: Uint8Array, work: (seed: string, directory: string) => void): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "lm-seed-"));
  try {
    work(unwrap(await new NoCloudMetadata().write(request(directory, userData))) ?? "", directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const sizes = [1, 511, 16 * 1024, 700_000, 1024 * 1024];

for (const size of sizes) {
  test(`${size} bytes of user data: fsck finds nothing, mtools reads it back`, {
    skip: tools ? false : "dosfstools and mtools are not installed",
  }, async () => {
    const userData = Buffer.alloc(size, "0123456789");
    await withSeed(userData, (seed, directory) => {
      const check = spawnSync("fsck.vfat", ["-n", "-v", seed], { encoding: "utf8" });
      assert.equal(check.status, 0, check.stdout + check.stderr);
      execFileSync("mcopy", ["-i", seed, "::user-data", "::liquidmetal/network", directory]);
      assert.ok(readFileSync(join(directory, "user-data")).equals(userData));
      assert.equal(readFileSync(join(directory, "network"), "utf8"), "52:54:00:12:34:56 dhcp\n");
    });
  });
}

test("blkid finds the label that cloud-init looks for", {
  skip: has("blkid") ? false : "blkid is not installed",
}, async () => {
  await withSeed(Buffer.from("#cloud-config\n"), (seed) => {
    const found = execFileSync("blkid", ["-p", "-o", "export", seed], { encoding: "utf8" });
    assert.match(found, /^LABEL=cidata$/m);
    assert.match(found, /^TYPE=vfat$/m);
  });
});

test("the kernel mounts it", async (context) => {
  await withSeed(Buffer.from("#cloud-config\n"), (seed, directory) => {
    const script = 'mount -o loop,ro -t vfat "$1" /mnt && cat /mnt/meta-data && ls /mnt/liquidmetal';
    const mounted = spawnSync("unshare", ["--mount", "sh", "-c", script, "sh", seed], {
      encoding: "utf8",
      cwd: directory,
    });
    if (mounted.status !== 0 && /unknown filesystem|permitted|permission|loop device/i.test(mounted.stderr)) {
      context.skip(`this machine cannot mount it: ${mounted.stderr.trim()}`);
      return;
    }
    assert.equal(mounted.status, 0, mounted.stderr);
    assert.match(mounted.stdout, /instance-id: "uid-1"/);
    assert.match(mounted.stdout, /hostname\ninstance-id\nnetwork/);
  });
});

test("the readiness hook is a script that a shell accepts", async () => {
  await withSeed(Buffer.from("#cloud-config\n"), (_, directory) => {
    const vendor = unwrap(new NoCloudMetadata().documents(request(directory, Buffer.from(""))))["vendor-data"] ?? "";
    const hook = vendor.slice(vendor.indexOf("#!/bin/sh"), vendor.lastIndexOf("--=="));
    const path = join(directory, "hook");
    writeFileSync(path, hook);
    assert.equal(spawnSync("sh", ["-n", path]).status, 0);
    const inner = hook.slice(hook.indexOf("#!/bin/sh", 5), hook.indexOf("\nSCRIPT\n"));
    writeFileSync(path, inner);
    assert.equal(spawnSync("sh", ["-n", path]).status, 0);
  });
});

function request(directory: string, userData: Uint8Array): SeedRequest {
  return {
    uid: "uid-1",
    directory,
    spec: {
      namespace: "ns",
      name: "vm",
      labels: {},
      provider: "",
      vcpu: 1,
      memoryMiB: 256,
      kernel: { image: "k:1", filename: "vmlinux", cmdline: {}, addNetworkConfig: true },
      additionalVolumes: [],
      interfaces: [],
      metadata: { "user-data": Buffer.from(userData).toString("base64") },
      allowGuestAgent: false,
    },
    interfaces: [
      {
        deviceId: "eth0",
        type: "tap",
        hostDevice: "lmtap0",
        hostIndex: 1,
        hostMac: "",
        guestMac: "52:54:00:12:34:56",
        bridge: "br0",
        addresses: [],
        nameservers: [],
        dhcp: true,
      },
    ],
  };
}
