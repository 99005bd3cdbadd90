import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { extract, type Header } from "tar-stream";
import { FileTree } from "../tree/file-tree.ts";
import { tarOf } from "./tar-archive.ts";

const bytesOf = (tree: FileTree): Promise<Buffer> => buffer(tarOf(tree, { epochSeconds: 1_700_000_000 }));

async function read(archive: Buffer): Promise<{ header: Header; body: string }[]> {
  const found: { header: Header; body: string }[] = [];
  const parser = extract();
  Readable.from([archive]).pipe(parser as unknown as NodeJS.WritableStream);
  for await (const entry of parser) found.push({ header: entry.header, body: await text(entry) });
  return found;
}

const longName = `deep/${"n".repeat(120)}/${"m".repeat(120)}`;

test("modes, links, devices and long names survive; owners are numbers, times are one", async () => {
  const tree = new FileTree()
    .file("bin/su", "x", { mode: 0o4755, uid: 0, gid: 7 })
    .hardlink("bin/other", "bin/su")
    .symlink("bin/link", "/etc/target")
    .directory("tmp", { mode: 0o1777 })
    .characterDevice("dev/null", 1, 3, { mode: 0o666 })
    .file(longName, "deep");
  const entries = new Map((await read(await bytesOf(tree))).map(({ header, body }) => [header.name, { header, body }]));
  const { header } = entries.get("bin/su") ?? assert.fail("bin/su");
  assert.deepEqual([header.mode, header.gid, header.uname, header.mtime.getTime()], [0o4755, 7, "", 1_700_000_000_000]);
  assert.equal(entries.get("bin/other")?.header.linkname, "bin/su");
  assert.equal(entries.get("bin/link")?.header.linkname, "/etc/target");
  assert.equal(entries.get("tmp/")?.header.mode, 0o1777);
  assert.deepEqual([entries.get("dev/null")?.header.devmajor, entries.get("dev/null")?.header.devminor], [1, 3]);
  assert.equal(entries.get(longName)?.body, "deep");
});

test("the same tree gives the same bytes, in whatever order it was filled", async () => {
  const one = new FileTree().file("a", "1").symlink("s", "a").file("b/c", "2");
  const other = new FileTree().file("b/c", "2").file("a", "1").symlink("s", "a");
  assert.deepEqual(await bytesOf(one), await bytesOf(other));
});

test("a file on disk is packed as it is, an empty one too, and one that changed since is refused", async () => {
  const directory = await mkdtemp(join(tmpdir(), "lm-tar-"));
  try {
    const file = join(directory, "f");
    const content = "0123456789".repeat(50_000);
    await writeFile(file, content);
    await writeFile(join(directory, "empty"), "");
    const tree = new FileTree()
      .file("f", { file, sizeBytes: content.length })
      .file("empty", { file: join(directory, "empty"), sizeBytes: 0 });
    assert.deepEqual(
      (await read(await bytesOf(tree))).map(({ body }) => body.length),
      [0, content.length],
    );
    for (const sizeBytes of [content.length - 1, content.length + 1]) {
      await assert.rejects(bytesOf(new FileTree().file("f", { file, sizeBytes })), /changed while it was packed/);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});
