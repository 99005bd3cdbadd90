/**
 * The short quickstart (`-- --vm`) as a user lives through it, and the guest that outlives everything: flintlockd, spawner, containerd and supervisor are killed one after
 * the other, and the boot id that the guest itself tells stays the same. At the end nothing is left.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, describe, test } from "node:test";
import type { PlatformStatus } from "../../packages/platform/src/lifecycle/index.ts";
import { commandOf, familyOf, leftoversOf } from "./quickstart/leftovers.ts";
import { lm, type Outcome, quickstart, until } from "./quickstart/user.ts";

const platform = `qs${randomBytes(4).toString("hex")}`;
const on = ["--platform", platform];
const skip = process.getuid?.() === 0 ? false : "the quickstart needs root";

function succeeded(outcome: Outcome): string {
  assert.equal(outcome.code, 0, `${outcome.stdout}\n${outcome.stderr}`);
  return outcome.stdout;
}

async function status(): Promise<PlatformStatus> {
  return JSON.parse((await lm("status", "-o", "json", ...on)).stdout) as PlatformStatus;
}

async function pidOf(part: string): Promise<number> {
  const pid = (await status()).parts.find((each) => each.name === part)?.pid;
  assert.ok(pid !== null && pid !== undefined, `${part} runs`);
  return pid;
}

/** A process of flintlockd's own, which no list shows. */
async function spawnerPid(): Promise<number | undefined> {
  const agent = (await status()).parts.find((each) => each.name === "flintlockd")?.pid ?? undefined;
  return agent === undefined ? undefined : familyOf(agent).find((pid) => /\bspawner\b/.test(commandOf(pid)));
}

const bootId = async (): Promise<string> =>
  succeeded(await lm("vm", "ssh", "hello", ...on, "--", "cat /proc/sys/kernel/random/boot_id")).trim();

/** All parts healthy, the guest listed as ready, and of the same boot. */
async function recovered(sameBootId: string): Promise<void> {
  await until("every part healthy", async () => ((await status()).state === "running" ? true : undefined));
  await until("the guest listed as ready", async () => {
    const list = await lm("vm", "list", "-o", "json", ...on);
    const guests = list.code === 0 ? (JSON.parse(list.stdout) as readonly { name: string; ready: boolean }[]) : [];
    return guests.some((guest) => guest.name === "hello" && guest.ready) ? true : undefined;
  });
  assert.equal(await bootId(), sameBootId);
}

async function killed(part: string): Promise<void> {
  const pid = await pidOf(part);
  process.kill(pid, "SIGKILL");
  await until(`another ${part}`, async () => {
    const found = (await status()).parts.find((each) => each.name === part)?.pid ?? pid;
    return found === pid ? undefined : found;
  });
}

describe("quickstart", { skip, timeout: 300_000 }, () => {
  let guestBootId = "";

  after(async () => {
    await lm("down", "--delete", "--yes", "--name", platform);
  });

  test("--dry-run says what it would do, and changes nothing", async () => {
    const said = succeeded(await quickstart("--vm", "--dry-run", "--name", platform));
    assert.match(said, /system package/);
    assert.match(said, /Would then build a kernel and a root volume image/);
    const whole = succeeded(await quickstart("--dry-run", "--name", platform));
    assert.match(whole, /create the\ncluster 'demo' of one control plane and one worker/);
    assert.match(whole, /kube-apiserver v1\.\d+\.\d+/);
    assert.equal((await status()).state, "absent");
    assert.deepEqual(leftoversOf(platform), []);
  });

  test("an option that it does not know, and a name that cannot be one, are usage errors", async () => {
    for (const args of [["--nmae", platform], ["--name", "Not/A-Name"], ["stray"], ["--down", "--dry-run"]]) {
      const outcome = await quickstart(...args);
      assert.equal(outcome.code, 2, outcome.stderr);
      assert.match(outcome.stderr, /^error: /m);
      assert.match(outcome.stderr, /Usage: npm run quickstart/);
      assert.equal(outcome.stdout, "");
    }
  });

  test("ends with a microVM that is ready, has an address and answers", async () => {
    const said = succeeded(await quickstart("--vm", "--name", platform));
    assert.match(said, /^hello +running +yes +\d+\.\d+\.\d+\.\d+ /m);
    assert.match(said, /^Linux hello \d+\..* GNU\/Linux$/m);
    assert.match(said, new RegExp(`npm run quickstart -- --down --name ${platform}`));
    const [guest] = JSON.parse(succeeded(await lm("vm", "list", "-o", "json", ...on)));
    assert.deepEqual([guest.name, guest.phase, guest.ready], ["hello", "running", true]);
    assert.match(said, new RegExp(`inet ${guest.addresses[0]}/`), "the guest has the address that the list shows");
    guestBootId = await bootId();
    assert.match(guestBootId, /^[0-9a-f-]{36}$/);
  });

  test("again: quick, from what is there, and the guest is not touched", async () => {
    const again = await quickstart("--vm", "--name", platform);
    succeeded(again);
    assert.match(again.stderr, /images \(cached\)/);
    assert.ok(again.durationMs < 40_000, `took ${again.durationMs} ms`);
    assert.equal(await bootId(), guestBootId);
  });

  test("flintlockd dies: the supervisor starts it again, the guest runs on", async () => {
    await killed("flintlockd");
    await recovered(guestBootId);
  });

  test("the spawner dies: there is another, the guest runs on", async () => {
    const before = await until("a spawner", spawnerPid);
    process.kill(before, "SIGKILL");
    await until("another spawner", async () => {
      const pid = await spawnerPid();
      return pid === before ? undefined : pid;
    });
    await recovered(guestBootId);
  });

  test("containerd dies: the supervisor starts it again, the guest runs on", async () => {
    await killed("containerd");
    await recovered(guestBootId);
  });

  test("the supervisor dies: the quickstart brings another, which takes over what runs", async () => {
    const [agent, containerd, supervisor] = [
      await pidOf("flintlockd"),
      await pidOf("containerd"),
      await pidOf("supervisor"),
    ];
    process.kill(supervisor, "SIGKILL");
    assert.equal(await bootId(), guestBootId);
    succeeded(await quickstart("--vm", "--name", platform));
    assert.notEqual(await pidOf("supervisor"), supervisor);
    assert.deepEqual([await pidOf("flintlockd"), await pidOf("containerd")], [agent, containerd]);
    await recovered(guestBootId);
  });

  test("after all these deaths microVMs are still made and removed", async () => {
    const { spec } = JSON.parse(succeeded(await lm("vm", "get", "hello", "-o", "json", ...on)));
    const images = ["--image", spec.rootVolume.source.containerSource, "--kernel", spec.kernel.image];
    const size = ["--vcpu", "1", "--memory", "256M", "--network", "tap"];
    succeeded(await lm("vm", "create", "second", ...images, ...size, "--wait=ready", "--timeout", "55s", ...on));
    succeeded(await lm("vm", "delete", "second", "--wait", ...on));
  });

  test("--down leaves nothing", async () => {
    const family = [...(await status()).parts.flatMap((part) => (part.pid === null ? [] : familyOf(part.pid)))];
    assert.ok(family.length >= 4, "supervisor, containerd, flintlockd, spawner at least");
    succeeded(await quickstart("--down", "--name", platform));
    assert.equal((await status()).state, "absent");
    assert.deepEqual(leftoversOf(platform), []);
    assert.deepEqual(family.filter((pid) => commandOf(pid) !== "").map(commandOf), []);
    succeeded(await quickstart("--down", "--name", platform));
  });
});
