/**
 * Our layers as others unpack them: what containerd shows of an image, what our own root volume of it shows, and the tree that it was made from are the same.
 * Needs root; mounts are made in mount namespaces of their own.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { unwrap } from "@liquidmetal/foundation";
import { writeOutput } from "@liquidmetal/image-builder";
import { ContainerdImageStore } from "@liquidmetal/images";
import { ImageLayout } from "../../packages/image-builder/src/build/image-layout.ts";
import { writeFileSystem } from "../../packages/image-builder/src/ext4/file-system.ts";
import { writeLayer } from "../../packages/image-builder/src/oci/layer.ts";
import { writeTreeTar } from "../../packages/image-builder/src/oci/tar-archive.ts";
import { difference } from "../../packages/image-builder/src/tree/difference.ts";
import { FileTree } from "../../packages/image-builder/src/tree/file-tree.ts";
import { merge } from "../../packages/image-builder/src/tree/merge.ts";
import { containerd1, containerd2Binary, PrivateContainerd } from "../assets/containerd.ts";
import { treeDigest } from "./image-builder-odd-tree.ts";

const run = promisify(execFile);
const epochSeconds = 1_700_000_000;
const capability = Buffer.from("0100000200040000000000000000000000000000", "hex");
/** `user::rwx,user:5:r-x,group::r-x,mask::rwx,other::r-x`, as system calls have it. */
const accessList = Buffer.from(
  "0200000001000700ffffffff020005000500000004000500ffffffff10000700ffffffff20000500ffffffff",
  "hex",
);

const before_ = (): FileTree =>
  new FileTree()
    .file("usr/bin/ping", "ping", { mode: 0o4755, xattrs: { "security.capability": capability } })
    .symlink("bin", "usr/bin")
    .directory("tmp", { mode: 0o1777 })
    .file("etc/held", "old")
    .hardlink("etc/also-held", "etc/held")
    .file("var/cache/deep/down/file", "x")
    .file("srv/list", "", { mode: 0o775, xattrs: { "system.posix_acl_access": accessList } })
    .directory("opt/becomes-file")
    .file("opt/becomes-directory", "x")
    .file("gone", "x");

const after_ = (): FileTree =>
  new FileTree()
    .file("usr/bin/ping", "ping", { mode: 0o4755, xattrs: { "security.capability": capability } })
    .symlink("bin", "usr/bin")
    .directory("tmp", { mode: 0o1777, uid: 7 })
    .file("etc/held", "new")
    .file("etc/also-held", "old")
    .directory("var/cache", { mode: 0o700 })
    .file("srv/list", "", { mode: 0o775, xattrs: { "system.posix_acl_access": accessList } })
    .file("opt/becomes-file", "now", { uid: 100_000, gid: 5 })
    .file("opt/becomes-directory/inside", "now")
    .characterDevice("dev/null", 1, 3, { mode: 0o666 })
    .fifo("run/pipe");

async function layoutOf(directory: string, trees: readonly FileTree[]): Promise<string> {
  const path = join(directory, "layout");
  const layout = await ImageLayout.create(path);
  const [layers, diffIds] = [[] as object[], [] as string[]];
  for (const [index, tree] of trees.entries()) {
    const layer = await writeLayer(tree, join(directory, `layer-${index}`), { epochSeconds });
    layers.push(await layout.link(layer.file, layer));
    diffIds.push(layer.diffId);
  }
  const platform = { architecture: process.arch === "x64" ? "amd64" : process.arch, os: "linux" };
  const type = (name: string): string => `application/vnd.oci.image.${name}.v1+json`;
  const rootfs = { type: "layers", diff_ids: diffIds };
  const config = await layout.put(type("config"), { ...platform, created: "2023-11-14T22:13:20Z", config: {}, rootfs });
  const base = { schemaVersion: 2, mediaType: type("manifest") };
  const manifest = await layout.put(base.mediaType, { ...base, config, layers });
  const note = await layout.put("text/plain", Buffer.from("attached"));
  const empty = await layout.put("application/vnd.oci.empty.v1+json", {});
  const attached = { ...base, artifactType: "text/plain", config: empty, layers: [note], subject: manifest };
  const annotations = { "io.containerd.image.name": "liquidmetal.local/test/layers:1" };
  await layout.finish([{ ...manifest, platform, annotations }, await layout.put(base.mediaType, attached)]);
  return path;
}

describe("layers of images", { skip: process.getuid?.() !== 0 && "needs root", timeout: 180_000 }, () => {
  let directory = "";
  let layout = "";
  let expected = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-layers-"));
    const change = await difference(before_(), after_(), { dateSeconds: epochSeconds });
    const opaque = new FileTree()
      .put("opt", { kind: "directory", opaque: true, mode: 0o711, uid: 0, gid: 0 })
      .file("opt/only", "this");
    layout = await layoutOf(directory, [before_(), change, opaque]);
    const tar = join(directory, "expected.tar");
    await writeTreeTar(merge(after_(), opaque), createWriteStream(tar), { epochSeconds });
    await mkdir(join(directory, "expected"));
    await run("tar", [
      "--xattrs",
      "--xattrs-include=*",
      "--numeric-owner",
      "-xpf",
      tar,
      "-C",
      join(directory, "expected"),
    ]);
    expected = await treeDigest(join(directory, "expected"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  it("our root volume shows the tree, and grows", async () => {
    const image = join(directory, "root.img");
    await writeOutput(layout, `ext4:${image}`);
    await run("e2fsck", ["-fn", image]);
    assert.equal(await mountedDigest(["-o", "loop,ro", image]), expected);
    // Beyond what one block of group descriptors can say: 16 GiB.
    await truncate(image, 20 * 1024 ** 3);
    await run("e2fsck", ["-fp", image]);
    await run("resize2fs", [image]);
    await run("e2fsck", ["-fn", image]);
    assert.equal(await mountedDigest(["-o", "loop,ro", image]), expected);
    const change = `mount -o loop "$1" "$2" && cd "$2" && echo more > etc/more && rm -r usr && mkdir -p a/b && ln etc/more a/b/c && umount -l .`;
    await run("unshare", ["--mount", "sh", "-c", change, "sh", image, join(directory, "mounted")]);
    await run("e2fsck", ["-fn", image]);
  });

  async function mountedDigest(mount: readonly string[]): Promise<string> {
    const at = join(directory, "mounted");
    await mkdir(at, { recursive: true });
    const inside = `at="$1"; options="$2"; shift 2; mount $options "$at" && exec "$@"`;
    return treeDigest(at, ["unshare", "--mount", "sh", "-c", inside, "sh", at, mount.join(" ")]);
  }

  for (const major of [1, 2] as const) {
    it(`containerd ${major}.x shows the tree`, async (test) => {
      const program = await (major === 1 ? containerd1() : containerd2Binary());
      if (typeof program !== "string") return test.skip(program.skip);
      await using daemon = new PrivateContainerd({ program, major, directory: join(directory, `containerd-${major}`) });
      await daemon.start();
      const store = new ContainerdImageStore({ address: daemon.address });
      try {
        const archive = join(directory, `image-${major}.tar`);
        await writeOutput(layout, `oci-archive:${archive}`);
        const [info] = unwrap(await store.import(createReadStream(archive)));
        const resolved = unwrap(await store.ensure(info?.reference ?? "", "uid-1"));
        const shown = unwrap(
          await store.withTree(resolved, async ({ mounts: [mount] }) => {
            assert.ok(mount !== undefined);
            const options = mount.options.length > 0 ? ["-o", mount.options.join(",")] : [];
            return await mountedDigest(["-t", mount.type === "bind" ? "none" : mount.type, ...options, mount.source]);
          }),
        );
        assert.equal(shown, expected);
      } finally {
        store.close();
      }
    });
  }

  it("many names, many links, many holes, shared attributes: the file system is sound", async () => {
    const tree = new FileTree();
    for (let one = 0; one < 66_000; one += 1) tree.directory(`folders/${one}`);
    for (let one = 0; one < 3_000; one += 1)
      tree.file(`same/${one}`, "", { xattrs: { "user.same": Buffer.from("v") } });
    tree.file("linked", "x");
    for (let one = 0; one < 500; one += 1) tree.hardlink(`links/${one}`, "linked");
    const chunk = 256 * 1024;
    const holey = Buffer.alloc(40 * chunk);
    for (let at = 0; at < 40; at += 2) holey.write("data", at * chunk);
    tree.file("holey", { bytes: holey });
    const image = join(directory, "many.img");
    await writeFileSystem(tree, image, { dateSeconds: epochSeconds, key: "many" });
    await run("e2fsck", ["-fn", image]);
    const { stdout } = await run("debugfs", ["-R", "stat /holey", image]);
    assert.match(stdout, /\(ETB0\):/);
    assert.match(stdout, new RegExp(`Blockcount: ${(20 * 64 + 1) * 8}\\b`));
  });

  it("a full disk is said, and leaves nothing", async () => {
    const at = join(directory, "full");
    await mkdir(at);
    const script = `import { writeOutput } from "@liquidmetal/image-builder";
      import { readdir } from "node:fs/promises";
      for (const kind of ["oci", "oci-archive", "ext4"]) {
        const error = await writeOutput(process.argv[1], kind + ":" + process.argv[2] + "/out").then(() => "written", (failed) => failed.code);
        console.log(kind, error, (await readdir(process.argv[2])).length);
      }`;
    const inside = `mount -t tmpfs -o size=8k none "$1" && shift && exec "$@"`;
    const node = [process.execPath, "--input-type=module", "-e", script, layout, at];
    const { stdout } = await run("unshare", ["--mount", "sh", "-c", inside, "sh", at, ...node], {
      cwd: import.meta.dirname,
    });
    assert.equal(stdout, "oci DISK_FULL 0\noci-archive DISK_FULL 0\next4 DISK_FULL 0\n");
  });
});
