import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { lockReplacements } from "./lock-document.ts";
import { parseGoMod, parseGoSum, replaced } from "./module-files.ts";
import { planToolchain } from "./toolchain.ts";

const locks = join(import.meta.dirname, "../../../../images/node/locks");
const folders = (await readdir(locks, { withFileTypes: true })).filter((entry) => entry.isDirectory());

for (const { name } of folders) {
  test(`the lock ${name} is of that version, vouches for it, and can be compiled without a Go of the machine`, async () => {
    const mod = parseGoMod(await readFile(join(locks, name, "go.mod"), "utf8"));
    const sums = parseGoSum(await readFile(join(locks, name, "go.sum"), "utf8"));
    const version = `v${name.slice(name.lastIndexOf("-") + 1)}`;
    assert.ok(mod.tools.length > 0);
    for (const tool of mod.tools) {
      const main = mod.require.find(({ path }) => tool === path || tool.startsWith(`${path}/`));
      assert.equal(main?.version, version);
      assert.ok(sums.some((sum) => sum.path === main?.path && sum.version === version));
    }
    // What replaces a module is a published version of it, and nothing is left that is not published.
    assert.ok(mod.replace.every(({ by }) => by.version !== undefined));
    for (const module of mod.require) assert.notEqual(replaced(module, mod.replace).version, "v0.0.0", module.path);
    assert.deepEqual(lockReplacements(mod, version), mod.replace);
    assert.equal((await planToolchain({ machineGo: "/nonexistent/go", atLeast: mod.go })).source, "wheel");
  });
}
