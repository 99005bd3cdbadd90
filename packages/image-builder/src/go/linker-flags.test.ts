import assert from "node:assert/strict";
import { test } from "node:test";
import { linkerFlags } from "./linker-flags.ts";

test("variables come in the same order however they are written", () => {
  const flags = linkerFlags({ "b.org/v.B": "2", "a.org/v.A": "one two" });
  assert.equal(flags, "-s -w -buildid= -X 'a.org/v.A=one two' -X b.org/v.B=2");
  assert.equal(linkerFlags({}), "-s -w -buildid=");
});

test("a value cannot bring flags of its own", () => {
  for (const value of ["x' -linkmode 'external", 'x"', "two\nlines", "nul\0"]) {
    assert.throws(() => linkerFlags({ "a.org/v.A": value }), { code: "RECIPE_INVALID" });
  }
  for (const name of ["nodot", "a b.c", "a.org/v.A=x", ""]) {
    assert.throws(() => linkerFlags({ [name]: "1" }), { code: "RECIPE_INVALID" });
  }
});
