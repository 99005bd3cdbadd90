/** A Debian root with its maintainer scripts, and packages on top of it, are the same twice. Takes a minute: packages are installed four times. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readSupplyChain, verifyImage } from "@liquidmetal/image-builder";
import { assertSame, TwoWorlds } from "./image-builder-worlds.ts";

const recipe = `name: test/debian
title: A small Debian
version: "1"
date: 2026-11-01
architectures: [amd64, arm64]
layers:
  - name: root
    debian:
      variant: essential
      exclude: ["usr/share/locale/*", "usr/share/man/*"]
      scripts:
        - |
          echo made >/etc/made-by-script
          chmod 0600 /etc/made-by-script
  - name: more
    debian:
      include: [less]
`;

describe("reproducible Debian roots", { timeout: 600_000 }, () => {
  let worlds: TwoWorlds;
  before(async () => {
    worlds = await TwoWorlds.create();
  });
  after(() => worlds[Symbol.asyncDispose]());

  it("gives the same image twice, and names all packages in its bill of materials", async () => {
    const folder = join(worlds.directory, "recipe");
    await mkdir(folder);
    await writeFile(join(folder, "recipe.yaml"), recipe);
    const [one, other] = await worlds.build("debian", [join(folder, "recipe.yaml"), join(folder, "recipe.yaml")]);
    await assertSame(one, other);
    await verifyImage(one.layout);
    const [summary] = await readSupplyChain(one.layout);
    const names = summary?.sbom?.packages.map(({ name }) => name) ?? [];
    for (const name of ["base-files", "libc6", "dpkg", "less"]) assert.ok(names.includes(name), name);
    const licensed = summary?.sbom?.packages.filter(({ license }) => license !== "NOASSERTION") ?? [];
    assert.ok(licensed.length > names.length / 2, `${licensed.length} of ${names.length} have a licence`);
  });
});
