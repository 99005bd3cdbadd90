/** The log in a file: upstream lower-cased its path and opened it for reading only. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { defaultAgentConfig } from "../config/load.ts";
import { openLog } from "./log-output.ts";

/** The lines of a file, once there are so many. */
async function linesOf(path: string, count: number, signal: AbortSignal): Promise<readonly string[]> {
  for (;;) {
    const lines = (await readFile(path, "utf8")).split("\n").filter((line) => line !== "");
    if (lines.length >= count) return lines;
    await setImmediate(undefined, { signal });
  }
}

test("a file is appended to under the name it was given, as text or JSON", { timeout: 5_000 }, async ({ signal }) => {
  const directory = await mkdtemp(join(tmpdir(), "lm-log-"));
  try {
    const output = join(directory, "FlintLock.LOG");
    const { log } = defaultAgentConfig();
    (await openLog({ ...log, output, format: "text" })).info("agent.ready", { version: "v1", why: "two words" });
    const [text] = await linesOf(output, 1, signal);
    assert.match(text ?? "", /^\d{4}-\d\d-\d\dT\S+Z INFO agent\.ready version=v1 why="two words"$/);
    (await openLog({ ...log, output, format: "json" })).info("agent.stopped");
    const [kept, json] = await linesOf(output, 2, signal);
    assert.equal(kept, text);
    assert.equal(JSON.parse(json ?? "").event, "agent.stopped");
    assert.equal((await stat(output)).mode & 0o137, 0);
    await assert.rejects(openLog({ ...log, output: join(directory, "none", "x") }), { code: "CONFIG_INVALID" });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
