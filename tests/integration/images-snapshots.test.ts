/**
 * Volumes from containerd 2.x's `blockfile` snapshotter: the conformance suite and what is in them. Needs root and loop devices.
 *
 * The `devmapper` snapshotter needs device-mapper in the kernel and is not tested here.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { unwrap } from "@liquidmetal/foundation";
import { ContainerdImageStore, chooseBlockStore, SnapshotBlockStore } from "@liquidmetal/images";
import type { ResolvedImage } from "@liquidmetal/microvm";
import { containerd2Binary, PrivateContainerd } from "../assets/containerd.ts";
import { image, layoutArchive, streamed } from "../assets/containerd-images.ts";
import { blockStoreConformance } from "../conformance/images-block-store-suite.ts";
import { ChildSpawner } from "./images-spawner.ts";

const run = promisify(execFile);
const MiB = 1024 * 1024;
const program = await containerd2Binary();
const loop = await access("/dev/loop-control").then(
  () => true,
  () => false,
);
const skip =
  typeof program !== "string" ? program.skip : loop ? false : "blockfile was not tested: no loop devices here";

interface World {
  readonly root: string;
  readonly images: ContainerdImageStore;
  readonly image: ResolvedImage;
  readonly store: SnapshotBlockStore;
  readonly close: () => Promise<void>;
}

async function open(): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), "lm-images-blockfile-"));
  const scratch = join(root, "scratch");
  await run("truncate", ["-s", "32M", scratch]);
  await run("mke2fs", ["-q", "-F", "-t", "ext4", "-O", "^has_journal", scratch]);
  const daemon = new PrivateContainerd({
    program: String(program),
    major: 2,
    directory: join(root, "containerd"),
    blockfileScratch: scratch,
  });
  await daemon.start();
  const images = new ContainerdImageStore({ address: daemon.address });
  const archive = await layoutArchive(
    await image([[{ name: "etc/" }, { name: "etc/hello", content: "hello" }], [{ name: "etc/two", content: "two" }]]),
  );
  unwrap(await images.import(streamed(archive), { reference: "example.org/block:1" }));
  const resolved = unwrap(await images.ensure("example.org/block:1", "uid-image"));
  const store = await SnapshotBlockStore.open({
    images,
    snapshotter: "blockfile",
    spawner: new ChildSpawner(),
    directory: root,
    overcommitFactor: 100,
  });
  const close = async (): Promise<void> => {
    images.close();
    await daemon.kill("SIGTERM");
    await rm(root, { recursive: true, force: true });
  };
  return { root, images, image: resolved, store, close };
}

blockStoreConformance(
  "snapshot-store on blockfile",
  async () => {
    const world = await open();
    const directory = async (owner: string): Promise<string> => {
      const path = join(world.root, "vm", owner);
      await mkdir(path, { recursive: true });
      return path;
    };
    return { ...world, directory, crowd: 8 };
  },
  skip,
);

describe("blockfile volumes", { skip, timeout: 60_000 }, () => {
  let world: World;
  before(async () => {
    world = await open();
  });
  after(async () => {
    await world?.close();
  });

  test("hold the tree, grow, belong to the VMM, and are freed with their owner", async () => {
    const directory = join(world.root, "vm");
    await mkdir(directory);
    const request = {
      owner: "uid-b",
      volumeId: "root",
      directory,
      image: world.image,
      readOnly: false,
      formats: ["raw"] as const,
    };
    const volume = unwrap(
      await world.store.create({ ...request, sizeBytes: 96 * MiB, fileOwner: { uid: 4242, gid: 4242 } }),
    );
    assert.equal(volume.path, join(directory, "snapshot-root.raw"));
    const { size, uid } = await stat(volume.path);
    assert.deepEqual([size, uid], [96 * MiB, 4242]);
    await run("e2fsck", ["-f", "-n", volume.path]);
    assert.equal((await run("debugfs", ["-R", "cat /etc/two", volume.path])).stdout, "two");
    await world.images.containerd.leases.remove("flintlock/uid-b", true);
    assert.deepEqual(
      (await world.images.containerd.snapshots("blockfile").list()).filter((name) => name.includes("uid-b")),
      [],
    );
    unwrap(await world.store.release(volume, "uid-b"));
  });

  test("a snapshotter that is not there is said so", async () => {
    const choice = {
      directory: world.root,
      images: world.images,
      spawner: new ChildSpawner(),
      formats: ["qcow2", "raw"] as const,
    };
    const missing = await chooseBlockStore({ ...choice, preference: "snapshot-store:devmapper" });
    assert.equal(missing.ok ? "opened" : missing.error.code, "CAPABILITY_MISSING");
    const unknown = await chooseBlockStore({ ...choice, preference: "floppy" });
    assert.equal(unknown.ok ? "opened" : unknown.error.code, "CONFIG_INVALID");
    assert.equal(unwrap(await chooseBlockStore({ ...choice, preference: "auto" })).name, "file-store");
    assert.equal(
      unwrap(await chooseBlockStore({ ...choice, preference: "auto", formats: ["raw"] })).name,
      "file-store",
    );
  });
});
