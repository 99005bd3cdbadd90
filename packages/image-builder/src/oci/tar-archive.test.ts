import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { extract, type Header } from "tar-stream";
import { readContent } from "../tree/content.ts";
import { FileTree } from "../tree/file-tree.ts";
import { bytesOfText, textOfBytes } from "../tree/path-bytes.ts";
import { treeOfTar } from "./layer-tree.ts";
import { tarOf, writeTreeTar } from "./tar-archive.ts";
import { encodeHeader } from "./tar-header.ts";

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

test("a slice of a file is packed as that slice, also from the file's beginning", async () => {
  const directory = await mkdtemp(join(tmpdir(), "lm-tar-"));
  try {
    const file = join(directory, "store");
    await writeFile(file, "firstsecond");
    const tree = new FileTree()
      .file("a", { file, sizeBytes: 5, offsetBytes: 0 })
      .file("b", { file, sizeBytes: 6, offsetBytes: 5 });
    assert.deepEqual(
      (await read(await bytesOf(tree))).map(({ body }) => body),
      ["first", "second"],
    );
    const beyond = new FileTree().file("c", { file, sizeBytes: 6, offsetBytes: 6 });
    await assert.rejects(bytesOf(beyond), /changed while it was packed/);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("no file is younger than the image, and older ones keep their time", async () => {
  const tree = new FileTree()
    .file("old", "", { mtimeSeconds: 1_000_000.7 })
    .file("young", "", { mtimeSeconds: 1_800_000_000 })
    .file("timeless", "");
  assert.deepEqual(
    (await read(await bytesOf(tree))).map(({ header }) => (header.mtime?.getTime() ?? 0) / 1000),
    [1_000_000, 1_700_000_000, 1_700_000_000],
  );
});

test("whiteouts and opaque directories are OCI's marks, and their names are nobody else's", async () => {
  const tree = new FileTree()
    .whiteout("etc/gone")
    .put("srv", { kind: "directory", opaque: true, mode: 0o755, uid: 0, gid: 0 });
  assert.deepEqual(
    (await read(await bytesOf(tree))).map(({ header }) => header.name),
    ["etc/", "etc/.wh.gone", "srv/", "srv/.wh..wh..opq"],
  );
  await assert.rejects(bytesOf(new FileTree().file("etc/.wh.x", "")), {
    code: "IMAGE_BUILD_FAILED",
    message: /reserved/,
  });
  await assert.rejects(writeTreeTar(tree, new PassThrough(), { epochSeconds: 1 }), /it hides something/);
});

const oddNames = [
  "line\nbreak",
  "tab\tand 'quote\"",
  "käse-€-🧀",
  textOfBytes(Buffer.from([0x6c, 0xff, 0xfe, 0x2f, 0xe9])),
  `${"d".repeat(255)}/${"e".repeat(255)}/${"f".repeat(255)}/${"ü".repeat(120)}`,
  `${"p".repeat(60)}/${"q".repeat(60)}`,
  " leading and trailing ",
  "-rf",
];

test("everything that a tree can say comes back from its tar", async () => {
  const directory = await mkdtemp(join(tmpdir(), "lm-tar-"));
  try {
    const xattrs = {
      "security.capability": Buffer.from([1, 0, 0, 2, 0xff, 0]),
      "user.empty": Buffer.alloc(0),
      "user.ünï": Buffer.from("x\ny=z"),
    };
    const own = { uid: 3_000_000, gid: 65_534, mtimeSeconds: -5 };
    const tree = new FileTree()
      .file("capable", "x", { mode: 0o6755, xattrs, ...own })
      .directory("sticky", { mode: 0o1777, xattrs, ...own })
      .fifo("pipe", own)
      .characterDevice("dev/c", 4095, 1_048_575, own)
      .blockDevice("dev/b", 8, 1, own)
      .whiteout("gone");
    for (const name of oddNames) tree.file(`odd/${name}`, name).symlink(`links/${name}`, `/to/${name}`);
    for (const name of oddNames) tree.hardlink(`hard/${name}`, `odd/${name}`);
    const file = join(directory, "t.tar");
    await writeFile(file, await bytesOf(tree));
    const again = await treeOfTar(file);
    assert.deepEqual(await bytesOf(again), await bytesOf(tree));
    assert.deepEqual(again.get("capable")?.xattrs, xattrs);
    for (const name of oddNames) {
      const entry = again.get(`odd/${name}`);
      assert.equal(entry?.kind === "file" && String(readContent(entry.content, 2_000)), String(Buffer.from(name)));
    }
    assert.ok(
      bytesOfText([...again.entries()].map(([path]) => path).join("")).includes(Buffer.from([0x6c, 0xff, 0xfe])),
    );
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a file beyond 8 GiB has its size in a pax record", () => {
  const header = encodeHeader({
    path: "big",
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    sizeBytes: 10 * 1024 ** 3,
  });
  assert.match(header.toString("latin1"), /\n?20 size=10737418240\n/);
});

test("directories that are only implied are left out where they are not wanted, what somebody said is not", async () => {
  const tree = new FileTree().file("tmp/file", "x").directory("etc", { mode: 0o700 }).file("etc/hosts", "y");
  const options = { epochSeconds: 1_700_000_000 };
  const names = async (withoutImplied: boolean): Promise<string[]> =>
    (await read(await buffer(tarOf(tree, { ...options, withoutImplied })))).map(({ header }) => header.name);
  assert.deepEqual(await names(false), ["etc/", "etc/hosts", "tmp/", "tmp/file"]);
  assert.deepEqual(await names(true), ["etc/", "etc/hosts", "tmp/file"]);
});
