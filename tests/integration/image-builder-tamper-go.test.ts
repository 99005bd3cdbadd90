/** A Go module that is not what the lock says is refused: on the way, in Go's own cache, and as a compiled program in ours. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { appendFile, chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { buildInChild, type ChildBuild } from "./image-builder-child.ts";
import { ModuleProxy, module } from "./image-builder-module-proxy.ts";

const run = promisify(execFile);

describe("tampering with Go modules", { timeout: 300_000 }, () => {
  let directory = "";
  let recipe = "";
  let proxy: ModuleProxy;
  let first: ChildBuild;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-tamper-go-"));
    proxy = new ModuleProxy(join(directory, "proxy"));
    await proxy.publish("hello");
    recipe = await proxy.writeRecipe(join(directory, "recipe"), "hello");
    first = await build("one", "modules");
  });
  after(async () => {
    // Go makes the folders of its module cache read-only.
    await run("chmod", ["-R", "u+w", directory]);
    await rm(directory, { recursive: true, force: true });
  });

  /** Go's cache of compiled packages stays the user's: the standard library is not what is tested. */
  const build = (cache: string, modules: string, rebuild = false): Promise<ChildBuild> =>
    buildInChild(
      { recipe, cacheDirectory: join(directory, cache), rebuild },
      { environment: proxy.environment(join(directory, modules)) },
    );

  it("names the module in the image by the digest of its lock", () => {
    const linked = first.software.find(({ name }) => name === module);
    const locked = first.inputs.find(({ kind, name }) => kind === "go-module" && name === module);
    assert.match(linked?.digest ?? "", /^h1:/);
    assert.equal(linked?.digest, locked?.digest);
    assert.equal(linked?.purl, locked?.purl);
  });

  it("refuses a module that the proxy has exchanged", async () => {
    await proxy.publish("something else");
    await assert.rejects(build("two", "other-modules"), new RegExp(`${module} v1.0.0 is not what go.sum says`));
    await proxy.publish("hello");
  });

  it("refuses a module that was changed in Go's own cache, which Go itself believes", async () => {
    const folder = join(directory, "modules", `${module}@v1.0.0`);
    await chmod(folder, 0o755);
    await chmod(join(folder, "main.go"), 0o644);
    await appendFile(join(folder, "main.go"), "\nfunc init() { println(42) }\n");
    await assert.rejects(build("three", "modules"), new RegExp(`${module} v1.0.0 .*go.sum`));
  });

  it("compiles a program again that was changed in the builder's cache", async () => {
    await run("chmod", ["-R", "u+w", join(directory, "modules")]);
    await rm(join(directory, "modules"), { recursive: true });
    const [compiled = ""] = (await readdir(join(directory, "one/go"))).filter((name) => !name.startsWith("compiling-"));
    await chmod(join(directory, "one/go", compiled, "thing"), 0o755);
    await appendFile(join(directory, "one/go", compiled, "thing"), "x");
    const again = await build("one", "modules", true);
    assert.equal(again.digest, first.digest);
  });
});
