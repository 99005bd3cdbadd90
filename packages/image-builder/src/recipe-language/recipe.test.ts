import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parse, problemsOf, recipeText } from "./recipe-fixture.ts";

const problems = (text: string): readonly string[] => problemsOf(() => parse(text));

describe("a recipe", () => {
  test("is read, its layers known by their kinds", () => {
    const text = recipeText({}, "layers:\n  - {name: one, architecture: arm64, files: [{path: a, text: x}]}\n");
    const { document } = parse(text);
    assert.equal(document.name, "test/one");
    assert.deepEqual(document.layers, [
      { index: 0, name: "one", kind: "files", fields: [{ path: "a", text: "x" }], architecture: "arm64" },
    ]);
  });

  test("with several mistakes tells all of them, in the order of the file, with the lines they are in", () => {
    const text = recipeText(
      { title: undefined, titel: "x", version: "1.30", architectures: "[amd65]" },
      "layers:\n  - fils: []\n  - files: []\n    files2: []\n",
    );
    assert.deepEqual(problems(text), [
      "2:10: must be text, but is a number: text like that is written in quotes",
      '4:17: must be "amd64" or "arm64", but is the text "amd65"',
      '5:1: unknown key "titel" (did you mean "title"?)',
      '7:5: unknown kind of step "fils" (did you mean "files"?)',
      '9:5: unknown kind of step "files2" (did you mean "files"?)',
    ]);
    assert.throws(
      () => parse(text),
      /^PlatformError: one\.yaml:2:10: .*\n {2}1 \| name: test\/one\n> 2 \| version: 1\.30\n {4}\| {10}\^{4}/,
    );
  });

  for (const [what, changes, rest, expected] of [
    ["without a title", { title: undefined }, undefined, '1:1: "title" is missing'],
    [
      "with a name that is no repository",
      { name: "Node/Kubernetes" },
      undefined,
      "1:7: must be lower case parts between slashes",
    ],
    ["with a day that is none", { date: "2026-02-30" }, undefined, "4:7: must be a date"],
    ["with a date of another zone", { date: "2026-02-03T00:00:00+01:00" }, undefined, "4:7: must be a date"],
    ["without architectures", { architectures: "[]" }, undefined, "5:16: must name at least one architecture"],
    ["without layers", {}, "layers: []\n", "6:9: must have at least one layer"],
    ["whose layers are no list", {}, "layers: {files: []}\n", "6:9: must be a list, but is a mapping"],
    ["with a layer that is no mapping", {}, "layers: [files]\n", "6:10: must be a mapping, but is the text"],
    ["with a layer without a kind", {}, "layers: [{name: x}]\n", "6:10: a layer names one kind of step: files"],
    [
      "with a layer of two kinds",
      {},
      "layers: [{name: x}]\nboot: {kernel: /boot/x}\n",
      "7:16: must be a path in the image",
    ],
    ["with an empty value", { title: "" }, undefined, "2:8: must be text, but is empty"],
    ["with a label that is a number", { labels: "{a: 1}" }, undefined, "6:13: must be text, but is a number"],
    ["with a from that is neither", { from: "[a]" }, undefined, "6:7: must be text or a mapping, but is a list"],
    [
      "with a from of unknown keys",
      { from: "{recipe: a, parameter: {}}" },
      undefined,
      '6:19: unknown key "parameter" (did you mean "parameters"?)',
    ],
  ] as const) {
    test(`${what} is refused`, () => {
      const found = problems(rest === undefined ? recipeText(changes) : recipeText(changes, rest));
      assert.ok(
        found.some((line) => line.startsWith(expected)),
        found.join("\n"),
      );
    });
  }

  test("with parameters and tables that do not fit is refused", () => {
    const text = recipeText({
      parameters:
        '{version: {description: d, default: "2", pattern: "1[.]\\\\d+"}, Bad: {description: d}, x: {description: d, pattern: "("}}',
      tables: '[{by: verson, rows: {"1.30": {a: x}, "1.31": {b: y}}}]',
    });
    const found = problems(text);
    assert.ok(
      found.some((line) => /a variable is called by lower case/.test(line)),
      found.join("\n"),
    );
    assert.ok(
      found.some((line) => /is no regular expression/.test(line)),
      found.join("\n"),
    );
    const [first, ...more] = problems(
      recipeText({
        parameters: '{version: {description: d, default: "2", pattern: "1[.]\\\\d+"}}',
        tables: '[{by: verson, rows: {1.30: {a: x}, "1.31": {b: y}}}]',
      }),
    );
    assert.match(first ?? "", /does not fit the pattern/);
    assert.match(more[0] ?? "", /there is no parameter "verson" \(did you mean "version"\?\)/);
    assert.match(more[1] ?? "", /this row lacks b, which another row has/);
    assert.match(more[2] ?? "", /this row lacks a, which another row has/);
  });

  test("with hundreds of mistakes tells the first twenty, and how many there are", () => {
    const text = recipeText({}, `layers:\n${"  - {x: 1}\n".repeat(100)}`);
    assert.equal(problems(text).length, 20);
    assert.throws(() => parse(text), {
      message: /… and 80 more$/,
      details: { file: "one.yaml", line: 7, column: 6, problems: 100 },
    });
  });
});
