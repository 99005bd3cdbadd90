/** Whatever somebody writes, the language answers in its own words; and what is escaped comes out as it went in. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import fc from "fast-check";
import { type Interpolation, interpolateText } from "./interpolation.ts";
import { codeFrame } from "./problem.ts";
import { parse, recipeText } from "./recipe-fixture.ts";

const dollars = fc.string({ unit: fc.constantFrom("$", "{", "}", "a", ".", " ", "\n", "facts", "name") });

/** Reads it, or refuses it in the language's own words; anything else is a defect. */
function answers(text: string): void {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof PlatformError && error.code === "RECIPE_INVALID", String(error));
    assert.match(error.message, /^one\.yaml:\d+:\d+: /);
  }
}

const how = (variables: Readonly<Record<string, string>>, keepFacts: boolean): Interpolation => ({
  variables: new Map(Object.entries(variables)),
  keepFacts,
  onProblem: ({ message }) => assert.fail(message),
});

describe("the recipe language", () => {
  test("answers every text", () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), answers), { numRuns: 300 });
    const pieces = fc.constantFrom(
      "- ",
      "a: ",
      "[",
      "]",
      "{",
      "}",
      "&a ",
      "*a",
      "|\n",
      '"',
      "'",
      "\n",
      "  ",
      "#",
      "!!",
      "?",
      "\t",
      "%",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (some) => answers(some.join(""))),
      { numRuns: 300 },
    );
  });

  test("answers every damaged recipe", () => {
    const whole = recipeText({ parameters: '{x: {description: d, default: "1"}}', labels: "{a: b}" });
    const damage = fc.tuple(fc.nat(whole.length), fc.nat(10), fc.string({ maxLength: 5 }));
    const damaged = damage.map(([at, length, put]) => whole.slice(0, at) + put + whole.slice(at + length));
    fc.assert(fc.property(damaged, answers), { numRuns: 300 });
  });

  test("takes the value of a variable as it is, in one round and in two", () => {
    fc.assert(
      fc.property(dollars, (value) => {
        assert.equal(interpolateText("<${it}>", [], how({ it: value }, false)), `<${value}>`);
        const first = interpolateText("<${it}>", [], how({ it: value }, true));
        assert.equal(interpolateText(first, [], how({}, false)), `<${value}>`);
      }),
    );
  });

  test("gives back every text whose ${ are escaped", () => {
    fc.assert(
      fc.property(dollars, (text) => {
        const escaped = text.replaceAll("${", () => "$${");
        assert.equal(interpolateText(escaped, [], how({}, false)), text);
        assert.equal(interpolateText(interpolateText(escaped, [], how({}, true)), [], how({}, false)), text);
      }),
    );
  });

  test("shows a frame of three lines at most, whatever stands there", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.integer({ min: 1, max: 50 }),
        fc.nat(300),
        fc.nat(300),
        (text, line, column, length) => {
          const frame = codeFrame(text, line, column + 1, length);
          assert.ok(frame.split("\n").length <= 3);
          assert.ok(!/[\x00-\x09\x0b-\x1f]/.test(frame));
        },
      ),
    );
  });
});
