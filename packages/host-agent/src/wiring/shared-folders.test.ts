/** Which directories of the host a microVM may see. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Spawner } from "@liquidmetal/microvm";
import { defaultAgentConfig } from "../config/load.ts";
import { createSharedFolders } from "./shared-folders.ts";

/** Nothing is started in these tests. */
const noSpawner = new Proxy({}, { get: (_, name) => assert.fail(`the spawner was asked: ${String(name)}`) }) as Spawner;

function sharedFolders(virtiofsRoots: readonly string[]) {
  const config = defaultAgentConfig();
  return createSharedFolders({ ...config, volumes: { ...config.volumes, virtiofsRoots } }, noSpawner);
}

test("nothing is shared unless a root is configured", () => {
  assert.equal(sharedFolders([]), undefined);
  assert.deepEqual(defaultAgentConfig().volumes.virtiofsRoots, []);
});

test("only what lies below a root is shared", () => {
  const folders = sharedFolders(["/srv/share", "/data"]);
  assert.ok(folders !== undefined);
  for (const path of ["/srv/share", "/srv/share/a", "/data/x/../y"]) assert.ok(folders.check(path).ok, path);
  for (const path of ["/", "/etc", "/srv", "/srv/shared", "/srv/share/../secret", "data", "", "/data/../etc"]) {
    const checked = folders.check(path);
    assert.ok(!checked.ok && checked.error.code === "SPEC_INVALID", path);
  }
});
