// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates are what is tested
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { parse } from "yaml";
import { fillIn, templateVariables } from "./fill-in.ts";

const recorded = (name: string): string => readFileSync(join(import.meta.dirname, "recorded", name), "utf8");

/** What clusterctl was given when grammar-filled.yaml was recorded. */
const values = { NAME: "demo", EMPTY: "", LIST: "one,two,three", PATHS: "/a/b", UPPER: "DEMO", ACCENT: "größe" };

describe("filling in a template", () => {
  const ours: { readonly data: Readonly<Record<string, string>> } = parse(fillIn(recorded("grammar.yaml"), values));
  const theirs: { readonly data: Readonly<Record<string, string>> } = parse(recorded("grammar-filled.yaml"));
  for (const [what, expected] of Object.entries(theirs.data)) {
    test(`${what}: as clusterctl does`, () => assert.equal(ours.data[what], expected));
  }
  test("nothing else comes of it", () => assert.deepEqual(ours, theirs));

  // What clusterctl says of each, word for word.
  const refused: readonly [string, string][] = [
    ["a ${NAME", "missing closing brace"],
    ["a ${}", "unable to parse variable name"],
    ["a ${-x}", "unable to parse variable name"],
    ["a ${NAME:}", "unable to parse substitution within function"],
    ["a ${NAME!x}", "missing closing brace"],
    ["a ${NAME:=${OTHER}", "unable to parse substitution within function"],
    ["a ${NAME/a}", "bad substitution"],
    ["a ${NAME#a}", "not supported"],
  ];
  for (const [text, why] of refused) {
    test(`${text} is refused`, () =>
      assert.throws(
        () => fillIn(text, values),
        (error) => error instanceof PlatformError && error.message.includes(why),
      ));
  }

  test("all that is missing is told at once", () => {
    const template = "${B}${A}${C:=c}${NAME}${B:=late}";
    assert.throws(() => fillIn(template, values), { message: /wants A, B, which have no value/ });
  });

  test("a variable that is set to nothing is set", () => assert.equal(fillIn("[${EMPTY}]", values), "[]"));

  test("names of every object's own properties are no values", () => {
    assert.throws(() => fillIn("${toString}", {}), { message: /wants toString/ });
    assert.equal(fillIn("${constructor:=none}", {}), "none");
  });

  test("a value is never looked into", () => {
    assert.equal(fillIn("${NAME}", { NAME: "${OTHER} $$ $& $1" }), "${OTHER} $$ $& $1");
    assert.equal(fillIn("${LIST//,/;}", { LIST: "$&,$1" }), "$&;$1");
  });

  test("variables are listed with their defaults", () => {
    assert.deepEqual(templateVariables("${B:=${A}x} ${A} ${ C }"), [
      { name: "A" },
      { name: "B", default: "${A}x" },
      { name: "C" },
    ]);
  });
});
