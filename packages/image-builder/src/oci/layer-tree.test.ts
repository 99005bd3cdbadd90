import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { readContent } from "../tree/content.ts";
import { treeOfTar } from "./layer-tree.ts";
import { checksum, encodeHeader, type TarHeader } from "./tar-header.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-layer-tree-"));
});
after(() => rm(directory, { recursive: true }));

const end = Buffer.alloc(1024);
const plain = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, sizeBytes: 0 } as const;
const entry = (path: string, more: Partial<TarHeader> = {}): Buffer =>
  encodeHeader({ path, type: "file", ...plain, ...more });
const file = (path: string, text: string): Buffer =>
  Buffer.concat([
    entry(path, { sizeBytes: text.length }),
    Buffer.from(text.padEnd(Math.ceil(text.length / 512) * 512, "\0")),
  ]);
const symlink = (path: string, target: string): Buffer => entry(path, { type: "symlink", target });
const hardlink = (path: string, target: string): Buffer => entry(path, { type: "hardlink", target });

/** A header with one field overwritten, and the right checksum again. */
function patched(header: Buffer, at: number, text: string): Buffer {
  const block = Buffer.from(header);
  block.write(text, at, "latin1");
  block.write(`${checksum(block).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

const pax = (record: string, flag = "x"): Buffer => {
  const body = Buffer.alloc(512);
  body.write(record);
  return Buffer.concat([patched(entry("p", { sizeBytes: record.length }), 156, flag), body]);
};

let number = 0;
async function tree(...parts: Buffer[]): ReturnType<typeof treeOfTar> {
  const path = join(directory, `${number++}.tar`);
  await writeFile(path, Buffer.concat(parts));
  return await treeOfTar(path);
}

const refusals: readonly (readonly [string, RegExp, ...Buffer[]])[] = [
  ["an absolute path", /"\/etc\/passwd": an absolute path/, file("/etc/passwd", "x"), end],
  ["a path with ..", /"a\/..\/..\/x": its path leads out/, file("a/../../x", "x"), end],
  ["a hard link out of the image", /"h": its path leads out/, hardlink("h", "../../etc/shadow"), end],
  ["a hard link to an absolute path", /"h": an absolute path/, hardlink("h", "/etc/shadow"), end],
  [
    "a file below a symlink",
    /"l\/passwd": l\/passwd lies below l, which is a symlink/,
    symlink("l", "/etc"),
    file("l/passwd", "x"),
    end,
  ],
  ["a folder that becomes a symlink", /"d": /, file("d/x", "1"), symlink("d", "/etc"), end],
  [
    "a symlink that becomes a folder",
    /"d": it is there twice/,
    symlink("d", "/etc"),
    entry("d", { type: "directory" }),
    end,
  ],
  ["a file that becomes a symlink", /"f": it is there twice/, file("f", "1"), symlink("f", "/etc"), end],
  ["a file below a file", /"f\/x"/, file("f", "1"), file("f/x", "1"), end],
  ["a hard link to itself", /"h": it is a hard link to itself/, hardlink("h", "h"), end],
  [
    "a hard link to a directory",
    /"h": .*"d", which is no file/,
    entry("d", { type: "directory" }),
    hardlink("h", "d"),
    end,
  ],
  ["a symlink to nothing", /"l": it is a symlink to nothing/, symlink("l", ""), end],
  ["a whiteout without a name", /hides nothing/, file("d/.wh.", ""), end],
  ["a whiteout of what lies above", /hides nothing/, file("d/.wh...", ""), end],
  ["an opaque root", /hides everything/, file(".wh..wh..opq", ""), end],
  [
    "overlayfs's own attributes",
    /trusted\.overlay\.redirect/,
    entry("x", { xattrs: { "trusted.overlay.redirect": Buffer.from("/") } }),
    end,
  ],
  ["a sparse file of GNU tar", /"s" is stored as a sparse file/, pax("22 GNU.sparse.major=1\n"), file("s", ""), end],
  ["an old sparse file", /"s" is stored as a sparse file/, patched(entry("s"), 156, "S"), end],
  ["an unknown type", /"x" is of the unknown type "Z"/, patched(entry("x"), 156, "Z"), end],
  [
    "a size that the archive does not have",
    /"x" is of 99999 bytes, and the archive ends before/,
    entry("x", { sizeBytes: 99_999 }),
    end,
  ],
  ["an absurd size", /"x" is of 8589934591 bytes/, entry("x", { sizeBytes: 8 ** 11 - 1 }), end],
  ["an absurd size in base 256", /beyond all sense/, patched(entry("x"), 124, `\x80${"\xff".repeat(11)}`), end],
  [
    "an absurd pax size",
    /"x" has a size that is no number/,
    pax("30 size=999999999999999999999\n"),
    file("x", ""),
    end,
  ],
  ["a negative size", /beyond all sense/, patched(entry("x"), 124, "\xff".repeat(12)), end],
  ["a number that is none", /"x" has a number that is none/, patched(entry("x"), 108, "zzz"), end],
  ["a broken pax header", /pax header after .* is broken/, pax("99 path=x\n"), file("x", ""), end],
  ["a global header that renames everything", /a global header/, pax("10 path=x\n", "g"), file("x", ""), end],
  [
    "a pax header of 8 GB",
    /a header of 8589934591 bytes/,
    patched(entry("x", { sizeBytes: 8 ** 11 - 1 }), 156, "x"),
    end,
  ],
  [
    "a wrong checksum",
    /wrong checksum/,
    (() => {
      const block = entry("x");
      block.write("y", 0);
      return block;
    })(),
    end,
  ],
  ["an archive cut in a content", /"x" is of 2000 bytes/, file("x", "y".repeat(2000)).subarray(0, 1024)],
  ["an archive cut between entries", /ends after "x", without its end mark/, file("x", "y")],
  ["an empty file", /ends after its beginning/, Buffer.alloc(0)],
  ["a name longer than Linux takes", /longer than 255 bytes/, file("n".repeat(800), "")],
  ["a path longer than Linux takes", /longer than 4096 bytes/, file("n/".repeat(2100).slice(0, -1), "x"), end],
];

for (const [what, message, ...parts] of refusals) {
  test(`refused: ${what}`, () => assert.rejects(tree(...parts), { code: "IMAGE_CORRUPT", message }));
}

test("too many entries are refused", async () => {
  const path = join(directory, "many.tar");
  await writeFile(path, Buffer.concat([file("a", ""), file("b", ""), file("c", ""), end]));
  await assert.rejects(treeOfTar(path, { entriesMax: 2 }), { code: "IMAGE_CORRUPT", message: /more than 2 entries/ });
});

test("links of a root file system may lead anywhere by text, and are not followed", async () => {
  const made = await tree(symlink("etc/mtab", "../proc/self/mounts"), symlink("up", "../../../../etc/passwd"), end);
  assert.deepEqual(made.get("up"), {
    kind: "symlink",
    target: "../../../../etc/passwd",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
  });
});

test("./ before names, the root itself, long names of GNU tar and a file twice are understood", async () => {
  const long = "l".repeat(150);
  const longName = patched(entry("././@LongLink", { sizeBytes: long.length + 1 }), 156, "L");
  const made = await tree(
    entry("./", { type: "directory" }),
    file("./a", "1"),
    file("a", "22"),
    longName,
    Buffer.from(long.padEnd(512, "\0")),
    file("cut", "3"),
    end,
  );
  assert.deepEqual(
    [...made.entries()].map(([path]) => path),
    ["a", long],
  );
  const a = made.get("a");
  assert.equal(a?.kind === "file" && String(readContent(a.content, 10)), "22");
});

test("a whiteout beside what it hides makes the new one opaque", async () => {
  const made = await tree(file("d/x", "1"), file(".wh.d", ""), file("e/.wh..wh..opq", ""), file("e/.wh.f", ""), end);
  const directory_ = made.get("d");
  assert.equal(directory_?.kind === "directory" && directory_.opaque, true);
  assert.equal(made.get("e/f")?.kind, "whiteout");
});

test("whatever bytes come: a tree or a refusal, nothing else", async () => {
  const good = Buffer.concat([
    file("a/b", "text"),
    symlink("l", "a"),
    hardlink("h", "a/b"),
    pax("12 path=abc\n"),
    file("x", "y"),
    end,
  ]);
  const path = join(directory, "fuzz.tar");
  const edit = fc.tuple(fc.nat(good.length - 1), fc.nat(255), fc.boolean());
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 6 }), async (edits) => {
      const bytes = Buffer.from(good);
      for (const [at, value] of edits) bytes[at] = value;
      // With right checksums, or nothing but those would be tested.
      for (const [at, , repair] of edits) {
        const block = bytes.subarray(at - (at % 512), at - (at % 512) + 512);
        if (repair) block.write(`${checksum(block).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
      }
      await writeFile(path, bytes);
      await treeOfTar(path).catch((error: unknown) =>
        assert.equal((error as { code?: string }).code, "IMAGE_CORRUPT", String(error)),
      );
    }),
    { numRuns: 400 },
  );
});
