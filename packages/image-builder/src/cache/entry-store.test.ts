import assert from "node:assert/strict";
import { mkdir, readdir, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { keepLayer, layerRecord, layersOf, stageLayer, testCache } from "./cache-fixture.ts";
import { ownerOf } from "./owner.ts";
import { blobName, layerEntry } from "./records.ts";

describe("entries of the cache", () => {
  test("are found as they were published", async () => {
    await using cache = await testCache();
    const lease = await cache.lease();
    const layers = layersOf(lease);
    assert.equal(await layers.find("aa"), undefined);
    assert.deepEqual(await layers.publish(await stageLayer(lease, "aa", "blob"), "aa"), layerRecord("aa", "blob"));
    assert.deepEqual(await layers.find("aa"), layerRecord("aa", "blob"));
  });

  for (const [damage, harm] of [
    ["a blob that was cut", (folder: string) => truncate(join(folder, blobName), 2)],
    ["no blob", (folder: string) => rm(join(folder, blobName))],
    ["a record that was cut", (folder: string) => truncate(join(folder, layerEntry.recordName), 10)],
    ["no record", (folder: string) => rm(join(folder, layerEntry.recordName))],
    ["a record of another version", (folder: string) => writeFile(join(folder, layerEntry.recordName), "{}")],
  ] as const) {
    test(`with ${damage} count as absent, are removed, and can be made again`, async () => {
      await using cache = await testCache();
      const lease = await cache.lease();
      await keepLayer(lease, "aa", "blob");
      await harm(join(cache.folders.layers, "aa"));
      assert.equal(await layersOf(lease).find("aa"), undefined);
      assert.deepEqual(await readdir(cache.folders.layers), []);
      await keepLayer(lease, "aa", "blob");
      assert.deepEqual(await layersOf(lease).find("aa"), layerRecord("aa", "blob"));
    });
  }

  test("with bytes of the right number but others are found by reading them", async () => {
    await using cache = await testCache();
    const lease = await cache.lease();
    await keepLayer(lease, "aa", "blob");
    const record = layerRecord("aa", "blob");
    const { signal } = new AbortController();
    assert.equal(await layersOf(lease).verify("aa", record, signal), true);
    await writeFile(join(cache.folders.layers, "aa", blobName), "glob");
    assert.equal(await layersOf(lease).verify("aa", record, signal), false);
    assert.equal(await layersOf(lease).find("aa"), undefined);
  });

  test("published twice are those of who was first; damaged ones are replaced", async () => {
    await using cache = await testCache();
    const [one, other] = [await cache.lease(), await cache.lease()];
    const staged = [await stageLayer(one, "aa", "first"), await stageLayer(other, "aa", "second")] as const;
    assert.deepEqual(await layersOf(one).publish(staged[0], "aa"), layerRecord("aa", "first"));
    assert.deepEqual(await layersOf(other).publish(staged[1], "aa"), layerRecord("aa", "first"));
    await truncate(join(cache.folders.layers, "aa", blobName), 1);
    const third = await stageLayer(other, "aa", "third");
    assert.deepEqual(await layersOf(other).publish(third, "aa"), layerRecord("aa", "third"));
    const fourth = await stageLayer(other, "aa", "fourth");
    assert.deepEqual(await layersOf(other).publish(fourth, "aa", { replace: true }), layerRecord("aa", "fourth"));
  });

  test("published by many at once are whole for all of them", async () => {
    await using cache = await testCache();
    const leases = await Promise.all(Array.from({ length: 8 }, () => cache.lease()));
    const records = await Promise.all(
      leases.map(async (lease) => layersOf(lease).publish(await stageLayer(lease, "aa", "same"), "aa")),
    );
    for (const record of records) assert.deepEqual(record, layerRecord("aa", "same"));
  });
});

describe("leases", () => {
  test("have directories of their own, and leave nothing", async () => {
    await using cache = await testCache();
    const lease = await cache.lease();
    await writeFile(join(await lease.newDirectory(), "x"), "");
    await mkdir(join(await lease.newDirectory(), "read-only"), { mode: 0o500 });
    await lease.pin("layers", "aa");
    await lease.end();
    assert.deepEqual(await readdir(cache.folders.work), []);
    assert.deepEqual(await readdir(cache.folders.pins), []);
  });

  test("sweep what dead processes left, and leave alone what living ones have", async () => {
    await using cache = await testCache();
    await cache.lease();
    const living = ownerOf(process.ppid);
    // The number of a living process, given out a second time: its start time tells.
    const [, , space] = living.split("-");
    const dead = `${process.ppid}-1-${space}`;
    for (const owner of [living, dead, `999999999-5-${space}`, "nobody"]) {
      await mkdir(join(cache.folders.work, `${owner}.aa`));
      await writeFile(join(cache.folders.pins, `layers-aa.${owner}.bb`), "");
      await writeFile(join(cache.folders.evicting, `layers-bb.${owner}.cc`), "");
    }
    const second = await cache.lease();
    const names = await readdir(cache.folders.work);
    assert.ok(names.includes(`${living}.aa`));
    assert.equal(names.filter((name) => name.endsWith(".aa")).length, 1);
    assert.deepEqual(await readdir(cache.folders.pins), [`layers-aa.${living}.bb`]);
    assert.deepEqual(await readdir(cache.folders.evicting), [`layers-bb.${living}.cc`]);
    await second.end();
  });

  test("leave alone for a day what belongs to a build in another container", async () => {
    await using cache = await testCache();
    await cache.lease();
    const [recent, old] = [join(cache.folders.work, "7-7-1.aa"), join(cache.folders.work, "8-8-1.bb")];
    await mkdir(recent);
    await mkdir(old);
    const yesterday = Date.now() / 1000 - 25 * 3_600;
    await utimes(old, yesterday, yesterday);
    await cache.lease();
    const names = await readdir(cache.folders.work);
    assert.deepEqual([names.includes("7-7-1.aa"), names.includes("8-8-1.bb")], [true, false]);
  });
});
