/** virtiofsd, real, confined to its roots. Needs root. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unwrap } from "@liquidmetal/foundation";
import { VirtiofsStore } from "@liquidmetal/images";
import { ChildSpawner } from "./images-spawner.ts";

const spawner = new ChildSpawner();
const skip = (await new VirtiofsStore({ spawner, allowedRoots: ["/tmp"] }).available())
  ? false
  : "no virtiofsd here: apt-get install qemu-system-common";

describe("virtiofs", { skip, timeout: 30_000 }, () => {
  let root: string;
  let store: VirtiofsStore;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "lm-virtiofs-"));
    for (const name of ["shared/data", "shared-not", "run"]) await mkdir(join(root, name), { recursive: true });
    await symlink(join(root, "shared-not"), join(root, "shared", "escape"));
    store = new VirtiofsStore({ spawner, allowedRoots: [join(root, "shared")] });
  });
  after(async () => {
    await rm(root, { recursive: true, force: true });
  });

  test("a directory below a root is shared until it is released", async () => {
    const volume = unwrap(
      await store.create({
        ...{
          volumeId: "data",
          sourcePath: join(root, "shared", "data"),
          readOnly: false,
          runDirectory: join(root, "run"),
          token: "lm-test-token",
        },
        fileOwner: { uid: 4242, gid: 4242 },
      }),
    );
    assert.equal(volume.kind, "virtiofs");
    const socket = await stat(volume.path);
    assert.ok(socket.isSocket());
    assert.equal(socket.uid, 4242);
    assert.equal(await store.exists(volume), true);
    unwrap(await store.release(volume));
    assert.equal(await store.exists(volume), false);
    await assert.rejects(stat(volume.path));
    unwrap(await store.release(volume));
  });

  test("nothing else is", async () => {
    const paths = [
      "/etc",
      join(root, "shared", "escape"),
      join(root, "shared", "..", "shared-not"),
      join(root, "shared-not"),
      join(root, "shared", "none"),
      "shared/data",
    ];
    for (const sourcePath of paths) {
      const result = await store.create({
        volumeId: "x",
        sourcePath,
        readOnly: false,
        runDirectory: join(root, "run"),
        token: "lm-test-token-2",
      });
      assert.equal(result.ok ? "shared" : result.error.code, "SPEC_INVALID", sourcePath);
    }
    const closed = new VirtiofsStore({ spawner, allowedRoots: [] });
    assert.equal(await closed.available(), false);
  });
});
