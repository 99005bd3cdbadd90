import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { writeBeside, writeWhole } from "./whole-file.ts";

test("many writers of one file at once all succeed, one of them whole, and nothing stays beside it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "lm-whole-"));
  try {
    const file = join(directory, "list");
    const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(10_000));
    await Promise.all(texts.map((text) => writeWhole(file, text)));
    assert.ok(texts.includes(await readFile(file, "utf8")));
    await assert.rejects(
      writeBeside(file, () => Promise.reject(new Error("disk"))),
      /disk/,
    );
    assert.deepEqual(await readdir(directory), ["list"]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
