import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { createHostDirectories } from "./host-directories.ts";

function place() {
  const root = mkdtempSync(join(tmpdir(), "lm-directories-"));
  const stateDir = join(root, "state");
  const runDir = join(root, "run");
  mkdirSync(stateDir, { mode: 0o700 });
  const directories = createHostDirectories({ stateDir, runDir });
  return {
    root,
    stateDir,
    runDir,
    directories,
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

test("a microVM's directory is its own; what is above it can be passed through and not listed", async () => {
  using here = place();
  const path = join(here.stateDir, "vm", "ns", "name", "uid");
  const run = join(here.runDir, "uid");
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  for (const one of [path, run, path]) unwrap(await here.directories.ensure(one, owner));
  const mode = (of: string) => statSync(of).mode & 0o777;
  assert.deepEqual(
    [mode(path), mode(run), mode(join(path, "..")), mode(here.stateDir), mode(here.runDir)],
    [0o700, 0o700, 0o711, 0o711, 0o711],
  );
  assert.deepEqual(unwrap(await here.directories.list()), [
    { uid: "uid", path },
    { uid: "uid", path: run },
  ]);
});

test("removing takes empty parents along, up to the root, and succeeds twice", async () => {
  using here = place();
  const one = join(here.stateDir, "vm", "ns", "name", "uid1");
  const two = join(here.stateDir, "vm", "ns", "name", "uid2");
  for (const path of [one, two]) unwrap(await here.directories.ensure(path));
  writeFileSync(join(one, "disk.qcow2"), "data");
  assert.ok(await here.directories.exists(join(one, "disk.qcow2")));
  unwrap(await here.directories.remove(one));
  assert.ok(!existsSync(one) && existsSync(two));
  unwrap(await here.directories.remove(two));
  unwrap(await here.directories.remove(two));
  assert.ok(!existsSync(join(here.stateDir, "vm", "ns")) && existsSync(join(here.stateDir, "vm")));
});

test("nothing outside of the microVMs' place is touched", async () => {
  using here = place();
  for (const path of [
    here.stateDir,
    join(here.stateDir, "vm"),
    here.runDir,
    "/etc",
    join(here.root, "run-other", "uid"),
  ]) {
    const removed = await here.directories.remove(path);
    assert.ok(!removed.ok && removed.error.code === "INTERNAL", path);
    assert.ok(!(await here.directories.ensure(path)).ok, path);
  }
});
