/**
 * The same recipe and inputs give the same image, byte for byte: built twice, each time in another cache, working and home directory, with another umask,
 * time zone, language and, on disk, another order of files.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { ModuleProxy, module } from "./image-builder-module-proxy.ts";
import { assertSame, TwoWorlds } from "./image-builder-worlds.ts";

let worlds: TwoWorlds;
before(async () => {
  worlds = await TwoWorlds.create();
});
after(() => worlds[Symbol.asyncDispose]());

/** A recipe of files with a folder of 300 files, written in one order or the other, with times of its own. */
async function filesRecipe(name: string, turned: boolean): Promise<string> {
  const folder = join(worlds.directory, name);
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
    const [one, other] = await worlds.build("files", recipes);
    await assertSame(one, other);
  });

  it("of chosen files of Debian packages: base/tiny", async () => {
    const [one, other] = await worlds.build("tiny", ["base/tiny", "base/tiny"]);
    await assertSame(one, other);
    assert.ok(one.software.some(({ name }) => name.startsWith("busybox")));
  });

  it("of Go programs, compiled from modules that lie elsewhere", async () => {
    const proxy = new ModuleProxy(join(worlds.directory, "proxy"));
    await proxy.publish("hello");
    const recipes: [string, string] = [
      await proxy.writeRecipe(join(worlds.directory, "go-here"), "hello"),
      await proxy.writeRecipe(join(worlds.directory, "go-elsewhere/and/deeper"), "hello"),
    ];
    const { stdout } = await promisify(execFile)("go", ["env", "GOCACHE"]);
    const [one, other] = await worlds.build("go", recipes, (index) => ({
      ...proxy.environment(join(worlds.directory, `modules-${index}`)),
      // The standard library is compiled for others too: what is kept of it is shared, the program is compiled in each world.
      GOCACHE: index === 0 ? stdout.trim() : join(worlds.directory, "go-cache"),
    }));
    await assertSame(one, other);
    assert.ok(one.software.some(({ name }) => name === module));
  });

  it("of a container store, with an image in it that is built for it", async () => {
    const recipe = join(worlds.directory, "store.yaml");
    await writeFile(
      recipe,
      `name: test/store
title: A container store
version: "1"
date: 2026-11-01
architectures: [amd64, arm64]
layers:
  - containers:
      store: var/lib/containerd
      images:
        - {recipe: node/containers/pause, name: "test.invalid/pause:1"}
`,
    );
    const { stdout } = await promisify(execFile)("go", ["env", "GOCACHE"]);
    const [one, other] = await worlds.build("store", [recipe, recipe], () => ({ GOCACHE: stdout.trim() }));
    await assertSame(one, other);
    assert.ok(one.inputs.some(({ kind, name }) => kind === "image" && name === "node/containers/pause"));
  });

  it("of a kernel and its initrd: kernel/distro", async () => {
    const [one, other] = await worlds.build("distro", ["kernel/distro", "kernel/distro"]);
    await assertSame(one, other);
  });
});
