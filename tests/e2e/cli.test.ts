/** `lm vm …` on real guests, as a user types it: one platform for the file. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Outcome, PlatformWorld, platformSkip } from "./platform-world.ts";

interface MicroVm {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly addresses: readonly string[];
  readonly boots: number;
}

const viewFields =
  "namespace name uid phase ready addresses reason message provider vcpu memoryMiB labels createdAt desiredState boots spec status".split(
    " ",
  );

describe("lm vm on real guests", { skip: platformSkip, timeout: 240_000 }, () => {
  let world: PlatformWorld;
  let boot: readonly string[];
  let root: string;

  before(async () => {
    world = new PlatformWorld();
    await world.ok(["up"]);
    const images = await world.importImages();
    root = images.root;
    // Neither kernel file nor initrd: the labels of the kernel's image say them.
    boot = ["--kernel", images.kernel, "--image", root, "--vcpu", "1"];
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    assert.deepEqual(world?.processes(), []);
  });

  const ssh = (name: string, command: string): Promise<Outcome> => world.lm(["vm", "ssh", name, "--", command]);

  test("create with every flag, seen from inside the guest", async () => {
    const userData = join(world.directory, "user-data.yaml");
    writeFileSync(userData, "#cloud-config\nhostname: full\n");
    const args = [
      ...["vm", "create", "full", ...boot, "--memory", "160M", "--disk", "1G", "--cmdline", "lm.test=yes"],
      ...[
        "--volume",
        `name=data,image=${root},size=300M,mount=/data`,
        "--volume",
        `name=ro,image=${root},mount=/ro,ro`,
      ],
      ...["--network", "static=10.99.0.5/24", "--network", "tap", "--label", "role=web", "-l", "tier=front"],
      ...["--user-data", userData, "--ssh-key", "platform"],
    ];
    const made = JSON.parse(await world.ok([...args, "--wait", "--timeout", "90s", "-o", "json"])) as MicroVm;
    assert.deepEqual(Object.keys(made), viewFields);
    assert.ok(made.ready && made.addresses.includes("10.99.0.5"));
    const seen = await ssh(
      "full",
      "df -m / /data | awk '{print $2}'; cat /proc/cmdline; touch /ro/x; touch /data/x && echo ok",
    );
    const [, rootMiB, dataMiB] = seen.stdout.split("\n");
    assert.ok(Number(rootMiB) > 900 && Number(dataMiB) > 250, seen.stdout);
    assert.match(seen.stdout, /lm\.test=yes/);
    assert.match(seen.stdout, /\nok\n/);
    assert.match(seen.stderr, /Read-only file system/);
    assert.equal((await world.lm([...args])).code, 0, "the same again is no error");
    const other = await world.lm([...args, "--memory", "170M"]);
    assert.equal(other.code, 4);
    assert.match(other.stderr, /differs in memoryMiB/);
    const described = await world.ok(["vm", "describe", "full"]);
    for (const text of ["/data", "lm.test=yes", "role=web", "GuestReady", "1024 MiB"])
      assert.ok(described.includes(text));
  });

  test("a script as user data runs; ssh passes the remote exit code on", async () => {
    const script = join(world.directory, "script.sh");
    writeFileSync(script, "#!/bin/sh\necho from-user-data > /dev/console\n");
    const refused = await world.lm(["vm", "create", "s", ...boot, "--user-data", script, "--ssh-key", "platform"]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /runcmd/);
    await world.ok(["vm", "create", "script", ...boot, "--memory", "128M", "--user-data", script, "--wait=running"]);
    const followed = await world.lm(["vm", "logs", "script", "-f"], {
      onOutput: (text) => (text.includes("from-user-data") ? "SIGINT" : undefined),
    });
    assert.equal(followed.code, 130);
    assert.equal((await world.ok(["vm", "logs", "script", "--tail", "2"])).trimEnd().split("\n").length, 2);
    assert.equal((await ssh("full", "exit 7")).code, 7);
    assert.equal((await world.lm(["vm", "ssh", "fulll", "true"])).code, 3);
    await world.ok(["vm", "delete", "script"]);
  });

  test("what cannot be made is told, with its reason and an exit code", async () => {
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["--memory", "900G"], 1, /memory do not fit/],
      [["--kernel-file", "boot/nope"], 1, /has no file 'boot\/nope'; it has .*boot\/vmlinux/],
      [["--disk", "2M"], 1, /too small/],
      [["--image", "127.0.0.1:1/no:1", "--timeout", "2s"], 5, /ImagePullFailed.*127\.0\.0\.1:1/],
      [["--provider", "nope"], 2, /./],
    ];
    for (const [flags, code, text] of cases) {
      const outcome = await world.lm(["vm", "create", "bad", ...boot, "--memory", "64M", ...flags, "--wait"]);
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, text);
      await world.ok(["vm", "delete", "bad", "--ignore-not-found", "-q"]);
    }
  });

  test("specs from files and standard input", async () => {
    const yaml = await world.ok(["vm", "create", "file", ...boot, "--memory", "64M", "--dry-run"]);
    const json = await world.ok(["vm", "create", "file", ...boot, "--memory", "64M", "--dry-run", "-o", "json"]);
    for (const text of [yaml, json]) {
      const file = join(world.directory, "spec");
      writeFileSync(file, text);
      const again = ["vm", "create", "--dry-run", "-o", "json"];
      assert.equal(await world.ok([...again, "-f", file]), json);
      assert.equal(await world.ok([...again, "-f", "-"], { stdin: text }), json);
    }
  });

  test("get and list in every form, by labels, and as they change", async () => {
    const all = await world.json<readonly MicroVm[]>("vm", "list");
    assert.deepEqual(
      all.map((each) => [each.name, Object.keys(each)]),
      [["full", viewFields]],
    );
    assert.equal(await world.ok(["vm", "list", "-o", "name", "-l", "role=web,tier in (front)"]), "default/full\n");
    assert.equal(await world.ok(["vm", "list", "-o", "json", "-l", "!role"]), "[]\n");
    assert.match(await world.ok(["vm", "list", "-A", "-o", "wide"]), /NAMESPACE .* UID\n/);
    assert.match(await world.ok(["vm", "get", all[0]?.uid ?? "", "-o", "yaml"]), /^namespace: default\nname: full\n/);
    assert.equal(
      (await world.run(["sh", "-c", `'${join(import.meta.dirname, "../../bin/lm")}' vm list | head -1`])).stderr,
      "",
    );
    let asked = false;
    const watched = await world.lm(["vm", "list", "--watch", "-o", "json"], {
      onOutput: (text) => {
        if (!asked) void world.ok(["vm", "pause", "full"]);
        asked = true;
        return text.includes('"phase":"paused"') ? "SIGINT" : undefined;
      },
    });
    assert.equal(watched.code, 130);
    for (const line of watched.stdout.trimEnd().split("\n")) JSON.parse(line);
  });

  test("a paused guest is silent, and goes on where it was", async () => {
    const refused = await ssh("full", "true");
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /is paused.*\n.*lm vm resume default\/full/);
    const silent = await world.lm(["vm", "console", "full", "--timeout", "2s"], { stdin: "echo $((40+2))x\n" });
    assert.doesNotMatch(silent.stdout, /42x/);
    await world.ok(["vm", "resume", "full"]);
    await world.until("the line typed while it was paused runs", async () =>
      (await world.ok(["vm", "logs", "full", "--tail", "20"])).includes("42x"),
    );
  });

  test("stop, start, reboot, and their events", async () => {
    assert.match(await world.ok(["vm", "stop", "full"]), /stopped/);
    assert.match((await ssh("full", "true")).stderr, /is stopped.*\n.*lm vm start/);
    const started = await world.json<readonly MicroVm[]>("vm", "start", "full", "--wait=ready");
    assert.ok(started[0]?.ready);
    const late = await world.lm(["vm", "reboot", "full", "--wait=ready", "--timeout", "300ms"]);
    assert.equal(late.code, 5);
    assert.match(late.stderr, /waited .* to be ready/);
    const forced = await world.json<readonly MicroVm[]>("vm", "reboot", "full", "--force", "--wait=ready");
    assert.ok((forced[0]?.boots ?? 0) > (started[0]?.boots ?? 0));
    const events = await world.json<readonly Record<string, unknown>[]>("vm", "events", "full");
    assert.ok(events.some((event) => event["reason"] === "RebootRequested"));
    assert.deepEqual(Object.keys(events[0] ?? {}), "position at severity namespace name uid reason message".split(" "));
    assert.equal((await world.ok(["vm", "events", "full", "--limit", "3"])).trimEnd().split("\n").length, 4);
  });

  test("the console: piped, and on a terminal that is left as it was", async () => {
    const piped = await world.lm(["vm", "console", "full"], {
      stdin: "echo first$((1+1))\necho second$((2+2))\n",
      onOutput: (text) => (text.includes("first2") && text.includes("second4") ? "SIGINT" : undefined),
      timeoutMs: 30_000,
    });
    assert.equal(piped.code, 130, piped.stdout);
    const lm = join(import.meta.dirname, "../../bin/lm");
    writeFileSync(
      join(world.directory, "terminal.sh"),
      `stty -a >before; '${lm}' vm console full; echo "left with $?"; stty -a >after\n`,
    );
    // The keys come one after the other, each when the screen shows what they wait for.
    const keys: readonly (readonly [string, string])[] = [
      ["leave with Ctrl-]", "\recho $((6*7))z\r"],
      ["42z", "\u001d"],
    ];
    const seen = await typed(world, ["script", "-qec", "sh terminal.sh", "/dev/null"], keys, "left with 0");
    assert.match(seen, /42z/);
    assert.equal(
      readFileSync(join(world.directory, "after"), "utf8"),
      readFileSync(join(world.directory, "before"), "utf8"),
    );
  });

  test("Ctrl-C during a wait leaves the microVM; deletion of several", async () => {
    const interrupted = await world.lm(
      ["vm", "create", "slow", ...boot, "--memory", "64M", "--kernel", "127.0.0.1:1/no:1", "--wait"],
      { onOutput: (_, stderr) => (stderr.includes("is ready: pending") ? "SIGINT" : undefined) },
    );
    assert.equal(interrupted.code, 130);
    assert.equal((await world.lm(["vm", "delete", "--all", "-n", "default"])).code, 2, "unconfirmed");
    assert.equal(
      await world.ok(["vm", "delete", "--all", "-n", "default", "-l", "role=web", "--yes"]),
      "default/full\n",
    );
    assert.equal(await world.ok(["vm", "delete", "slow", "--wait=false"]), "default/slow\n");
    await world.until(
      "the deletion that was not waited for",
      async () => (await world.ok(["vm", "list", "-o", "name"])) === "",
    );
    assert.equal((await world.lm(["vm", "delete", "slow"])).code, 3);
  });
});

/** Runs a command under a pseudo-terminal's master, typing `keys` as the output asks for them; all output up to `end`. */
async function typed(
  world: PlatformWorld,
  command: readonly string[],
  keys: readonly (readonly [string, string])[],
  end: string,
): Promise<string> {
  const { spawn } = await import("node:child_process");
  const [file = "", ...args] = command;
  const child = spawn(file, args, {
    cwd: world.directory,
    env: { ...world.env, TERM: "xterm" },
    timeout: 40_000,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const waiting = [...keys];
  let screen = "";
  let from = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    screen += chunk.toString();
    const next = waiting[0];
    if (next !== undefined && screen.includes(next[0], from)) {
      from = screen.length;
      waiting.shift();
      child.stdin.write(next[1]);
    }
    if (screen.includes(end)) child.stdin.end();
  });
  await new Promise((resolve) => child.once("close", resolve));
  return screen;
}
