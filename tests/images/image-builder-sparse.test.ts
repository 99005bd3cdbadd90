/** The largest sparse file that a recipe is expected to bring: 10 GB of holes. Reads them five times, so it takes minutes and no disk. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { checkSparseFile } from "../integration/image-builder-sparse-file.ts";

describe("a sparse file of 10 GB", { skip: process.getuid?.() !== 0 && "needs root", timeout: 1_800_000 }, () => {
  let directory = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-sparse-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  it("takes neither 10 GB of disk nor of memory", () => checkSparseFile(directory, 10 * 2 ** 30));
});
