/** The supervisor as a real process with dummy units: order, restart, adoption after kill -9, replacement, stopping without a trace. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { freePorts } from "../../packages/management-plane/src/plan/ports.ts";
import { commandLine, findByCommandLine } from "../../packages/platform/src/process/identity.ts";
import { control, supervisorStatus } from "../../packages/platform/src/supervisor/control-client.ts";
import type { SupervisorPlan, Unit } from "../../packages/platform/src/supervisor/plan.ts";
import type { SupervisorStatus } from "../../packages/platform/src/supervisor/status.ts";

const program = join(import.meta.dirname, "../../packages/platform/src/supervisor/main.ts");

describe("supervisor", { timeout: 90_000 }, () => {
  let directory: string;
  let supervisors: ChildProcess[];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "lm-sup-"));
    supervisors = [];
  });
  afterEach(async () => {
    for (const child of supervisors) child.kill("SIGKILL");
    for (const pid of findByCommandLine(directory)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    rmSync(directory, { recursive: true, force: true });
  });

  /** A unit that says that it is there by a file, and lives until it is told to end. */
  function unit(name: string, more: Partial<Unit> = {}): Unit {
    const mark = join(directory, `${name}.ready`);
    const script = `require("fs").writeFileSync(${JSON.stringify(mark)}, String(process.pid)); console.log("here"); setInterval(() => {}, 1e6)`;
    return {
      name,
      program: process.execPath,
      args: ["-e", script, directory],
      env: { PATH: process.env["PATH"] ?? "" },
      logPath: join(directory, "log", `${name}.log`),
      after: [],
      readiness: { kind: "file", path: mark },
      readyTimeoutMs: 10_000,
      stopTimeoutMs: 2_000,
      inputs: "",
      ...more,
    };
  }

  function plan(units: readonly Unit[], more: Partial<SupervisorPlan> = {}): SupervisorPlan {
    return {
      platform: "test",
      socket: join(directory, "s.sock"),
      lockFile: join(directory, "lock"),
      recordDirectory: join(directory, "processes"),
      units,
      backoffBaseMs: 20,
      backoffCapMs: 100,
      ...more,
    };
  }

  function start(chosen: SupervisorPlan): ChildProcess {
    const path = join(directory, "plan.json");
    writeFileSync(path, JSON.stringify(chosen));
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, path], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    supervisors.push(child);
    return child;
  }

  async function until(wanted: (status: SupervisorStatus) => boolean, what: string): Promise<SupervisorStatus> {
    const deadline = AbortSignal.timeout(15_000);
    for (;;) {
      assert.equal(deadline.aborted, false, `waited for ${what}`);
      try {
        for await (const status of control(join(directory, "s.sock"), "watch", deadline))
          if (wanted(status)) return status;
      } catch {
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
  }

  async function emptied(path: string, timeoutMs: number): Promise<void> {
    const watching = watch(dirname(path));
    try {
      const deadline = AbortSignal.timeout(timeoutMs);
      while (statSync(path).size > 0) await once(watching, "change", { signal: deadline });
    } finally {
      watching.close();
    }
  }

  const allReady = (status: SupervisorStatus): boolean => status.units.every((each) => each.state === "ready");
  const pidOf = (status: SupervisorStatus, name: string): number =>
    status.units.find((each) => each.name === name)?.pid ?? 0;
  const ended = (child: ChildProcess): Promise<number | null> =>
    child.exitCode !== null || child.signalCode !== null
      ? Promise.resolve(child.exitCode)
      : new Promise((resolve) => child.once("exit", (code) => resolve(code)));

  async function stop(): Promise<void> {
    for await (const _status of control(join(directory, "s.sock"), "stop", AbortSignal.timeout(15_000)));
  }

  test("starts units in order, restarts what dies, stops all of it", async () => {
    const child = start(plan([unit("first"), unit("second", { after: ["first"] })]));
    const before = await until(allReady, "both units");
    assert.match(commandLine(pidOf(before, "first")), /:lm-test-first-[0-9a-f]{16}/);
    process.kill(pidOf(before, "first"), "SIGKILL");
    const after = await until(
      (status) => allReady(status) && pidOf(status, "first") !== pidOf(before, "first"),
      "the restart",
    );
    assert.equal(pidOf(after, "second"), pidOf(before, "second"));
    assert.equal(after.units[0]?.restarts, 1);
    assert.match(readFileSync(join(directory, "log", "first.log"), "utf8"), /^here\n/);
    await stop();
    assert.equal(await ended(child), 0);
    assert.deepEqual(findByCommandLine(":lm-test-"), []);
    assert.equal(existsSync(join(directory, "processes", "first.json")), false);
  });

  test("kill -9 of the supervisor harms no unit; the next one takes them over", async () => {
    const units = [unit("first"), unit("second")];
    const killed = start(plan(units));
    const before = await until(allReady, "both units");
    killed.kill("SIGKILL");
    await ended(killed);
    assert.equal(await supervisorStatus(join(directory, "s.sock")), undefined);
    start(plan(units));
    const after = await until(allReady, "both units again");
    assert.deepEqual(
      after.units.map((each) => [each.pid, each.adopted]),
      before.units.map((each) => [each.pid, true]),
    );
    // A unit that was taken over is looked after like any other.
    process.kill(pidOf(after, "second"), "SIGKILL");
    await until((status) => allReady(status) && pidOf(status, "second") !== pidOf(after, "second"), "the restart");
    await stop();
    assert.deepEqual(findByCommandLine(":lm-test-"), []);
  });

  test("told to leave, it leaves; a changed unit is replaced, the others stay", async () => {
    const first = start(plan([unit("same"), unit("changing", { inputs: "1" })]));
    const before = await until(allReady, "both units");
    first.kill("SIGTERM");
    assert.equal(await ended(first), 0);
    start(plan([unit("same"), unit("changing", { inputs: "2" })]));
    const after = await until((status) => allReady(status), "both units again");
    assert.equal(pidOf(after, "same"), pidOf(before, "same"));
    assert.notEqual(pidOf(after, "changing"), pidOf(before, "changing"));
    await stop();
  });

  test("a unit that the next plan does not have is ended", async () => {
    const first = start(plan([unit("same"), unit("unwanted")]));
    const before = await until(allReady, "both units");
    first.kill("SIGKILL");
    await ended(first);
    start(plan([unit("same")]));
    const after = await until(allReady, "the unit that stays");
    assert.equal(pidOf(after, "same"), pidOf(before, "same"));
    const deadline = AbortSignal.timeout(15_000);
    while (existsSync(join(directory, "processes", "unwanted.json"))) {
      assert.equal(deadline.aborted, false, "waited for the end of the other one");
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(findByCommandLine(":lm-test-unwanted"), []);
    await stop();
  });

  test("units of a group are ended alone, the last first, and stay so until the next supervisor", async () => {
    const units = [unit("host"), unit("plane", { group: "management-plane", after: ["host"] })];
    const first = start(plan(units));
    const before = await until(allReady, "both units");
    for await (const _status of control(
      join(directory, "s.sock"),
      "stop-management-plane",
      AbortSignal.timeout(15_000),
    ));
    const middle = await until((status) => status.units[1]?.state === "stopped", "the end of the group");
    assert.equal(pidOf(middle, "host"), pidOf(before, "host"));
    assert.equal(middle.units[0]?.state, "ready");
    first.kill("SIGTERM");
    assert.equal(await ended(first), 0);
    start(plan(units));
    const after = await until(allReady, "both units again");
    assert.equal(pidOf(after, "host"), pidOf(before, "host"));
    await stop();
  });

  test("a unit that hangs is started again; one that only says that it is not ready is left alone", async () => {
    const { hangs: port, sulks: other } = await freePorts(["hangs", "sulks"]);
    const served = (name: string, at: number): Unit => {
      const script = `let asked = 0; require("http").createServer((_, response) => response.writeHead(asked++ === 0 || ${name === "hangs"} ? 200 : 503).end("waiting")).listen(${at}, "127.0.0.1")`;
      const readiness = { kind: "http", url: `http://127.0.0.1:${at}/` } as const;
      return unit(name, { args: ["-e", script, directory], readiness, stopTimeoutMs: 100 });
    };
    start(plan([served("hangs", port), served("sulks", other)], { silenceLimitMs: 1_200 }));
    const before = await until(allReady, "both units");
    process.kill(pidOf(before, "hangs"), "SIGSTOP");
    const after = await until(
      (status) => allReady(status) && pidOf(status, "hangs") !== pidOf(before, "hangs"),
      "another process",
    );
    assert.equal(pidOf(after, "sulks"), pidOf(before, "sulks"));
    await stop();
  });

  test("the log of a unit that says much is rotated while it goes on", async () => {
    const script = `const line = "x".repeat(1_023) + "\\n"; const say = () => { for (let i = 0; i < 512; i += 1) require("fs").writeSync(1, line); }; for (let i = 0; i < 24; i += 1) say(); require("fs").writeFileSync(${JSON.stringify(join(directory, "talks.ready"))}, ""); process.on("SIGUSR2", () => console.log("after")); setInterval(() => {}, 1e6)`;
    const logPath = join(directory, "log", "talks.log");
    start(plan([unit("talks", { args: ["-e", script, directory], logPath })]));
    const status = await until(allReady, "the unit");
    await emptied(logPath, 25_000);
    assert.equal(statSync(`${logPath}.1`).size, 12 * 1_024 * 1_024);
    process.kill(pidOf(status, "talks"), "SIGUSR2");
    const deadline = AbortSignal.timeout(10_000);
    while (readFileSync(logPath, "utf8") !== "after\n") {
      assert.equal(deadline.aborted, false, "waited for what it says next");
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await stop();
  });

  test("one supervisor a state directory", async () => {
    start(plan([unit("only")]));
    await until(allReady, "the unit");
    assert.equal(await ended(start(plan([unit("only")]))), 75);
    await stop();
  });

  test("a unit that cannot run is told, and tried again with pauses", async () => {
    start(plan([unit("bad", { program: join(directory, "nothing") }), unit("waits", { after: ["bad"] })]));
    const status = await until((seen) => (seen.units[0]?.restarts ?? 0) >= 3, "three attempts");
    assert.match(status.units[0]?.detail ?? "", /cannot be started|started again in/);
    assert.deepEqual([status.units[1]?.state, status.units[1]?.detail], ["waiting", "waits for bad"]);
    await stop();
  });

  test("a unit that ignores SIGTERM is killed", async () => {
    const mark = join(directory, "deaf.ready");
    const script = `process.on("SIGTERM", () => {}); require("fs").writeFileSync(${JSON.stringify(mark)}, ""); setInterval(() => {}, 1e6)`;
    const child = start(plan([unit("deaf", { args: ["-e", script], stopTimeoutMs: 200 })]));
    await until(allReady, "the unit");
    await stop();
    assert.equal(await ended(child), 0);
    assert.deepEqual(findByCommandLine(":lm-test-deaf"), []);
  });
});
