/**
 * The builder interrupted, killed, starved of disk and run beside itself: nothing half is left, what is finished is kept, the result is the same.
 *
 * The full disk needs root: a tmpfs in a mount namespace of its own.
 */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type BuildEvent, buildRecipe, listCache, pruneCache, verifyImage } from "@liquidmetal/image-builder";
import { builtBy, CoreWorld, failureOf, madeLayers } from "./image-builder-core-world.ts";

const stages = ["resolve", "build first", "pack first", "build second", "pack second", "assemble"];
const notRoot = process.getuid?.() === 0 ? false : "a tmpfs needs root";
const mebibyte = 1024 * 1024;

describe("the image builder", { timeout: 600_000 }, () => {
  let world: CoreWorld;
  let recipe = "";
  let digest = "";
  const cache = (name: string): string => join(world.directory, `cache-${name.replaceAll(" ", "-")}`);

  before(async () => {
    world = await CoreWorld.create();
    recipe = await world.recipe("two", [
      { name: "first", sizeBytes: 2 * mebibyte },
      { name: "second", sizeBytes: 2 * mebibyte },
    ]);
    const run = await world.run({ request: { recipe, cacheDirectory: cache("reference") } });
    digest = builtBy(run).digest;
  });
  after(() => world[Symbol.asyncDispose]());

  /** Builds again: the same image, what was finished before is not made again, and nothing but the cache is left. */
  async function resumes(cacheDirectory: string, finished: readonly string[]): Promise<void> {
    const made: string[] = [];
    const onEvent = ({ stage, text, layer = "" }: BuildEvent): void => {
      if (stage === "pack" && text === "packed") made.push(layer);
    };
    const again = await buildRecipe({ recipe, cacheDirectory, onEvent });
    assert.equal(again.digest, digest);
    const missing = ["first", "second"].filter((layer) => !finished.includes(layer));
    assert.deepEqual(made, missing);
    assert.deepEqual(await readdir(join(cacheDirectory, "work")), []);
    await verifyImage(again.layout);
    assert.equal((await buildRecipe({ recipe, cacheDirectory })).cached, true);
  }

  for (const stage of stages) {
    it(`leaves nothing half when Ctrl-C comes at "${stage}", and goes on from there`, async () => {
      const cacheDirectory = cache(`interrupted ${stage}`);
      const run = await world.run({ request: { recipe, cacheDirectory }, interruptAt: stage });
      const { failed, left } = failureOf(run);
      assert.equal(failed.code, "CANCELLED");
      assert.deepEqual([left["work"], left["pins"], left["images"]], [[], [], []]);
      const finished = madeLayers(run);
      assert.equal(left["layers"]?.length, finished.length);
      await resumes(cacheDirectory, finished);
    });

    it(`sweeps up after a build that was killed at "${stage}", and goes on from there`, async () => {
      const cacheDirectory = cache(`killed ${stage}`);
      const run = await world.run({ request: { recipe, cacheDirectory }, stopAt: stage }, (line, child) => {
        if ("stopped" in line) child.kill("SIGKILL");
      });
      assert.equal(run.killedBy, "SIGKILL");
      assert.equal((await readdir(join(cacheDirectory, "work"))).length, 1);
      assert.deepEqual(await readdir(join(cacheDirectory, "images")), []);
      const finished = (await listCache(cacheDirectory)).map(({ name }) => name.split(" ")[1] ?? "");
      await resumes(cacheDirectory, finished);
      const own = /\.kept$/;
      assert.ok((await readdir(join(cacheDirectory, "pins"))).every((pin) => own.test(pin)));
    });
  }

  it("builds beside itself: many at once, one of them killed, and the cache pruned meanwhile", async () => {
    const cacheDirectory = cache("crowd");
    const request = { recipe, cacheDirectory };
    const builds = [1, 2, 3].map(() => world.run({ request }));
    const victim = world.run({ request, stopAt: "pack second" }, (line, child) => {
      if ("stopped" in line) child.kill("SIGKILL");
    });
    const all = Promise.all(builds);
    let done = false;
    const ended = all.finally(() => {
      done = true;
    });
    while (!done) await pruneCache({ cacheDirectory, all: true });
    for (const run of await ended) assert.equal(builtBy(run).digest, digest);
    await victim;
    assert.equal(builtBy(await world.run({ request })).digest, digest);
    assert.deepEqual(await readdir(join(cacheDirectory, "work")), []);
    assert.deepEqual(await readdir(join(cacheDirectory, "evicting")), []);
  });

  it("says that the disk is full, keeps what is finished and goes on when there is room", {
    skip: notRoot,
  }, async () => {
    for (const [size, finished] of [
      ["64k", 0],
      ["3m", 1],
      ["5m", 2],
    ] as const) {
      const cacheDirectory = cache(`full ${size}`);
      const big = await world.recipe("big", [
        { name: "first", sizeBytes: 2 * mebibyte },
        { name: "second", sizeBytes: (finished === 2 ? 2 : 4) * mebibyte },
        ...(finished === 2 ? [{ name: "third", sizeBytes: 4 * mebibyte }] : []),
      ]);
      const script = 'mkdir -p "$1" && mount -t tmpfs -o size="$2" tmpfs "$1" && shift 2 && exec "$@"';
      const within = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        script,
        "sh",
        cacheDirectory,
        size,
      ];
      const run = await world.run({ request: { recipe: big, cacheDirectory } }, () => {}, within);
      const { failed, left } = failureOf(run);
      assert.equal(failed.code, "DISK_FULL", failed.message);
      assert.match(failed.message, /no space is left for the build \(cache: .*MiB are free there\)/);
      assert.match(failed.remedy, /lm image cache prune/);
      assert.deepEqual([left["work"], left["pins"], left["images"]], [[], [], []]);
      assert.equal(left["layers"]?.length, finished, size);
    }
  });

  it("does not remove what a dead build has left mounted", { skip: notRoot }, async () => {
    const cacheDirectory = cache("mounted");
    const precious = join(world.directory, "precious");
    const dead = join(cacheDirectory, "work/nobody.dead/root");
    await mkdir(precious);
    await mkdir(dead, { recursive: true });
    await writeFile(join(precious, "file"), "still here");
    const script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
    const within = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh", precious, dead];
    const run = await world.run({ request: { recipe, cacheDirectory } }, () => {}, within);
    assert.equal(builtBy(run).digest, digest);
    assert.equal(await readFile(join(precious, "file"), "utf8"), "still here");
    await world.run({ request: { recipe, cacheDirectory } });
    assert.deepEqual(await readdir(join(cacheDirectory, "work")), []);
  });
});
