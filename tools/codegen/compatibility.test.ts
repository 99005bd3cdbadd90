/** docs/compatibility.md claims nothing without a test: every test that it names is there, under that name, and every row names one. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/compatibility.md"), "utf8");
const [claims = "", index = ""] = page.split("## The tests by their short names");

/** Cells of the rows below the heads of all tables. */
function rowsOf(text: string): readonly (readonly string[])[] {
  const rows = text.split("\n").filter((line) => line.startsWith("|"));
  const ruled = (line: string | undefined): boolean => line !== undefined && /^\|[ |-]+\|$/.test(line);
  return rows
    .filter((line, at) => !ruled(line) && !ruled(rows[at + 1]))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    );
}

const files = new Map(
  rowsOf(index).map(([name = "", path = ""]) => [name.replaceAll("`", ""), path.replaceAll("`", "")]),
);

interface Reference {
  readonly file: string;
  /** The test's name; `…` stands for any text. */
  readonly name: string;
}

/** `file › name; › another name of that file; other-file › name`. */
function referencesIn(cell: string): readonly Reference[] {
  let file = "";
  return cell.split(";").map((part) => {
    const [, named, name = ""] = /^\s*([a-z0-9-]*)\s*›\s*(.+?)\s*$/.exec(part) ?? [];
    file = named || file;
    return { file, name };
  });
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Whether a test (or the first cell of a row in a table of tests) is called so. */
function isNamedIn(source: string, name: string): boolean {
  const body = name
    .split("…")
    .map((part) => escaped(part.trim()))
    .join("[^\\n]*");
  const end = name.endsWith("…") ? "" : "\\1";
  return new RegExp(`(?:\\b(?:test|it|describe|check)\\(|\\[)\\s*(["'\`])${body}${end}`).test(source);
}

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
