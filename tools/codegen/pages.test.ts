import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generatedPages } from "./pages.ts";

for (const { path, text } of generatedPages()) {
  test(`${path} is current (npm run generate)`, () => {
    assert.equal(readFileSync(join(import.meta.dirname, "../..", path), "utf8"), text);
  });
}
