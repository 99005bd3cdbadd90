/** Logs that are rotated, cut and born while they are followed. */
import assert from "node:assert/strict";
import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { readLogs } from "./log-reader.ts";

let directory: string;
describe("reading logs", () => {
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-log-reader-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  async function read(files: readonly string[], tailLines: number): Promise<string> {
    let all = "";
    for await (const bytes of readLogs(files, { tailLines, follow: false, signal: AbortSignal.timeout(5_000) })) {
      all += Buffer.from(bytes).toString();
    }
    return all;
  }

  /** Follows; `steps[text]` is done once all of `text` has been read. Ends when the text named `until` has been read. */
  async function follow(
    file: string,
    steps: Readonly<Record<string, () => Promise<void>>>,
    until: string,
  ): Promise<string> {
    const ending = new AbortController();
    const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(5_000)]);
    let all = "";
    for await (const bytes of readLogs([file], { tailLines: 0, follow: true, signal, heartbeatMs: 50 })) {
      all += Buffer.from(bytes).toString();
      if (all === until) ending.abort();
      await steps[all]?.();
    }
    return all;
  }

  test("the last lines are the last lines, whatever the sizes and however many files", async () => {
    const file = join(directory, "a.log");
    const older = join(directory, "a.log.1");
    const line = fc.stringMatching(/^[a-z]{0,40}$/);
    await fc.assert(
      fc.asyncProperty(
        fc.array(line),
        fc.array(line),
        fc.integer({ min: 1, max: 30 }),
        async (first, second, wanted) => {
          await writeFile(older, first.map((text) => `${text}\n`).join(""));
          await writeFile(file, second.map((text) => `${text}\n`).join(""));
          const expected = [...first, ...second].slice(-wanted).map((text) => `${text}\n`);
          assert.equal(await read([older, file], wanted), expected.join(""));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("lines longer than a chunk, and a last line without an end", async () => {
    const file = join(directory, "a.log");
    const long = "x".repeat(200_000);
    await writeFile(file, `first\n${long}\nlast`);
    assert.equal(await read([file], 1), "last");
    assert.equal(await read([file], 2), `${long}\nlast`);
  });

  test("files that are not there are empty", async () => {
    assert.equal(await read([join(directory, "nope")], 0), "");
    assert.equal(await read([], 3), "");
  });

  test("following goes on through rotation: the old file to its end, then the new one", async () => {
    const file = join(directory, "a.log");
    await writeFile(file, "one\n");
    const rotate = async (): Promise<void> => {
      await appendFile(file, "two\n");
      await rename(file, `${file}.1`);
      await writeFile(file, "three\n");
    };
    assert.equal(await follow(file, { "one\n": rotate }, "one\ntwo\nthree\n"), "one\ntwo\nthree\n");
  });

  test("a file that was cut is read from its start again", async () => {
    const file = join(directory, "a.log");
    await writeFile(file, "a long first line\n");
    const cut = async (): Promise<void> => {
      await truncate(file, 0);
      await appendFile(file, "new\n");
    };
    assert.equal(
      await follow(file, { "a long first line\n": cut }, "a long first line\nnew\n"),
      "a long first line\nnew\n",
    );
  });

  test("a file that is made later is followed from its first byte", async () => {
    const file = join(directory, "late.log");
    const following = follow(file, {}, "born\n");
    await writeFile(file, "born\n");
    assert.equal(await following, "born\n");
  });
});
