/** A package, a package list or a release file that is not what was signed is refused, with words that say which. Needs gpg, apt, dpkg-deb. */
import assert from "node:assert/strict";
import { appendFile, chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type BuiltRecipe, buildRecipe } from "@liquidmetal/image-builder";
import { PackageArchive } from "./image-builder-package-archive.ts";

describe("tampering with Debian packages", { timeout: 120_000 }, () => {
  let directory = "";
  let archive: PackageArchive;
  let caches = 0;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-tamper-"));
    archive = await PackageArchive.create(join(directory, "debian"));
    const text = `name: test/thing
title: Thing
version: "1"
date: 2026-11-01
architectures: [amd64, arm64]
layers:
  - packages:
      anyOf: [[thing]]
      sources: ${archive.sourcesFile}
      files: {usr/bin/thing: usr/bin/thing}
`;
    await writeFile(join(directory, "recipe.yaml"), text);
    // apt fetches as a user of its own.
    await chmod(directory, 0o755);
  });
  afterEach(async () => {
    await archive[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const build = (cache = `cache-${++caches}`, rebuild = false): Promise<BuiltRecipe> =>
    buildRecipe({ recipe: join(directory, "recipe.yaml"), cacheDirectory: join(directory, cache), rebuild });
  const refused = (message: RegExp, cache?: string): Promise<void> =>
    assert.rejects(build(cache), { code: "IMAGE_INPUT_MISMATCH", message });

  it("builds from an archive whose signature is good, and names the package by its digest", async () => {
    const { software, inputs } = await build();
    assert.deepEqual(
      software.map(({ name, version }) => `${name} ${version}`),
      ["thing 1.0"],
    );
    const [input] = inputs.filter(({ kind }) => kind === "debian-package");
    assert.match(input?.digest ?? "", /^sha256:[0-9a-f]{64}$/);
  });

  it("refuses a package that was exchanged behind the lists", async () => {
    await archive.pack("two");
    await refused(/thing|packages/);
  });

  it("refuses a list that was exchanged behind the release file", async () => {
    await archive.pack("two");
    const release = await readFile(archive.releaseFile);
    await archive.writeLists();
    await writeFile(archive.releaseFile, release);
    await refused(/package lists cannot be trusted/);
  });

  it("refuses lists without a signature, with another's signature, and with one that no longer fits", async () => {
    await archive.sign("theirs");
    await refused(/package lists cannot be trusted/);
    await archive.sign("ours");
    const signed = join(directory, "debian/archive/InRelease");
    await writeFile(signed, (await readFile(signed, "utf8")).replace("Origin: Test", "Origin: Best"));
    await refused(/package lists cannot be trusted/);
    await rm(signed);
    await refused(/package lists cannot be trusted/);
  });

  it("fetches a package again whose kept copy was damaged, and makes the same image of it", async () => {
    const first = await build("kept");
    const store = join(directory, "kept/debian/packages");
    const [name = ""] = await readdir(store);
    await appendFile(join(store, name), "x");
    const again = await build("kept", true);
    assert.equal(again.digest, first.digest);
    await appendFile(join(store, name), "x");
    await archive.pack("two");
    await assert.rejects(build("kept", true), { code: "IMAGE_INPUT_MISMATCH" });
  });
});
