import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { platformPaths } from "../paths.ts";
import { storageError } from "./storage-error.ts";

const paths = platformPaths("x");
const refused = (code: string, more: object): Error => Object.assign(new Error(code), { code, ...more });

describe("what the file system refused", () => {
  test("is told with the file and a remedy", () => {
    const full = storageError(refused("ENOSPC", { path: "/cache/etcd", dest: "/state/etcd" }), paths);
    assert.ok(full instanceof PlatformError);
    assert.equal(full.code, "DISK_FULL");
    assert.equal(full.message, "/state/etcd cannot be written: there is no space left");
    assert.match(full.remedy ?? "", /df \/var\/lib\/liquidmetal-x/);
    const readOnly = storageError(refused("EROFS", { path: "/state/a" }), paths);
    assert.ok(readOnly instanceof PlatformError);
    assert.match(readOnly.message, /^\/state\/a .* read-only$/);
  });

  test("is left alone where it is something else, or known already", () => {
    for (const error of [refused("ENOENT", {}), new PlatformError("INTERNAL", "x"), new Error("x"), "x"])
      assert.equal(storageError(error, paths), error);
  });
});
