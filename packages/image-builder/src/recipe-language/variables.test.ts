import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { interpolate } from "./interpolation.ts";
import type { Problem } from "./problem.ts";
import { parse, problemsOf, recipeText } from "./recipe-fixture.ts";
import { longestPrefix, variablesOf } from "./variables.ts";

const recipe = parse(
  recipeText({
    parameters:
      '{kubernetes: {description: Version, pattern: "1[.]\\\\d+[.]\\\\d+", default: "1.36.3"}, name: {description: A name}}',
    tables:
      '[{by: kubernetes, rows: {1.3: {etcd: none, go: "0"}, 1.36: {etcd: "3.6.${name}", go: "1.26"}, 1.36.9: {etcd: x, go: y}}}, {by: go, rows: {"1": {big: "yes"}}}]',
  }),
);

describe("variables", () => {
  test("are parameters, their defaults, the architecture, and what tables make of them", () => {
    assert.deepEqual(Object.fromEntries(variablesOf(recipe, { name: "4" }, "arm64")), {
      kubernetes: "1.36.3",
      name: "4",
      architecture: "arm64",
      etcd: "3.6.4",
      go: "1.26",
      big: "yes",
    });
  });

  test("of tables come from the row whose key is the longest prefix by parts", () => {
    assert.equal(longestPrefix("1.36.3", ["1.3", "1.36", "1.36.30"]), "1.36");
    assert.equal(longestPrefix("1.36.3", ["1.36.3", "1.36"]), "1.36.3");
    assert.equal(longestPrefix("1.4.0", ["1.36"]), undefined);
    assert.deepEqual(problemsOf(() => variablesOf(recipe, { name: "4", kubernetes: "1.40.0" }, "amd64")).length, 2);
  });

  test("that are unknown, missing or do not fit are told together", () => {
    assert.throws(() => variablesOf(recipe, { kubernets: "1", kubernetes: "latest" }, "amd64"), {
      code: "REQUEST_INVALID",
      message:
        'test/one: there is no parameter "kubernets" (did you mean "kubernetes"?); ' +
        'the parameter kubernetes is "latest", which does not fit 1[.]\\d+[.]\\d+; the parameter name must be given: A name',
    });
    assert.throws(() => variablesOf(recipe, { name: "x".repeat(1_025) }, "amd64"), { code: "REQUEST_INVALID" });
  });
});

describe("interpolation", () => {
  const variables = new Map([
    ["name", "it"],
    ["odd", "${name} $${x}"],
    ["facts.release", "6.1"],
  ]);
  const all = (
    value: unknown,
    keepFacts = false,
  ): { readonly value: unknown; readonly problems: readonly Problem[] } => {
    const problems: Problem[] = [];
    return {
      value: interpolate(value, ["at"], { variables, keepFacts, onProblem: (one) => problems.push(one) }),
      problems,
    };
  };

  test("replaces in values and keys, at any depth, and leaves what is no variable", () => {
    const { value, problems } = all({
      "a-${name}": ["${parameters.name}", 1, null, true, { b: "$name $$ $${HOME} ${name}${name}" }],
    });
    assert.deepEqual(value, { "a-it": ["it", 1, null, true, { b: "$name $$ ${HOME} itit" }] });
    assert.deepEqual(problems, []);
  });

  test("does not look for variables in values of variables", () => {
    assert.equal(all("${odd}").value, "${name} $${x}");
    const once = all("${odd} ${facts.release} $${y}", true).value;
    assert.equal(all(once).value, "${name} $${x} 6.1 ${y}");
  });

  test("tells what is unknown, where, and how to write it as it is", () => {
    const { problems } = all({ a: ["x", "${nam}"], b: "${HOME:-/root}", c: "${name" });
    assert.deepEqual(problems, [
      {
        path: ["at", "a", 1],
        message: "unknown variable ${nam} (did you mean ${name}?); write $${nam} where ${nam} itself is meant",
      },
      {
        path: ["at", "b"],
        message:
          "unknown variable ${HOME:-/root} (known: name, odd, facts.release); write $${HOME:-/root} where ${HOME:-/root} itself is meant",
      },
      { path: ["at", "c"], message: '"${name" has no "}"; write $${ where ${ itself is meant' },
    ]);
  });
});
