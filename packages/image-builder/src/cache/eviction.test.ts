import assert from "node:assert/strict";
import { access, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { keepImage, keepLayer, layersOf, testCache } from "./cache-fixture.ts";
import { diskFullOr } from "./disk-full.ts";
import { cacheUsage, evictOldest, listCache, pruneCache } from "./eviction.ts";
import { whileEvicting } from "./lease.ts";
import { ownerOf } from "./owner.ts";

const kilobytes = (count: number): string => "x".repeat(count * 1024);

/** Three layers, the oldest first, nobody holds them. */
async function filled(): Promise<Awaited<ReturnType<typeof testCache>>> {
  const cache = await testCache();
  const lease = await cache.lease();
  for (const [key, secondsAgo] of [
    ["aa", 300],
    ["bb", 200],
    ["cc", 100],
  ] as const) {
    await keepLayer(lease, key, kilobytes(100), secondsAgo);
  }
  await lease.end();
  return cache;
}

describe("the bound of the cache", () => {
  test("is kept by removing what was not used for longest", async () => {
    await using cache = await filled();
    const user = await cache.lease();
    await layersOf(user).find("aa");
    await user.end();
    const lease = await cache.lease();
    await evictOldest(lease, 250 * 1024);
    assert.deepEqual((await readdir(cache.folders.layers)).sort(), ["aa", "cc"]);
    assert.ok((await cacheUsage(cache.folders.root)).totalBytes <= 250 * 1024);
  });

  test("does not touch what a build uses", async () => {
    await using cache = await filled();
    const user = await cache.lease();
    await user.pin("layers", "aa");
    const lease = await cache.lease();
    await evictOldest(lease, 0);
    assert.deepEqual(await readdir(cache.folders.layers), ["aa"]);
    await user.end();
    await evictOldest(lease, 0);
    assert.deepEqual(await readdir(cache.folders.layers), []);
  });

  test("counts what images and layers share once, and lets images go before their layers", async () => {
    await using cache = await testCache();
    const lease = await cache.lease();
    await keepLayer(lease, "aa", kilobytes(400), 100);
    await keepImage(lease, "dd", "aa", kilobytes(400), 110);
    await lease.end();
    const { totalBytes, kinds } = await cacheUsage(cache.folders.root);
    assert.ok(totalBytes < 500 * 1024, String(totalBytes));
    assert.deepEqual([kinds.image.entries, kinds.layer.entries], [1, 1]);
    const dry = await pruneCache({ cacheDirectory: cache.folders.root, all: true, dryRun: true });
    assert.deepEqual(
      dry.removed.map(({ kind, key }) => `${kind} ${key}`),
      ["image dd", "layer aa"],
    );
    assert.equal((await listCache(cache.folders.root)).length, 2);
    const { freedBytes, keptBytes } = await pruneCache({ cacheDirectory: cache.folders.root, all: true });
    assert.deepEqual([freedBytes, keptBytes], [totalBytes, 0]);
  });

  test("does not remove a layer whose image is in use: that would free nothing", async () => {
    await using cache = await testCache();
    const lease = await cache.lease();
    await keepLayer(lease, "aa", kilobytes(400), 100);
    await keepImage(lease, "dd", "aa", kilobytes(400), 110);
    await keepLayer(lease, "bb", kilobytes(10), 0);
    await lease.end();
    const user = await cache.lease();
    await user.pin("images", "dd");
    await evictOldest(user, 0);
    assert.deepEqual(await readdir(cache.folders.layers), ["aa"]);
  });

  test("holds for what was handed to this process until it prunes", async () => {
    await using cache = await filled();
    const lease = await cache.lease();
    await lease.keep("layers", "aa");
    await lease.end();
    const other = await cache.lease();
    await evictOldest(other, 0);
    assert.deepEqual(await readdir(cache.folders.layers), ["aa"]);
    assert.equal((await listCache(cache.folders.root))[0]?.inUse, true);
    await pruneCache({ cacheDirectory: cache.folders.root, maxBytes: 0 });
    assert.deepEqual(await readdir(cache.folders.layers), []);
  });
});

describe("pruning", () => {
  test("removes by age, by size, or everything", async () => {
    await using cache = await filled();
    const prune = async (how: Omit<Parameters<typeof pruneCache>[0], "cacheDirectory">): Promise<readonly string[]> =>
      (await pruneCache({ cacheDirectory: cache.folders.root, ...how })).removed.map(({ key }) => key);
    assert.deepEqual(await prune({}), []);
    assert.deepEqual(await prune({ olderThanMs: 250_000 }), ["aa"]);
    assert.deepEqual(await prune({ maxBytes: 150 * 1024 }), ["bb"]);
    assert.deepEqual(await prune({ all: true }), ["cc"]);
    assert.deepEqual(await readdir(cache.folders.work), []);
    assert.deepEqual(await readdir(cache.folders.evicting), []);
  });

  test("takes downloads of the steps only while no build runs", async () => {
    await using cache = await filled();
    const deb = join(cache.folders.root, "debian/packages/a.deb");
    const program = join(cache.folders.root, "go/0123456789abcdef01234567/kubelet");
    for (const file of [deb, program]) {
      await mkdir(join(file, ".."), { recursive: true });
      await writeFile(file, kilobytes(10));
    }
    const downloads = (await listCache(cache.folders.root)).filter(({ kind }) => kind === "download");
    assert.deepEqual(downloads.map(({ key }) => key).sort(), ["debian/packages/a.deb", "go/0123456789abcdef01234567"]);
    const build = join(cache.folders.work, `${ownerOf(process.ppid)}.aa`);
    await mkdir(build);
    const first = await pruneCache({ cacheDirectory: cache.folders.root, all: true });
    assert.deepEqual(
      first.removed.map(({ kind }) => kind),
      ["layer", "layer", "layer"],
    );
    await access(deb);
    // Sweeping does not take it: the process lives.
    assert.deepEqual(await readdir(cache.folders.work), [`${ownerOf(process.ppid)}.aa`]);
  });

  test("that meets a build gives way: what is pinned before the eviction looks stays, what comes after waits for it", async () => {
    await using cache = await filled();
    const lease = await cache.lease();
    const entry = { category: "layers", key: "aa" } as const;
    await lease.pin("layers", "aa");
    assert.equal(await whileEvicting(cache.folders, entry, () => assert.fail("it is pinned")), false);
    const order: string[] = [];
    let pinned: Promise<unknown> = Promise.resolve();
    const evicted = await whileEvicting(cache.folders, { ...entry, key: "bb" }, async () => {
      pinned = lease.pin("layers", "bb").then(() => order.push("pinned"));
      await writeFile(join(cache.folders.root, "probe"), "");
      order.push("evicted");
    });
    await pinned;
    assert.deepEqual([evicted, order], [true, ["evicted", "pinned"]]);
  });
});

describe("a full disk", () => {
  test("is told as such, whoever met it", async () => {
    const enospc = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    const tool = new PlatformError("IMAGE_BUILD_FAILED", "go build ended with 1: mkdir /x: no space left on device");
    const wrapped = new PlatformError("IMAGE_BUILD_FAILED", "layer go: it failed", { cause: tool });
    for (const error of [enospc, tool, wrapped]) {
      const told = await diskFullOr(error, "/tmp");
      assert.ok(told instanceof PlatformError && told.code === "DISK_FULL");
      assert.match(told.message, /no space is left for the build \(cache: \/tmp, \d+ MiB are free there\)/);
      assert.match(told.remedy, /lm image cache prune/);
    }
    const other = new Error("something else");
    assert.equal(await diskFullOr(other, "/tmp"), other);
  });
});
