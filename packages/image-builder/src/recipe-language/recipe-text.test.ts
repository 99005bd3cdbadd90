import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { problemsOf } from "./recipe-fixture.ts";
import { parseYaml, recipeLimits } from "./recipe-text.ts";

const problems = (text: string): readonly string[] => problemsOf(() => parseYaml("r.yaml", text));

describe("YAML of recipes", () => {
  test("keeps the text of keys: 1.30 is not 1.3", () => {
    assert.deepEqual(parseYaml("r.yaml", "1.30: a\n1.3: b\nyes: c\n").value, { "1.30": "a", "1.3": "b", yes: "c" });
  });

  test("reads no dates, no octal surprises, no merge keys", () => {
    const { value } = parseYaml("r.yaml", "a: 2026-11-01\nb: no\nc: 0o17\n<<: {d: 1}\n");
    assert.deepEqual(value, { a: "2026-11-01", b: "no", c: 15, "<<": { d: 1 } });
  });

  test("says every syntax error with line and column", () => {
    assert.deepEqual(
      problems("a: 1\na: 2\nb: [1\nc: 'x\n").map((line) => line.split(" ")[0]),
      ["2:1:", "4:1:", "5:1:"],
    );
    assert.match(problems("\ta: 1")[0] ?? "", /^1:1: .*[Tt]ab/);
    assert.match(problems("a: !!js/function x")[0] ?? "", /^1:4: .*tag/);
    assert.match(problems("? [a]\n: b")[0] ?? "", /a key must be text/);
    assert.match(problems("__proto__: {a: 1}")[0] ?? "", /^1:1: this key is not allowed/);
    assert.match(problems("a: *b")[0] ?? "", /^1:4: .*\bb\b/);
  });

  test("refuses bombs: aliases of aliases, aliases of themselves, depth, size", () => {
    const level = (name: string, of: string): string => `${name}: &${name} [${`*${of},`.repeat(10)}]\n`;
    const bomb = `a: &a [${"1,".repeat(10)}]\n${["b", "c", "d", "e", "f", "g"].map((name, at) => level(name, "abcdef"[at] ?? "")).join("")}`;
    assert.match(problems(bomb)[0] ?? "", /more than 50000 values/);
    assert.match(problems("a: &a [*a]")[0] ?? "", /nested deeper than 32|nothing is called/);
    assert.match(problems(`a: ${"[".repeat(100)}${"]".repeat(100)}`)[0] ?? "", /nested deeper than 32/);
    assert.match(problems(`a: ${"[".repeat(100_000)}`)[0] ?? "", /^1:/);
    assert.match(problems(`a: ${"x".repeat(recipeLimits.sizeBytes)}`)[0] ?? "", /^1:1: a recipe may have 262144 bytes/);
  });

  test("knows the place of a value, of its key, and of what is missing", () => {
    const source = parseYaml("r.yaml", "a:\n  - b: c\n    d: [1, 2]\n");
    assert.deepEqual(source.place(["a", 0, "d", 1], false), { line: 3, column: 12, length: 1 });
    assert.deepEqual(source.place(["a", 0, "d"], true), { line: 3, column: 5, length: 1 });
    assert.deepEqual(source.place(["a", 0, "x"], false), { line: 2, column: 5, length: 19 });
  });
});
