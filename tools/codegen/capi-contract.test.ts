/** docs/capi-contract.md answers every line of the contracts and of the ledger, and names tests that are there. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { filesOf, isNamedIn, referencesIn, rowsOf } from "./claims.ts";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/capi-contract.md"), "utf8");
const [claims = "", index = ""] = page.split("## The tests by their short names");

const numbered = (prefix: string, last: number): string[] =>
  Array.from({ length: last }, (_, at) => `${prefix}${at + 1}`);

describe("docs/capi-contract.md", () => {
  const rows = rowsOf(claims);
  const files = filesOf(index);
  const cells = rows.map((row) => row.at(-1) ?? "").filter((cell) => !cell.startsWith("–"));

  test("has every line of the checklists and of the ledger, once and in order", () => {
    const lines = rows.map(([line = ""]) => line);
    const wanted = [...numbered("T", 13), ...numbered("C", 15), ...numbered("M", 17), ...numbered("D", 30)];
    assert.deepEqual(
      lines.filter((line) => /^[TCMD]\d+$/.test(line)),
      wanted,
    );
    assert.equal(new Set(lines).size, lines.length);
  });

  test("says of each whether it is met, how, and what shows it", () => {
    for (const [line = "", what = "", verdict = "", how = "", shown = ""] of rows) {
      assert.notEqual(what, "", line);
      assert.match(verdict, /^(met|better|fixed|kept|not applicable)$/, line);
      if (verdict !== "met") assert.notEqual(how, "", line);
      assert.match(shown, /^(– \(.+\)|[a-z0-9-]+ › .+)$/, line);
    }
  });

  test("names files that are there, each by a name that is used", () => {
    const used = new Set(cells.flatMap(referencesIn).map(({ file }) => file));
    assert.deepEqual([...files.keys()].toSorted(), [...used].toSorted());
    for (const [name, path] of files) assert.ok(existsSync(join(root, path)), `${name}: ${path}`);
  });

  const distinct = new Map(cells.flatMap(referencesIn).map((one) => [`${one.file} › ${one.name}`, one]));
  for (const [title, { file, name }] of distinct) {
    test(title, () => {
      const path = files.get(file);
      assert.ok(path !== undefined, `no file is called ${file}`);
      assert.notEqual(name, "");
      assert.ok(isNamedIn(readFileSync(join(root, path), "utf8"), name), `${path} has no test of that name`);
    });
  }
});
