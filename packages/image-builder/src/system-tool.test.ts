import assert from "node:assert/strict";
import { test } from "node:test";
import { runTool, tryTool } from "./system-tool.ts";

const node = process.execPath;

test("a missing program is TOOL_MISSING and names what to install", async () => {
  await assert.rejects(runTool("no-such-program-here", []), {
    code: "TOOL_MISSING",
    remedy: "apt-get install no-such-program-here",
  });
});

test("a failing program's own words are in the error", async () => {
  await assert.rejects(runTool(node, ["-e", "console.error('no space'); process.exit(3)"]), /ended with 3: no space/);
  assert.equal((await tryTool(node, ["-e", "process.exit(3)"])).exitCode, 3);
});

test("output and time are bounded, and the caller can cancel", async () => {
  const forever = ["-e", "setInterval(() => {}, 1000)"];
  const loud = ["-e", "process.stdout.write('x'.repeat(100_000))"];
  await assert.rejects(runTool(node, loud, { maxOutputBytes: 1000 }), /more than 1000 bytes/);
  await assert.rejects(runTool(node, forever, { timeoutMs: 50 }), /within 50 ms/);
  const cancelled = AbortSignal.abort();
  await assert.rejects(runTool(node, forever, { signal: cancelled }), { name: "AbortError" });
  const controller = new AbortController();
  const started = runTool(node, ["-e", "console.log('up'); setInterval(() => {}, 1000)"], {
    signal: controller.signal,
    onLine: () => controller.abort(),
  });
  await assert.rejects(started, { code: "CANCELLED" });
});

test("what a tool started ends with it when the caller cancels", async () => {
  const controller = new AbortController();
  const child = "setInterval(() => {}, 1000)";
  const parent = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: "inherit" }); console.error("up"); ${child}`;
  const started = tryTool(node, ["-e", parent], {
    signal: controller.signal,
    onErrorLine: () => controller.abort(),
  });
  // The call ends only when the pipes are closed: when everyone who holds them is gone.
  await assert.rejects(started, { code: "CANCELLED" });
});

test("a tool gets variables beside this process's own", async () => {
  const said = await runTool(node, ["-e", "console.log(process.env.GREETING, process.env.LC_ALL)"], {
    environment: { GREETING: "hello" },
  });
  assert.equal(said.toString(), "hello C\n");
});
