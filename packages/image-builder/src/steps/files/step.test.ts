import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { checkFields } from "../../recipe-language/field-problems.ts";
import type { TreeEntry } from "../../tree/file-tree.ts";
import type { MakeContext } from "../step-kind.ts";
import { type FileEntry, fileEntries } from "./fields.ts";
import { files } from "./step.ts";

describe("files", () => {
  let directory = "";
  let context: MakeContext;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-files-"));
    const recipe = join(directory, "recipe");
    const guest = join(directory, "guest");
    await mkdir(join(recipe, "folder/inner"), { recursive: true });
    await mkdir(guest);
    await writeFile(join(recipe, "folder/inner/run"), "#!", { mode: 0o755 });
    await writeFile(join(recipe, "folder/odd\nname"), "odd");
    await symlink("/etc/passwd", join(recipe, "folder/link"));
    await symlink("/etc/passwd", join(recipe, "escape"));
    await symlink("folder/inner/run", join(recipe, "inside"));
    await symlink("../../guest", join(recipe, "folder/up"));
    await writeFile(join(guest, "init"), "init");
    await writeFile(join(directory, "secret"), "secret");
    // Only what a step of this kind looks at.
    context = {
      recipeDirectory: recipe,
      guestDirectory: guest,
      signal: new AbortController().signal,
    } as unknown as MakeContext;
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const make = async (...entries: FileEntry[]): Promise<Record<string, TreeEntry>> => {
    const resolution = await files.resolve(entries, context);
    const { tree } = await files.make(entries, resolution, context);
    return Object.fromEntries([...tree.entries()].filter(([path]) => !tree.implied(path)));
  };
  const digest = async (source: string): Promise<string | undefined> =>
    (await files.resolve([{ path: "x", source }], context)).inputs[0]?.digest;

  test("become texts, links, directories, devices and whiteouts, owned as they say", async () => {
    const made = await make(
      { path: "etc/motd", text: "hi", mode: "0600", user: 1, group: 2 },
      { path: "bin", symlink: "usr/bin" },
      { path: "tmp", directory: true, mode: "1777" },
      { path: "dev/null", device: { type: "character", major: 1, minor: 3 }, mode: "666" },
      { path: "usr/sbin/su", text: "", mode: "4755" },
      { path: "etc/gone", remove: true },
    );
    assert.deepEqual(Object.keys(made), ["bin", "dev/null", "etc/gone", "etc/motd", "tmp", "usr/sbin/su"]);
    assert.deepEqual(made["etc/motd"], {
      kind: "file",
      content: { bytes: Buffer.from("hi") },
      mode: 0o600,
      uid: 1,
      gid: 2,
    });
    assert.deepEqual(made["tmp"], { kind: "directory", mode: 0o1777, uid: 0, gid: 0 });
    assert.deepEqual(made["dev/null"], { kind: "character-device", major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 });
    assert.equal(made["usr/sbin/su"]?.mode, 0o4755);
    assert.equal(made["etc/gone"]?.kind, "whiteout");
    assert.equal(made["bin"]?.kind, "symlink");
  });

  test("of the recipe and of guest/ keep their bits; folders come whole, links in them as links", async () => {
    const made = await make(
      { path: "opt/f", source: "folder", user: 7 },
      { path: "init", source: "guest:init", mode: "0755" },
    );
    assert.deepEqual(
      Object.entries(made).map(([path, { kind, mode, uid }]) => `${path} ${kind} ${mode.toString(8)} ${uid}`),
      [
        "init file 755 0",
        "opt/f directory 755 7",
        "opt/f/inner directory 755 7",
        "opt/f/inner/run file 755 7",
        "opt/f/link symlink 777 7",
        "opt/f/odd\nname file 644 7",
        "opt/f/up symlink 777 7",
      ],
    );
    assert.equal((await make({ path: "x", source: "inside" }))["x"]?.kind, "file");
  });

  test("change their digest with content, name, bits and links, and with nothing else", async () => {
    const first = await digest("folder");
    await writeFile(join(directory, "recipe/folder/inner/run"), "#!", { mode: 0o755 });
    assert.equal(await digest("folder"), first);
    await chmod(join(directory, "recipe/folder/inner/run"), 0o700);
    const bits = await digest("folder");
    await writeFile(join(directory, "recipe/folder/inner/run"), "!#");
    const content = await digest("folder");
    await writeFile(join(directory, "recipe/folder/more"), "");
    const more = await digest("folder");
    assert.equal(new Set([first, bits, content, more]).size, 4);
  });

  for (const [source, why] of [
    ["/etc/passwd", /is absolute/],
    ["guest:/etc/passwd", /is absolute/],
    ["../secret", /has \.\./],
    ["folder/../../secret", /has \.\./],
    ["escape", /leads out of the recipe's folder/],
    ["folder/up/init", /leads out of the recipe's folder/],
    ["missing", /is not there/],
    ["guest:missing", /is not there/],
    ["guest:", /is no path/],
  ] as const) {
    test(`from ${source} are refused`, async () => {
      await assert.rejects(files.resolve([{ path: "x", source }], context), { code: "RECIPE_INVALID", message: why });
    });
  }

  for (const [what, entry, message] of [
    ["an absolute path", { path: "/etc/x", text: "" }, /must not begin with a slash/],
    ["a path with ..", { path: "etc/../../x", text: "" }, /must not hold \.\./],
    ["the root", { path: "./.", directory: true }, /below the root/],
    ["nothing to be there", { path: "x" }, /needs one of text, source/],
    ["two things", { path: "x", text: "", directory: true }, /has text and directory/],
    ["a mode that is a number", { path: "x", text: "", mode: 755 }, /must be text, but is a number/],
    ["a mode that is none", { path: "x", text: "", mode: "0999" }, /octal digits/],
    ["an owner for what is removed", { path: "x", remove: true, mode: "0644" }, /nothing to own/],
  ] as const) {
    test(`with ${what} are refused`, () => {
      const checked = checkFields(fileEntries, [entry], []);
      assert.ok("problems" in checked);
      assert.match(checked.problems[0]?.message ?? "", message);
    });
  }
});
