import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { checkOutput, type OutputTarget, parseOutputTarget } from "./output-target.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "lm-target-"));
});
after(() => rm(directory, { recursive: true }));

test("the four forms", () => {
  assert.deepEqual(parseOutputTarget("oci:out/dir"), { kind: "oci", path: "out/dir" });
  assert.deepEqual(parseOutputTarget("oci-archive:/a: b.tar"), { kind: "oci-archive", path: "/a: b.tar" });
  assert.deepEqual(parseOutputTarget("ext4:root.img"), { kind: "ext4", path: "root.img" });
  assert.deepEqual(parseOutputTarget("registry:localhost:5000/a/b:1"), {
    kind: "registry",
    reference: "localhost:5000/a/b:1",
  });
  assert.deepEqual(parseOutputTarget("registry localhost/a"), { kind: "registry", reference: "localhost/a" });
});

test("anything else says what there is", () => {
  for (const text of ["", "oci", "oci:", "docker:x", "out.tar", "oci-archive:", "ext4:a\0b"]) {
    assert.throws(
      () => parseOutputTarget(text),
      { code: "REQUEST_INVALID", remedy: /oci:DIR, oci-archive:FILE/ },
      text,
    );
  }
  assert.throws(() => parseOutputTarget("registry:Not A Name"), { code: "IMAGE_REFERENCE_INVALID" });
});

test("what is there is not overwritten; links and devices never", async () => {
  const at = (name: string): string => join(directory, name);
  const check = (kind: "oci" | "ext4" | "oci-archive", path: string, force = false): Promise<string> =>
    checkOutput({ kind, path } satisfies OutputTarget, force);
  await writeFile(at("file"), "x");
  await mkdir(at("empty"));
  await mkdir(at("full"));
  await writeFile(at("full/precious"), "x");
  await mkdir(at("layout"));
  await writeFile(at("layout/oci-layout"), "{}");
  await symlink("file", at("link"));
  assert.equal(await check("oci", at("new")), "nothing");
  assert.equal(await check("oci", at("empty")), "folder");
  assert.equal(await check("oci", at("layout")), "layout");
  assert.equal(await check("oci", at("full"), true), "folder");
  assert.equal(await check("ext4", at("file"), true), "file");
  await assert.rejects(check("oci", at("full")), { code: "REQUEST_INVALID", message: /no OCI image layout/ });
  await assert.rejects(check("oci-archive", at("file")), { code: "REQUEST_INVALID", message: /exists/ });
  for (const path of ["/dev/null", at("link"), at("empty")]) {
    await assert.rejects(check("ext4", path, true), { code: "REQUEST_INVALID", message: /no regular file/ });
  }
  await assert.rejects(check("oci", at("file"), true), { code: "REQUEST_INVALID", message: /no folder/ });
  await assert.rejects(check("ext4", at("nowhere/root.img")), { code: "REQUEST_INVALID", remedy: /mkdir -p/ });
});
