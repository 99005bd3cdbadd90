/**
 * Trees that archives get wrong, and trees that are large, from recipe to layers and to a file system, compared with the original whole.
 *
 * Needs root (device nodes, owners) and loop devices; mounts are made in a mount namespace of their own, which ends with the reader.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { verifyImage } from "@liquidmetal/image-builder";
import { buildInChild, type ChildBuild } from "./image-builder-child.ts";
import { foreignLayout, plantOddTree, treeDigest } from "./image-builder-odd-tree.ts";
import { checkSparseFile } from "./image-builder-sparse-file.ts";
import { layerFiles, mountedDigest, unpack } from "./image-builder-unpacked.ts";

const run = promisify(execFile);
const recipe = (name: string, rest: string): string =>
  `name: test/${name}\ntitle: Extreme\nversion: "1"\ndate: 2026-11-01\narchitectures: [amd64, arm64]\n${rest}`;

describe("extreme trees", { skip: process.getuid?.() !== 0 && "needs root", timeout: 900_000 }, () => {
  let directory = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-extremes-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function build(name: string, text: string): Promise<ChildBuild> {
    const folder = join(directory, name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "recipe.yaml"), recipe(name, text));
    const request = { recipe: join(folder, "recipe.yaml"), cacheDirectory: join(folder, "cache") };
    const built = await buildInChild(request, { outputs: [`ext4:${join(folder, "root.img")}`] });
    assert.ok(built.peakResidentMiB < 600, `${built.peakResidentMiB} MiB were resident`);
    await verifyImage(built.layout);
    return built;
  }

  it("odd names, links, devices, owners, setuid and attributes survive an image from elsewhere, layers and ext4", async () => {
    const folder = join(directory, "odd");
    const tree = join(folder, "tree");
    await mkdir(tree, { recursive: true });
    await plantOddTree(tree);
    await foreignLayout(tree, join(folder, "layout"));
    const text = `from: oci:layout\nlayers:\n  - files:\n      - {path: etc/added, text: added}\n      - {path: bin/tool, text: x, mode: "4755"}\n      - {path: tmp/added, text: added}\n`;
    const { layout } = await build("odd", text);
    await mkdir(join(tree, "etc"));
    await writeFile(join(tree, "etc/added"), "added");
    await writeFile(join(tree, "bin/tool"), "x");
    await chmod(join(tree, "bin/tool"), 0o4755);
    await writeFile(join(tree, "tmp/added"), "added");
    const expected = await treeDigest(tree);
    await unpack(layout, join(folder, "unpacked"));
    assert.equal(await treeDigest(join(folder, "unpacked")), expected);
    assert.equal(await mountedDigest(join(folder, "root.img"), join(folder, "mounted")), expected);
  });

  it("a hundred thousand small files", async () => {
    const tree = join(directory, "many/tree");
    for (let folder = 0; folder < 500; folder += 1) {
      await mkdir(join(tree, `d${folder}`), { recursive: true });
      const names = Array.from({ length: 200 }, (_, index) => join(tree, `d${folder}`, `f${index}`));
      await Promise.all(names.map((name, index) => writeFile(name, `${folder}/${index}\n`)));
    }
    const { layout } = await build("many", "layers:\n  - files:\n      - {path: srv/tree, source: tree}\n");
    const [layer] = await layerFiles(layout);
    const listed = await run("tar", [...(layer?.flags ?? []), "-tf", layer?.file ?? ""], { maxBuffer: 2 ** 26 });
    assert.equal(listed.stdout.split("\n").filter((line) => /\/f\d+$/.test(line)).length, 100_000);
    await mkdir(join(directory, "many/expected/srv"), { recursive: true });
    await rename(tree, join(directory, "many/expected/srv/tree"));
    const mounted = await mountedDigest(join(directory, "many/root.img"), join(directory, "many/mounted"));
    assert.equal(mounted, await treeDigest(join(directory, "many/expected")));
  });

  it("a sparse file of 1 GiB takes neither 1 GiB of disk nor of memory", async () => {
    await mkdir(join(directory, "sparse"));
    await checkSparseFile(join(directory, "sparse"), 2 ** 30);
  });
});
