/**
 * The same recipe and inputs give the same image, byte for byte: built twice, each time in another cache, working and home directory, with another umask,
 * time zone, language and, on disk, another order of files.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { buildInChild, type ChildBuild } from "./image-builder-child.ts";
import { ModuleProxy, module } from "./image-builder-module-proxy.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-repro-"));
  await chmod(directory, 0o755);
});
after(async () => {
  // Go makes the folders of its module cache read-only.
  await promisify(execFile)("chmod", ["-R", "u+w", directory]);
  await rm(directory, { recursive: true, force: true });
});

/** Builds the recipe in two worlds that have nothing in common but what the recipe says. */
async function inTwoWorlds(
  name: string,
  recipes: readonly [string, string],
  environmentOf: (index: number) => Readonly<Record<string, string>> = () => ({}),
): Promise<[ChildBuild, ChildBuild]> {
  const worlds = [
    { umask: "022", environment: { TZ: "UTC", LANG: "C", LC_ALL: "C" } },
    { umask: "077", environment: { TZ: "Pacific/Chatham", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" } },
  ];
  const built: ChildBuild[] = [];
  for (const [index, world] of worlds.entries()) {
    const home = join(directory, `${name}-${index}`, "n".repeat(index * 40 + 1));
    for (const folder of ["cwd", "tmp", "cache"]) await mkdir(join(home, folder), { recursive: true });
    const own = { HOME: home, TMPDIR: join(home, "tmp"), USER: `user${index}` };
    const environment = { ...world.environment, ...own, ...environmentOf(index) };
    const request = { recipe: recipes[index] ?? "", cacheDirectory: join(home, "cache") };
    built.push(await buildInChild(request, { cwd: join(home, "cwd"), umask: world.umask, environment }));
    assert.deepEqual(await readdir(join(home, "tmp")), [], "nothing is left in the temporary folder");
    assert.deepEqual(await readdir(join(home, "cwd")), []);
  }
  const [one, other] = built;
  assert.ok(one !== undefined && other !== undefined);
  assert.equal(one.cached || other.cached, false);
  return [one, other];
}

/** Digest, names, size, and every blob: also those of the documents that are attached. */
async function assertSame(one: ChildBuild, other: ChildBuild): Promise<void> {
  assert.equal(other.digest, one.digest);
  assert.deepEqual(other.references, one.references);
  assert.deepEqual(other.labels, one.labels);
  assert.deepEqual(other.inputs, one.inputs);
  assert.deepEqual(other.software, one.software);
  const blobs = async ({ layout }: ChildBuild): Promise<string[]> =>
    (await readdir(join(layout, "blobs/sha256"))).sort();
  assert.deepEqual(await blobs(other), await blobs(one));
  assert.equal(
    await readFile(join(other.layout, "index.json"), "utf8"),
    await readFile(join(one.layout, "index.json"), "utf8"),
  );
}

/** A recipe of files with a folder of 300 files, written in one order or the other, with times of its own. */
async function filesRecipe(name: string, turned: boolean): Promise<string> {
  const folder = join(directory, name);
  await mkdir(join(folder, "tree/empty"), { recursive: true });
  const numbers = Array.from({ length: 300 }, (_, index) => (turned ? 299 - index : index));
  for (const number of numbers) {
    const path = join(folder, "tree", `file-${number}`);
    await writeFile(path, `${number}\n`.repeat(number));
    await chmod(path, number % 5 === 0 ? 0o755 : 0o644);
    await utimes(path, turned ? 1_000_000_000 : 1_700_000_000, turned ? 1_000_000_000 : 1_800_000_000);
  }
  await symlink("file-7", join(folder, "tree/link"));
  for (const path of ["tree", "tree/empty"]) await chmod(join(folder, path), 0o755);
  const recipe = join(folder, "recipe.yaml");
  await writeFile(
    recipe,
    `name: test/files
title: Files
version: "1"
date: 2026-11-01
architectures: [amd64, arm64]
layers:
  - files:
      - {path: etc/motd, text: "hello\\n", mode: "0600", user: 5}
      - {path: srv/tree, source: tree}
      - {path: dev/null, device: {type: character, major: 1, minor: 3}, mode: "0666"}
  - files:
      - {path: srv/tree/file-9, remove: true}
      - {path: srv/tree/file-10, text: other}
`,
  );
  return recipe;
}

describe("reproducible images", { timeout: 900_000 }, () => {
  it("of files, in whatever order and with whatever times they lie on disk", async () => {
    const recipes = [await filesRecipe("in-order", false), await filesRecipe("turned", true)] as const;
    const [one, other] = await inTwoWorlds("files", recipes);
    await assertSame(one, other);
  });

  it("of chosen files of Debian packages: base/tiny", async () => {
    const [one, other] = await inTwoWorlds("tiny", ["base/tiny", "base/tiny"]);
    await assertSame(one, other);
    assert.ok(one.software.some(({ name }) => name.startsWith("busybox")));
  });

  it("of Go programs, compiled from modules that lie elsewhere", async () => {
    const proxy = new ModuleProxy(join(directory, "proxy"));
    await proxy.publish("hello");
    const recipes: [string, string] = [
      await proxy.writeRecipe(join(directory, "go-here"), "hello"),
      await proxy.writeRecipe(join(directory, "go-elsewhere/and/deeper"), "hello"),
    ];
    const { stdout } = await promisify(execFile)("go", ["env", "GOCACHE"]);
    const [one, other] = await inTwoWorlds("go", recipes, (index) => ({
      ...proxy.environment(join(directory, `modules-${index}`)),
      // The standard library is compiled for others too: what is kept of it is shared, the program is compiled in each world.
      GOCACHE: index === 0 ? stdout.trim() : join(directory, "go-cache"),
    }));
    await assertSame(one, other);
    assert.ok(one.software.some(({ name }) => name === module));
  });

  it("of a kernel and its initrd: kernel/distro", async () => {
    const [one, other] = await inTwoWorlds("distro", ["kernel/distro", "kernel/distro"]);
    await assertSame(one, other);
  });
});
