/** The spawner on a real kernel: users, namespaces, cgroups, deaths of spawner and agent, bounds of short commands. Needs root. */
import assert from "node:assert/strict";
import { execFileSync, spawn as spawnAgent } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { unwrap } from "@liquidmetal/foundation";
import type { ProcessIdentity } from "@liquidmetal/microvm";
import { type ProcessSpawner, startSpawner } from "@liquidmetal/spawner";

const owner = { uid: 64_321, gid: 64_321 };
const prefix = `lmts-${randomBytes(4).toString("hex")}`;
const cgroupRoot = prefix;

describe("spawner on a real kernel", () => {
  const folder = mkdtempSync(join(tmpdir(), "lmt-"));
  let spawner: ProcessSpawner;
  let count = 0;
  const token = (): string => `${prefix}-${count++}`;
  before(async () => {
    chmodSync(folder, 0o755);
    spawner = await startSpawner({ cgroupRoot });
  });
  after(async () => {
    for (const identity of await spawner.findByTokenPrefix(prefix)) {
      await spawner.signal(identity, "SIGKILL");
      await spawner.exited(identity);
    }
    for (const name of ["one", "two"]) await spawner.removeCgroup(name);
    await spawner.close();
    for (const controller of ["memory", "cpu", "pids", "."]) {
      const path = join("/sys/fs/cgroup", controller, cgroupRoot);
      if (existsSync(path)) execFileSync("rmdir", [path]);
    }
    rmSync(folder, { recursive: true, force: true });
  });

  const status = ({ pid }: ProcessIdentity): string => readFileSync(`/proc/${pid}/status`, "utf8");

  it("drops to a user, enters network and mount namespaces and a cgroup, and keeps pid and token", async () => {
    const networkNamespace = `lmts${randomBytes(3).toString("hex")}`;
    execFileSync("ip", ["netns", "add", networkNamespace]);
    try {
      const hostMode = statSync("/dev/net/tun").mode;
      const stdoutPath = join(folder, "out");
      const own = token();
      const last = existsSync("/dev/kvm") ? "kvm opened" : "tun opened";
      const hostDevices = readdirSync("/dev/net");
      const probe =
        'cat /proc/self/net/dev; (exec 3<>/dev/net/tun) && echo tun opened; (exec 3<>/dev/kvm) && echo kvm opened; exec -a "$1" sleep 300';
      const identity = unwrap(
        await spawner.spawn({
          program: "bash",
          args: ["-c", probe, "bash", own],
          token: own,
          identity: owner,
          networkNamespace,
          privateTun: true,
          privateKvm: existsSync("/dev/kvm"),
          cgroup: { name: "one", memoryMaxBytes: 64 * 1024 * 1024, cpuMaxPercent: 50, cpuWeight: 3, pidsMax: 20 },
          stdoutPath,
          stderrPath: stdoutPath,
        }),
      );
      await until(
        () => readFileSync(stdoutPath, "utf8").includes(last),
        `devices in ${readFileSync(stdoutPath, "utf8")}`,
      );
      assert.match(status(identity), /^Uid:\t64321\t64321\t64321\t64321$/m);
      assert.match(status(identity), /^NoNewPrivs:\t1$/m);
      assert.match(status(identity), /^CapBnd:\t0+$/m);
      assert.doesNotMatch(readFileSync(stdoutPath, "utf8"), /eth0/);
      assert.equal(statSync(stdoutPath).uid, owner.uid);
      assert.equal(statSync(stdoutPath).mode & 0o777, 0o600);
      assert.match(readFileSync(stdoutPath, "utf8"), /tun opened/);
      assert.equal(statSync("/dev/net/tun").mode, hostMode);
      assert.deepEqual(readdirSync("/dev/net"), hostDevices);
      const groups = readFileSync(`/proc/${identity.pid}/cgroup`, "utf8");
      assert.match(groups, new RegExp(`pids.*:/${cgroupRoot}/one|0::/${cgroupRoot}/one`));
      if (existsSync(`/sys/fs/cgroup/pids/${cgroupRoot}/one`)) {
        assert.equal(readFileSync(`/sys/fs/cgroup/pids/${cgroupRoot}/one/pids.max`, "utf8").trim(), "20");
        assert.equal(
          readFileSync(`/sys/fs/cgroup/memory/${cgroupRoot}/one/memory.limit_in_bytes`, "utf8").trim(),
          "67108864",
        );
        // Guests count as their vCPUs, and all of them together as more than one process.
        const shares = (group: string): number =>
          Number(readFileSync(`/sys/fs/cgroup/cpu/${group}/cpu.shares`, "utf8"));
        assert.equal(shares(`${cgroupRoot}/one`), 3 * 1024);
        assert.ok(shares(cgroupRoot) >= 4096);
      }
      await spawner.signal(identity, "SIGKILL");
      await spawner.exited(identity);
      await spawner.removeCgroup("one");
      assert.ok(!existsSync(`/sys/fs/cgroup/pids/${cgroupRoot}/one`));
    } finally {
      execFileSync("ip", ["netns", "delete", networkNamespace]);
    }
  });

  it("puts the token into argv[0] also behind a chain", async () => {
    const identity = unwrap(await spawner.spawn({ program: "sleep", args: ["300"], token: token(), identity: owner }));
    assert.equal(
      readFileSync(`/proc/${identity.pid}/cmdline`, "latin1"),
      ["sleep:".concat(identity.token), "300", ""].join("\0"),
    );
    assert.equal(await spawner.verdict(identity), "alive");
  });

  it("says why a program could not be executed", async () => {
    const secret = join(folder, "secret");
    writeFileSync(secret, "#!/bin/sh\n", { mode: 0o700 });
    const stderrPath = join(folder, "err");
    const denied = await spawner.spawn({ program: secret, args: [], token: token(), identity: owner, stderrPath });
    assert.ok(!denied.ok && denied.error.code === "PROCESS_FAILED");
    assert.match(denied.error.message, /as user 64321.*ermission denied/);
    const nowhere = await spawner.spawn({
      program: "sleep",
      args: ["1"],
      token: token(),
      networkNamespace: "lmts-none",
    });
    assert.ok(!nowhere.ok && /lmts-none does not exist/.test(nowhere.error.message));
    const plain = join(folder, "plain");
    writeFileSync(plain, "", { mode: 0o600 });
    const noProgram = await spawner.spawn({ program: plain, args: [], token: token() });
    assert.ok(!noProgram.ok && /permission denied/.test(noProgram.error.message));
  });

  it("writes output to plain files only, never through a link", async () => {
    const target = join(folder, "target");
    writeFileSync(target, "mine");
    const stdoutPath = join(folder, "link");
    symlinkSync(target, stdoutPath);
    const linked = await spawner.spawn({ program: "sleep", args: ["1"], token: token(), stdoutPath, identity: owner });
    assert.ok(!linked.ok && linked.error.code === "PROCESS_FAILED");
    assert.equal(statSync(target).uid, 0);
  });

  it("is started again when killed; what it had spawned lives on, and its end is told", async () => {
    const restarted = Promise.withResolvers<number>();
    const own = await startSpawner({ cgroupRoot, onRestart: restarted.resolve });
    const identity = unwrap(await own.spawn({ program: "sleep", args: ["300"], token: token() }));
    const waiting = own.exited(identity);
    process.kill(own.pid ?? 0, "SIGKILL");
    await restarted.promise;
    assert.equal(await own.verdict(identity), "alive");
    const begunMs = performance.now();
    assert.equal(await own.signal(identity, "SIGTERM"), "alive");
    assert.deepEqual(await waiting, { identity });
    assert.ok(performance.now() - begunMs < 1_000);
    await own.close();
  });

  it("ends with its agent, and leaves what it spawned alone", async () => {
    const program = `
      import { startSpawner } from ${JSON.stringify(fileURLToPath(import.meta.resolve("@liquidmetal/spawner")))};
      const spawner = await startSpawner({ cgroupRoot: ${JSON.stringify(cgroupRoot)} });
      const spawned = await spawner.spawn({ program: "sleep", args: ["300"], token: ${JSON.stringify(token())} });
      console.log(JSON.stringify({ pid: spawner.pid, identity: spawned.value }));`;
    const agent = spawnAgent(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(agent.stdout, "data");
    const { pid, identity } = JSON.parse(String(line));
    agent.kill("SIGKILL");
    await until(
      () => !existsSync(`/proc/${pid}`) || /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8")),
      "the spawner to end",
    );
    assert.equal(await spawner.verdict(identity), "alive");
    await spawner.signal(identity, "SIGKILL");
    assert.deepEqual(await spawner.exited(identity), { identity });
  });

  it("bounds short commands: input, output, time, mounts", async () => {
    assert.equal(
      unwrap(await spawner.run({ program: "cat", args: [], stdin: "liquid\nmetal" })).stdout,
      "liquid\nmetal",
    );
    const much = unwrap(await spawner.run({ program: "sh", args: ["-c", "yes | head -c 3000000"] }));
    assert.equal(much.stdout.length, 1024 * 1024);
    const late = await spawner.run({ program: "sh", args: ["-c", `sleep 301 & sleep 301`], timeoutMs: 200 });
    assert.ok(!late.ok && late.error.code === "DEADLINE_EXCEEDED");
    const mounted = await spawner.run({
      program: "sh",
      args: ["-c", `mount -t tmpfs tmpfs ${folder} && ls -A ${folder} | wc -l`],
      privateMounts: true,
    });
    assert.equal(unwrap(mounted).stdout.trim(), "0");
    assert.ok(existsSync(join(folder, "target")));
    const controller = new AbortController();
    const cancelled = spawner.run({ program: "sleep", args: ["302"], signal: controller.signal });
    controller.abort();
    assert.ok(!(await cancelled).ok);
    const failed = unwrap(await spawner.run({ program: "sh", args: ["-c", "echo no >&2; exit 3"] }));
    assert.deepEqual(failed, { code: 3, stdout: "", stderr: "no\n" });
  });

  it("refuses what is no request", async () => {
    const wrong = await spawner.spawn({ program: "sleep", args: ["1"], token: "has blanks and; semicolons" });
    assert.ok(!wrong.ok && wrong.error.code === "REQUEST_INVALID");
    const path = await spawner.spawn({
      program: "sleep",
      args: ["1"],
      token: token(),
      cgroup: { name: "../../escape" },
    });
    assert.ok(!path.ok && path.error.code === "REQUEST_INVALID");
    const large = await spawner.run({ program: "cat", args: [], stdin: "x".repeat(2 * 1024 * 1024) });
    assert.ok(!large.ok && large.error.code === "REQUEST_INVALID");
  });

  it("starts 200 processes at once, behind a chain", async (context) => {
    const begunMs = performance.now();
    const request = { program: "sleep", args: ["300"], identity: owner, cgroup: { name: "two" } };
    const spawned = await Promise.all(Array.from({ length: 200 }, () => spawner.spawn({ ...request, token: token() })));
    context.diagnostic(`200 spawns took ${Math.round(performance.now() - begunMs)} ms`);
    const identities = spawned.map(unwrap);
    assert.equal(new Set(identities.map((identity) => identity.pid)).size, 200);
    const exits = identities.map((identity) => spawner.exited(identity));
    await Promise.all(identities.map((identity) => spawner.signal(identity, "SIGKILL")));
    assert.ok((await Promise.all(exits)).every((exit) => exit.signal === "SIGKILL"));
  });
});

/** Looks until it holds, at most 10 s: for things of the kernel that tell nobody. */
async function until(holds: () => boolean, what: string): Promise<void> {
  for (let look = 0; !holds(); look++) {
    if (look > 1_000) throw new Error(`waited 10 s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
