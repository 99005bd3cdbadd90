import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeBase64, documentBytesMax, parseYaml } from "./document-text.ts";

test("what was encoded is decoded, with line breaks or without", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
      const encoded = Buffer.from(bytes).toString("base64");
      assert.deepEqual(new Uint8Array(decodeBase64("user-data", encoded)), bytes);
      assert.deepEqual(new Uint8Array(decodeBase64("user-data", encoded.replace(/.{76}/g, "$&\n"))), bytes);
    }),
  );
});

test("what is no base64 is refused with document and position, and without the content", () => {
  const secret = "c2VjcmV0*";
  assert.throws(
    () => decodeBase64("user-data", secret),
    (error: Error) => {
      assert.match(error.message, /"user-data".*position 9/);
      assert.ok(!error.message.includes("c2Vj"));
      return true;
    },
  );
  for (const text of ["abc", "ab=c", "a===", "====", "ab c", "YW-_"]) {
    assert.throws(() => decodeBase64("meta-data", text), { code: "METADATA_INVALID" }, text);
  }
});

test("ten megabytes are refused before they are decoded", () => {
  assert.throws(() => decodeBase64("user-data", "A".repeat(10 * 1024 * 1024)), {
    code: "METADATA_INVALID",
    message: /larger than/,
  });
  assert.throws(() => decodeBase64("user-data", "A".repeat(4 * Math.ceil((documentBytesMax + 3) / 3))), {
    code: "METADATA_INVALID",
  });
});

test("a YAML bomb is refused", () => {
  const lines = ["a0: &a0 [x, x]"];
  for (let level = 1; level < 30; level++) lines.push(`a${level}: &a${level} [*a${level - 1}, *a${level - 1}]`);
  assert.throws(() => parseYaml("vendor-data", lines.join("\n")), { code: "METADATA_INVALID", message: /aliases/ });
});
