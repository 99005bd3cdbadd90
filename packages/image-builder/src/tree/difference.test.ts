import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { difference } from "./difference.ts";
import { FileTree, type Ownership, type TreeEntry } from "./file-tree.ts";
import { merge } from "./merge.ts";

const dateSeconds = 1_700_000_000;
const changes = async (before: FileTree, after: FileTree): Promise<string[]> =>
  [...(await difference(before, after, { dateSeconds })).entries()].map(([path, { kind }]) =>
    kind === "file" || kind === "directory" ? path : `${kind} ${path}`,
  );

const base = (): FileTree =>
  new FileTree().directory("etc", { mode: 0o750 }).file("etc/a", "aa").file("usr/bin/b", "bb");

test("only what changed, with its parents as they are", async () => {
  const after = base().file("etc/a", "ab").symlink("etc/l", "a");
  assert.deepEqual(await changes(base(), after), ["etc", "etc/a", "symlink etc/l"]);
  assert.equal((await difference(base(), after, { dateSeconds })).get("etc")?.mode, 0o750);
  assert.deepEqual(await changes(base(), base()), []);
});

test("mode, owner, attributes, device numbers and link targets are changes", async () => {
  const with_ = (own: Ownership): FileTree => base().file("etc/a", "aa", own);
  for (const own of [
    { mode: 0o4755 },
    { uid: 1 },
    { gid: 1 },
    { xattrs: { "user.x": Buffer.from("1") } },
    { mtimeSeconds: 1 },
  ]) {
    assert.deepEqual(await changes(base(), with_(own)), ["etc", "etc/a"], JSON.stringify(own));
  }
  assert.deepEqual(await changes(with_({ mtimeSeconds: dateSeconds + 5 }), base()), []);
  assert.deepEqual(await changes(new FileTree().symlink("l", "a"), new FileTree().symlink("l", "b")), ["symlink l"]);
  const device = (minor: number): FileTree => new FileTree().characterDevice("null", 1, minor);
  assert.deepEqual(await changes(device(3), device(5)), ["character-device null"]);
});

test("what is gone is hidden by its topmost path, and nothing where a file took a directory's place", async () => {
  assert.deepEqual(await changes(base(), new FileTree().directory("etc", { mode: 0o750 })), [
    "etc",
    "whiteout etc/a",
    "whiteout usr",
  ]);
  const after = new FileTree().directory("etc", { mode: 0o750 }).file("etc/a", "aa").file("usr", "file");
  assert.deepEqual(await changes(base(), after), ["usr"]);
});

test("files on disk are compared byte for byte, also where size and time are the same", async () => {
  const directory = await mkdtemp(join(tmpdir(), "lm-difference-"));
  try {
    const long = Buffer.alloc(700_000, "x");
    const file = join(directory, "f");
    const trees: FileTree[] = [];
    for (const [number, last] of ["x", "x", "y"].entries()) {
      long.write(last, long.length - 1);
      await writeFile(`${file}${number}`, long);
      trees.push(new FileTree().file("f", { file: `${file}${number}`, sizeBytes: long.length }));
    }
    const [one, same, other] = trees;
    assert.ok(one && same && other);
    assert.deepEqual(await changes(one, same), []);
    assert.deepEqual(await changes(one, other), ["f"]);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("all names of a changed file come, and a new name of an old file brings the file", async () => {
  const linked = (text: string): FileTree => new FileTree().file("m", text).hardlink("a", "m").hardlink("z", "m");
  assert.deepEqual(await changes(linked("1"), linked("2")), ["m", "hardlink a", "hardlink z"]);
  assert.deepEqual(await changes(linked("1"), linked("1")), []);
  assert.deepEqual(await changes(linked("1"), linked("1").hardlink("n", "m")), [
    "m",
    "hardlink a",
    "hardlink n",
    "hardlink z",
  ]);
  const otherName = new FileTree().file("a", "1").hardlink("m", "a").hardlink("z", "a");
  assert.deepEqual(await changes(linked("1"), otherName), []);
});

/** What a user sees: kind and content of every path, and which names are one file. */
function seen(tree: FileTree): unknown {
  const file = (path: string, entry: TreeEntry): string => (entry.kind === "hardlink" ? entry.target : path);
  const groups = new Map<string, string[]>();
  for (const [path, entry] of tree.entries()) {
    const name = file(path, entry);
    groups.set(name, [...(groups.get(name) ?? []), path].sort());
  }
  return [...groups]
    .map(([name, paths]) => {
      const { kind, mode, ...rest } = tree.get(name) ?? assert.fail(name);
      return JSON.stringify([
        paths,
        kind,
        mode,
        "content" in rest ? rest.content : "target" in rest ? rest.target : "",
      ]);
    })
    .sort();
}

const name = fc.constantFrom("a", "b", "c");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const tree = fc
  .array(fc.tuple(path, fc.constantFrom("file", "symlink", "directory", "hardlink"), fc.constantFrom("1", "2"), path), {
    maxLength: 12,
  })
  .map((all) => {
    const made = new FileTree();
    for (const [at, kind, text, other] of all) {
      try {
        const existing = made.get(at);
        // Replacing the name that others link to is what trees do not do.
        if (existing !== undefined) continue;
        if (kind === "file") made.file(at, text);
        else if (kind === "symlink") made.symlink(at, text);
        else if (kind === "directory") made.directory(at, { mode: text === "1" ? 0o755 : 0o700 });
        else made.hardlink(at, other);
      } catch {
        // Contradicts what is there already.
      }
    }
    return made;
  });

test("laid over what was before, the difference shows what is after", async () => {
  await fc.assert(
    fc.asyncProperty(tree, tree, async (before, after) => {
      const layer = await difference(before, after, { dateSeconds });
      assert.deepEqual(seen(merge(before, layer)), seen(after));
    }),
    { numRuns: 500 },
  );
});
