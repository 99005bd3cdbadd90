import assert from "node:assert/strict";
import { test } from "node:test";
import { labelMatcher } from "./label-selector.ts";

const labels = { app: "web", "example.org/tier": "front", empty: "" };
const cases: readonly (readonly [selector: string, matches: boolean])[] = [
  ["", true],
  ["app=web", true],
  ["app==web,example.org/tier=front", true],
  ["app=db", false],
  ["app!=db,missing!=x", true],
  ["app != web", false],
  ["app in (db, web)", true],
  ["app notin (db,web)", false],
  ["missing notin (a)", true],
  ["missing in (a)", false],
  ["app,!missing", true],
  ["!app", false],
  ["missing", false],
  ["empty=", true],
  ["app in (db,web),empty in ()", true],
];

for (const [selector, matches] of cases) {
  test(`"${selector}" ${matches ? "matches" : "does not match"}`, () => {
    assert.equal(labelMatcher(selector)(labels), matches);
  });
}

test("what is no selector is refused", () => {
  for (const selector of ["a=b=c", "a in b", "a in (b", "=b", "a,,b", "a b"]) {
    assert.throws(() => labelMatcher(selector), { code: "REQUEST_INVALID" }, selector);
  }
});
