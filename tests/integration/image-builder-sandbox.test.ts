/** What a hostile maintainer script can reach: nothing of this machine. Needs root (or ids to map) and bubblewrap. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setImmediate as immediate } from "node:timers/promises";
import { runInSandbox } from "../../packages/image-builder/src/debian/sandbox.ts";

describe("the sandbox of guests' scripts", { timeout: 120_000 }, () => {
  let directory = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-sandbox-"));
    await chmod(directory, 0o755);
    await writeFile(join(directory, "secret"), "the secret of the host");
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const run = async (
    script: string,
    options: { scratchMaxBytes?: number; signal?: AbortSignal } = {},
  ): Promise<string> => {
    const { stdout, stderr, exitCode } = await runInSandbox(script, {
      environment: { SECRET: join(directory, "secret") },
      ...options,
    });
    assert.equal(exitCode, 0, stderr);
    return stdout.toString();
  };

  it("hides files, accounts and processes of the machine, also from who breaks out of a chroot", async () => {
    const breakOut = `perl -e 'mkdir "j"; chroot "j"; chdir ".." for 1..64; chroot "."; exec "cat", $ENV{SECRET}'`;
    const said = await run(`set +e; exec 2>/dev/null
cat $SECRET && echo read
cat /etc/shadow && echo read
ls /home /root /var /srv && echo read
(${breakOut}) && echo read
cat /proc/${process.pid}/environ && echo read
cat /proc/*/comm | grep -c '^node'
exit 0`);
    assert.equal(said.trim(), "0");
  });

  it("lets nothing of the machine be written, mounted over or changed", async () => {
    const mounts = await mountsOn("/tmp", "/usr");
    const said = await run(`set +e; exec 2>/dev/null
touch /usr/lm-was-here && echo wrote
mount -o remount,bind,rw /usr && touch /usr/lm-was-here && echo wrote
mknod /build/disk b 254 0 && echo device
echo 1 >/proc/sys/kernel/sysrq && echo sysctl
kill -0 ${process.pid} && echo signalled
hostname lm-hacked; mount -t tmpfs none /tmp; id -u
exit 0`);
    assert.equal(said.trim(), "0");
    assert.deepEqual(await mountsOn("/tmp", "/usr"), mounts);
    assert.notEqual((await readFile("/proc/sys/kernel/hostname", "utf8")).trim(), "lm-hacked");
  });

  it("has no network, not even this machine's own", async () => {
    let connections = 0;
    const server = createServer(() => {
      connections += 1;
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const said = await run(
      `(exec 3<>/dev/tcp/127.0.0.1/${port}) 2>/dev/null && echo connected; wc -l </proc/net/route`,
    ).finally(() => server.close());
    assert.equal(said.trim(), "1");
    assert.equal(connections, 0);
  });

  it("ends what is left in the background, and everything when it is cancelled", async () => {
    await run("setsid sleep 31536124 </dev/null >/dev/null 2>&1 & disown; sleep 31536124 & true");
    await until("it is gone", async () => !(await sleeping("31536124")));
    const cancelling = new AbortController();
    const options = { environment: {}, signal: cancelling.signal, onErrorLine: () => cancelling.abort() };
    await assert.rejects(runInSandbox("setsid sleep 31536125 & echo up >&2; sleep 31536125", options), {
      code: "CANCELLED",
    });
    await until("it is gone", async () => !(await sleeping("31536125")));
  });

  it("ends with us, even when we are killed", async () => {
    const module = join(import.meta.dirname, "../../packages/image-builder/src/debian/sandbox.ts");
    const program = `const { runInSandbox } = await import(${JSON.stringify(module)});
      await runInSandbox("sleep 31536126", { environment: {} });`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "ignore" });
    await until("it runs", () => sleeping("31536126"));
    child.kill("SIGKILL");
    await until("it is gone", async () => !(await sleeping("31536126")));
  });

  it("has an end to its space, and says so", async () => {
    const options = { environment: {}, scratchMaxBytes: 1024 * 1024 };
    const { exitCode, stderr } = await runInSandbox("head -c 2M /dev/zero >/build/big", options);
    assert.equal(exitCode, 1);
    assert.match(stderr, /No space left on device/);
  });
});

/** Others may mount elsewhere meanwhile. */
async function mountsOn(...points: readonly string[]): Promise<string[]> {
  const lines = (await readFile("/proc/self/mounts", "utf8")).split("\n");
  return lines.filter((line) => points.includes(line.split(" ")[1] ?? ""));
}

/** The kernel tells nobody about processes of others: asked again and again, with a deadline. */
async function until(goal: string, reached: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 20_000; !(await reached()); await immediate()) {
    assert.ok(performance.now() < deadline, `waited until ${goal}`);
  }
}

async function sleeping(argument: string): Promise<boolean> {
  for (const pid of await readdir("/proc")) {
    const line = /^\d+$/.test(pid) ? await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "") : "";
    if (line.startsWith("sleep") && line.includes(argument)) return true;
  }
  return false;
}
