import assert from "node:assert/strict";
import { link, mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { readContent } from "../../tree/content.ts";
import { FileTree } from "../../tree/file-tree.ts";
import { textOfBytes } from "../../tree/path-bytes.ts";
import { addSource, sourceDigest, sourceEntries } from "./sources.ts";

const { signal } = new AbortController();
// In a suite of their own: hooks of a file would be those of every file that runs in the same process.
describe("sources of recipes", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-sources-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const digest = async (): Promise<string> => sourceDigest(await sourceEntries(directory, signal), signal);
  async function tree(): Promise<FileTree> {
    const made = new FileTree();
    addSource(made, "srv", await sourceEntries(directory, signal), {});
    return made;
  }

  test("a file with two names in a folder stays one file with two names; with its other name elsewhere it is a file", async () => {
    await mkdir(join(directory, "in"));
    await writeFile(join(directory, "b"), "same");
    await link(join(directory, "b"), join(directory, "in/c"));
    const both = await digest();
    const entry = (await tree()).get("srv/in/c");
    assert.deepEqual([entry?.kind, entry?.kind === "hardlink" && entry.target], ["hardlink", "srv/b"]);
    await rm(join(directory, "in/c"));
    await writeFile(join(directory, "in/c"), "same");
    assert.notEqual(await digest(), both);
    assert.equal((await tree()).get("srv/in/c")?.kind, "file");
  });

  test("names that are not UTF-8 come into the tree as they are, in folders too", async () => {
    const name = Buffer.from([0x66, 0xff, 0x6f]);
    const folder = Buffer.concat([Buffer.from(`${directory}/`), name]);
    await mkdir(folder);
    await writeFile(Buffer.concat([folder, Buffer.from("/"), name]), "odd");
    await symlink(name, Buffer.from(`${directory}/link`));
    const made = await tree();
    const text = textOfBytes(name);
    const entry = made.get(`srv/${text}/${text}`);
    assert.equal(entry?.kind === "file" && String(readContent(entry.content, 10)), "odd");
    const to = made.get("srv/link");
    assert.equal(to?.kind === "symlink" && to.target, text);
    assert.match(await digest(), /^sha256:/);
  });

  test("a digest that was taken before does not outlive a change of the file, whatever its time says", async () => {
    const file = join(directory, "f");
    await writeFile(file, "one");
    const first = await digest();
    assert.equal(await digest(), first);
    await writeFile(file, "two");
    await utimes(file, 1_000_000_000, 1_000_000_000);
    assert.notEqual(await digest(), first);
    await writeFile(file, "one");
    assert.equal(await digest(), first);
    assert.deepEqual(await readdir(directory), ["f"]);
  });
});
