/** docs/compatibility.md claims nothing without a test: every test that it names is there, under that name, and every row names one. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { filesOf, isNamedIn, referencesIn, rowsOf } from "./claims.ts";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/compatibility.md"), "utf8");
const [claims = "", index = ""] = page.split("## The tests by their short names");

const files = filesOf(index);

describe("docs/compatibility.md", () => {
  const rows = rowsOf(claims);
  const inText = [...claims.matchAll(/\(([a-z0-9-]+ › [^()]+)\)/g)].map(([, cell = ""]) => cell);
  const references = [...rows.map((cells) => cells.at(-1) ?? ""), ...inText].filter((cell) => !cell.startsWith("–"));

  test("has its rows, and each says of what kind it is and what shows it", () => {
    assert.ok(rows.length > 100, `${rows.length} rows`);
    for (const cells of rows) {
      const [what = ""] = cells;
      assert.match(cells.at(-3) ?? "", /^(matched|fixed|different)$/, what);
      assert.match(cells.at(-1) ?? "", /^(– \(.+\)|[a-z0-9-]+ › .+)$/, what);
      if (cells.at(-3) === "different") assert.notEqual(cells.at(-2), "", `${what}: a difference has a reason`);
    }
  });

  test("names files that are there, each by a name that is used", () => {
    const used = new Set(references.flatMap(referencesIn).map(({ file }) => file));
    assert.deepEqual([...files.keys()].sort(), [...used].sort());
    for (const [name, path] of files) assert.ok(existsSync(join(root, path)), `${name}: ${path}`);
  });

  const distinct = new Map(references.flatMap(referencesIn).map((one) => [`${one.file} › ${one.name}`, one]));
  for (const [title, { file, name }] of distinct) {
    test(title, () => {
      const path = files.get(file);
      assert.ok(path !== undefined, `no file is called ${file}`);
      assert.notEqual(name, "");
      assert.ok(isNamedIn(readFileSync(join(root, path), "utf8"), name), `${path} has no test of that name`);
    });
  }
});
