/** Builds one recipe in two worlds that have nothing in common but what the recipe says, for tests that compare what comes out. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildInChild, type ChildBuild } from "./image-builder-child.ts";

/** Caches, home and temporary folders of both worlds lie in one directory, which goes with this. */
export class TwoWorlds implements AsyncDisposable {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<TwoWorlds> {
    const directory = await mkdtemp(join(tmpdir(), "lm-worlds-"));
    await chmod(directory, 0o755);
    return new TwoWorlds(directory);
  }

  /** Fails when something is left behind. `recipes`: one for each world. */
  async build(
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
      const home = join(this.directory, `${name}-${index}`, "n".repeat(index * 40 + 1));
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

  async [Symbol.asyncDispose](): Promise<void> {
    // Go makes the folders of its module cache read-only.
    await promisify(execFile)("chmod", ["-R", "u+w", this.directory]);
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Digest, names, size, and every blob: also those of the documents that are attached. */
export async function assertSame(one: ChildBuild, other: ChildBuild): Promise<void> {
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
