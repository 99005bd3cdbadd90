/** A whole platform, by `bin/lm`, with real containerd and flintlockd: up, up again, agent killed, down, up, down --delete: nothing is left. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import type { PlatformStatus } from "../../packages/platform/src/lifecycle/index.ts";
import { platformPaths } from "../../packages/platform/src/paths.ts";
import { findPlatformProcesses } from "../../packages/platform/src/process/identity.ts";
import { control } from "../../packages/platform/src/supervisor/control-client.ts";

const lmProgram = join(import.meta.dirname, "../../bin/lm");
const run = promisify(execFile);

function missing(): string | false {
  if (process.getuid?.() !== 0) return "needs root";
  for (const program of ["containerd", "ip", "nft", "dnsmasq", "qemu-system-x86_64"]) {
    try {
      execFileSync("sh", ["-c", `command -v ${program}`]);
    } catch {
      return `needs ${program}`;
    }
  }
  return false;
}

describe("platform", { timeout: 110_000, skip: missing() }, () => {
  const name = `t${randomBytes(3).toString("hex")}`;
  let directory: string;
  let env: NodeJS.ProcessEnv;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "lm-plat-"));
    // As for every platform: hypervisors run as users of their own, which must get through.
    chmodSync(directory, 0o711);
    env = {
      PATH: process.env["PATH"],
      HOME: directory,
      LM_PLATFORM: name,
      LM_STATE_DIR: join(directory, "s"),
      LM_RUN_DIR: join(directory, "r"),
    };
  });
  after(async () => {
    await lm("down", "--delete", "--yes").catch(() => undefined);
    rmSync(directory, { recursive: true, force: true });
  });

  const lm = async (...args: readonly string[]): Promise<string> =>
    (await run(lmProgram, [...args], { env, timeout: 100_000 })).stdout;
  const status = async (): Promise<PlatformStatus> => {
    const { stdout } = await run(lmProgram, ["status", "-o", "json"], { env }).catch(
      (error: { readonly stdout: string }) => error,
    );
    return JSON.parse(stdout) as PlatformStatus;
  };
  const paths = () => platformPaths(name, { stateDirectory: join(directory, "s"), runDirectory: join(directory, "r") });
  const pidOf = (platform: PlatformStatus, part: string): number =>
    platform.parts.find((each) => each.name === part)?.pid ?? 0;
  const marks = (): readonly string[] => [`${paths().runDirectory}/`, `${paths().stateDirectory}/`];

  test("up, and up again changes nothing", async () => {
    await lm("up");
    const first = await status();
    assert.equal(first.state, "running");
    assert.deepEqual(
      first.parts.map((part) => part.healthy),
      [true, true, true],
    );
    assert.match(first.parts[1]?.version ?? "", /^\d+\.\d+/);
    assert.equal(await lm("vm", "list", "-o", "json"), "[]\n");
    await lm("up");
    const second = await status();
    assert.deepEqual(
      second.parts.map((part) => part.pid),
      first.parts.map((part) => part.pid),
    );
  });

  test("a killed flintlockd is back by itself; a killed supervisor at the next up, harming nothing", async () => {
    const before = await status();
    process.kill(pidOf(before, "flintlockd"), "SIGKILL");
    for await (const seen of control(paths().supervisorSocket, "watch", AbortSignal.timeout(60_000))) {
      const agent = seen.units.find((unit) => unit.name === "flintlockd");
      if (agent?.state === "ready" && agent.pid !== pidOf(before, "flintlockd")) break;
    }
    const middle = await status();
    assert.equal(pidOf(middle, "containerd"), pidOf(before, "containerd"));
    process.kill(pidOf(middle, "supervisor"), "SIGKILL");
    await lm("up");
    const after = await status();
    assert.equal(after.state, "running");
    assert.equal(pidOf(after, "flintlockd"), pidOf(middle, "flintlockd"));
    assert.notEqual(pidOf(after, "supervisor"), pidOf(middle, "supervisor"));
  });

  test("down keeps the data and nothing else; up brings it back; --delete leaves nothing", async () => {
    await lm("down");
    assert.equal((await status()).state, "stopped");
    assert.deepEqual(findPlatformProcesses(marks()), []);
    assert.equal(existsSync(join(directory, "r")), false);
    assert.equal(existsSync(join(directory, "s", "agent")), true);
    await lm("up", "-q");
    assert.equal((await status()).state, "running");
    const report: unknown = JSON.parse(await lm("down", "--delete", "--yes", "-o", "json"));
    assert.deepEqual(report, { name, deleted: true, leftovers: [] });
    assert.equal(existsSync(join(directory, "s")), false);
    assert.equal(existsSync(join("/run/netns", paths().networkNamespace)), false);
    assert.deepEqual(findPlatformProcesses(marks()), []);
    assert.equal((await status()).state, "absent");
  });
});
