/**
 * `base/debian-12` through flintlockd, as two machines at a time: one says by its agent that it is ready, the other has no agent any more and is ready by
 * the hook in the vendor data. Both are what their user data says, and no two machines alike. A minute or two under emulation, after the build.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { type BuiltRecipe, buildRecipe } from "@liquidmetal/image-builder";
import { layoutArchive } from "../assets/boot-images.ts";
import type { Microvms, Shown, SpecInit } from "./world/microvms.ts";
import { missingForWorld, World } from "./world/world.ts";

const run = promisify(execFile);
const readyMs = 400_000;

describe("base/debian-12", { skip: missingForWorld() ?? false, timeout: 870_000 }, () => {
  let world: World;
  let microvms: Microvms;
  let debian: BuiltRecipe;
  let directory = "";
  const guests = new Map<string, Shown>();

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-image-debian-"));
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(directory, "id")]);
    const key = (await readFile(join(directory, "id.pub"), "utf8")).trim();
    debian = await buildRecipe({ recipe: "base/debian-12" });
    world = await World.open();
    await world.start();
    await world.importImages();
    microvms = await world.microvms();
    await microvms.connection.images.importImage(layoutArchive(debian.layout), { timeoutMs: 300_000 });
    const uids = await Promise.all([
      microvms.create(spec("agent", withAgent(key))),
      microvms.create(spec("hook", withoutAgent(key))),
    ]);
    for (const uid of uids) {
      const guest = await microvms.until(
        uid,
        "it is ready",
        ({ phase, ready }) => phase === "running" && ready,
        readyMs,
      );
      guests.set(guest.name, guest);
    }
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  function spec(id: string, userData: string): SpecInit {
    const { kernel } = world;
    return {
      id,
      namespace: "e2e",
      vcpu: 1,
      memoryInMb: 512,
      kernel: { image: kernel.reference, filename: kernel.elfKernelPath, addNetworkConfig: true },
      initrd: { image: kernel.reference, filename: kernel.initrdPath },
      rootVolume: { id: "root", source: { containerSource: debian.reference }, sizeInMb: 2_048 },
      interfaces: [{ deviceId: "eth0", type: 1 }],
      metadata: { "user-data": Buffer.from(userData).toString("base64") },
    };
  }

  const guest = (name: string): Shown => guests.get(name) ?? assert.fail(`${name} is not ready`);
  async function ssh(name: string, command: string): Promise<string[]> {
    const { addresses } = guest(name).status;
    const address = (addresses.find((one) => one.includes(".")) ?? "").replace(/\/.*/, "");
    const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes"];
    const flags = ["-i", join(directory, "id"), ...options.flatMap((option) => ["-o", option])];
    const inside = ["netns", "exec", world.paths.networkNamespace];
    const { stdout } = await run("ip", [...inside, "ssh", ...flags, `root@${address}`, command], { timeout: 60_000 });
    return stdout.trim().split("\n");
  }

  test("does what the user data says: commands early and late, files, accounts, keys, mounts", async () => {
    const said = await ssh(
      "agent",
      "hostname; cat /run/early /run/late; stat -c '%a %U' /etc/written; id -un maria; cat /proc/1/comm; cloud-init status; systemctl --failed --plain --no-legend | wc -l",
    );
    assert.deepEqual(said, [
      "agent",
      "early",
      "late jinja-agent",
      "640 maria",
      "maria",
      "systemd",
      "status: done",
      "0",
    ]);
  });

  test("fills its volume, knows name servers, and keeps its compiled Python", async () => {
    const said = await ssh(
      "agent",
      "df --output=size -m / | tail -1; test -e /etc/resolv.conf && echo resolves; find /usr/lib/python3 -name '*.pyc' -newer /etc/machine-id | wc -l",
    );
    const [size = "", ...rest] = said;
    assert.ok(Number(size) > 1_800, `the file system has ${size} MiB of a volume of 2048 MiB`);
    assert.deepEqual(rest, ["resolves", "0"]);
  });

  test("is ready by the hook in the vendor data where the agent does not run", async () => {
    const log = await microvms.consoleLog(guest("hook").uid);
    assert.match(log, /^liquidmetal: ready addresses=/m);
    const [active = ""] = await ssh("hook", "systemctl is-active liquidmetal-agent.service || true");
    assert.notEqual(active, "active");
  });

  test("makes every machine another: identity, host key, host name", async () => {
    const ask =
      "cat /etc/machine-id; ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub; hostname; ls /etc/ssh/ssh_host_*_key";
    const [one, other] = await Promise.all([ssh("agent", ask), ssh("hook", ask)]);
    for (const at of [0, 1, 2]) assert.notEqual(one?.[at], other?.[at]);
    assert.match(one?.[0] ?? "", /^[0-9a-f]{32}$/);
    assert.deepEqual(one?.slice(3), ["/etc/ssh/ssh_host_ed25519_key"]);
  });

  test("is gone soon after it was told to go", async () => {
    await Promise.all([...guests.values()].map(({ uid }) => microvms.delete(uid, 120_000)));
  });
});

/** Vendor data is switched off: nobody but the agent can say that it is ready. As Cluster API's bootstrap provider writes it: a jinja template. */
const withAgent = (key: string): string => `## template: jinja
#cloud-config
vendor_data: {enabled: false}
ssh_authorized_keys: ["${key}"]
users:
  - {name: maria, lock_passwd: true, shell: /bin/bash}
write_files:
  - {path: /etc/written, owner: "maria:maria", permissions: "0640", defer: true, content: "written\\n"}
bootcmd:
  - [sh, -c, "echo early >/run/early"]
runcmd:
  - [sh, -c, "echo late jinja-{{ ds.meta_data.local_hostname }} >/run/late"]
`;

const withoutAgent = (key: string): string => `#cloud-config
ssh_authorized_keys: ["${key}"]
bootcmd:
  - [systemctl, mask, --runtime, --now, liquidmetal-ready.service, liquidmetal-agent.service]
`;
