import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { defaultCacheDirectory, ImageCache, type ImageRecord } from "./image-cache.ts";

const record: ImageRecord = {
  recipe: "base/test",
  references: ["liquidmetal.local/base/test:1"],
  digest: `sha256:${"a".repeat(64)}`,
  sizeBytes: 5,
  labels: {},
  packages: [],
};
const make = async (_work: string, archivePath: string): Promise<ImageRecord> => {
  await writeFile(archivePath, "image");
  return record;
};

let directory = "";
describe("the cache of images", () => {
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-cache-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  test("what was kept is found again, and nothing else is left", async () => {
    const cache = new ImageCache(directory);
    assert.equal(await cache.find("k"), undefined);
    const kept = await cache.keep("k", make);
    assert.deepEqual(await cache.find("k"), kept);
    assert.deepEqual(await readdir(join(directory, "work")), []);
  });

  test("a build that fails leaves neither an entry nor its work", async () => {
    const cache = new ImageCache(directory);
    const failing = cache.keep("k", async (_work, archivePath) => {
      await writeFile(archivePath, "im");
      throw new Error("half way");
    });
    await assert.rejects(failing, /half way/);
    assert.equal(await cache.find("k"), undefined);
    assert.deepEqual(await readdir(join(directory, "work")), []);
  });

  test("a damaged entry is removed and can be built again", async () => {
    const cache = new ImageCache(directory);
    const { archivePath } = await cache.keep("k", make);
    await truncate(archivePath, 3);
    assert.equal(await cache.find("k"), undefined);
    assert.deepEqual(await cache.keep("k", make), await cache.find("k"));
  });

  test("two builds of one key both end well", async () => {
    const cache = new ImageCache(directory);
    const [one, other] = await Promise.all([cache.keep("k", make), cache.keep("k", make)]);
    assert.deepEqual(one, other);
  });

  test("the work of a process that died is swept, that of a live one is not", async () => {
    const dead = join(directory, "work/999999999-aa");
    const live = join(directory, `work/${process.pid}-bb`);
    await mkdir(dead, { recursive: true });
    await mkdir(live, { recursive: true });
    await new ImageCache(directory).keep("k", make);
    assert.deepEqual(await readdir(join(directory, "work")), [`${process.pid}-bb`]);
  });

  test("the cache lies where XDG says, if that is absolute", () => {
    assert.equal(defaultCacheDirectory({ XDG_CACHE_HOME: "/c" }), "/c/liquidmetal/images");
    assert.match(defaultCacheDirectory({ XDG_CACHE_HOME: "c" }), /\/\.cache\/liquidmetal\/images$/);
  });
});
