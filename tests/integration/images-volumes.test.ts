/** Volumes and files out of images in a real containerd: overlays of several layers, file systems that check clean, disks that fill. Needs root. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { type PlatformError, type Result, unwrap } from "@liquidmetal/foundation";
import { ContainerdImageStore, FileBlockStore, type FileBlockStoreOptions, ImageFileStore } from "@liquidmetal/images";
import type { MadeVolume, ResolvedImage, RunRequest, RunResult, VolumeRequest } from "@liquidmetal/microvm";
import { containerd1, PrivateContainerd } from "../assets/containerd.ts";
import { image, layoutArchive, streamed } from "../assets/containerd-images.ts";
import { ChildSpawner } from "./images-spawner.ts";

const run = promisify(execFile);

/** Fills the disk just before the file system is made on it. */
class FillingSpawner extends ChildSpawner {
  readonly #directory: string;

  constructor(directory: string) {
    super();
    this.#directory = directory;
  }

  override async run(request: RunRequest): Promise<Result<RunResult, PlatformError>> {
    if (request.args.includes("mke2fs")) {
      const { bavail, bsize } = await statfs(this.#directory);
      await writeFile(join(this.#directory, "ballast-2"), Buffer.alloc(bavail * bsize - 16 * 1024));
    }
    return await super.run(request);
  }
}

const program = await containerd1();
const MiB = 1024 * 1024;

describe("volumes and files", { skip: typeof program === "string" ? false : program.skip, timeout: 120_000 }, () => {
  let root: string;
  let daemon: PrivateContainerd;
  let images: ContainerdImageStore;
  let layered: ResolvedImage;
  const spawner = new ChildSpawner();

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "lm-images-disk-"));
    daemon = new PrivateContainerd({ program: String(program), major: 1, directory: join(root, "containerd") });
    await daemon.start();
    images = new ContainerdImageStore({ address: daemon.address });
    const one = await image([
      [
        { name: "boot/" },
        { name: "boot/vmlinux-6.1", content: "old kernel" },
        { name: "etc/" },
        { name: "etc/gone", content: "gone" },
        { name: "etc/kept", content: "kept", mode: 0o640, uid: 12, gid: 34 },
      ],
      [
        { name: "etc/.wh.gone", content: "" },
        { name: "boot/vmlinux-6.1", content: "new kernel" },
        { name: "vmlinuz", type: "symlink", linkname: "/boot/vmlinux" },
        { name: "boot/vmlinux", type: "symlink", linkname: "../../../boot/vmlinux-6.1" },
        { name: "escape", type: "symlink", linkname: "../../../../../etc/hostname" },
        { name: "circle", type: "symlink", linkname: "circle" },
      ],
    ]);
    unwrap(await images.import(streamed(await layoutArchive(one)), { reference: "example.org/layered:1" }));
    layered = unwrap(await images.ensure("example.org/layered:1", "uid-test"));
  });

  after(async () => {
    images?.close();
    await daemon?.kill("SIGTERM");
    await rm(root, { recursive: true, force: true });
  });

  const open = async (name: string, options: Partial<FileBlockStoreOptions> = {}): Promise<FileBlockStore> => {
    const directory = join(root, name);
    await mkdir(directory, { recursive: true });
    return await FileBlockStore.open({ directory, images, spawner, reserveBytes: 0, ...options });
  };
  const create = async (store: FileBlockStore, changes: Partial<VolumeRequest> = {}): Promise<MadeVolume> => {
    const directory = await mkdtemp(join(root, "vm-"));
    const request = {
      owner: directory,
      volumeId: "root",
      directory,
      image: layered,
      readOnly: false,
      formats: ["raw" as const],
    };
    return unwrap(await store.create({ ...request, ...changes }));
  };
  const inside = async (path: string, file: string): Promise<string> =>
    (await run("debugfs", ["-R", `cat ${file}`, path])).stdout;

  test("the file system holds the merged tree, checks clean, and has the size", async () => {
    const store = await open("plain");
    const volume = await create(store, { fileOwner: { uid: 4242, gid: 4343 } });
    assert.equal(volume.sizeBytes, 512 * MiB);
    await run("e2fsck", ["-f", "-n", volume.path]);
    assert.equal(await inside(volume.path, "/boot/vmlinux-6.1"), "new kernel");
    assert.equal(await inside(volume.path, "/etc/gone"), "");
    assert.match(
      (await run("debugfs", ["-R", "stat /etc/kept", volume.path])).stdout,
      /Mode: {2}0640[\s\S]*User: {4}12 {3}Group: {4}34/,
    );
    const { uid, gid, mode, blocks } = await stat(volume.path);
    assert.deepEqual([uid, gid, mode & 0o777], [4242, 4343, 0o600]);
    assert.ok(blocks * 512 < 40 * MiB, "it is sparse");
  });

  test("a larger size is grown out of the default one; a small one is built", async () => {
    const store = await open("sizes");
    await create(store);
    const larger = await create(store, { sizeBytes: 1_500 * MiB });
    assert.equal((await stat(larger.path)).size, 1_500 * MiB);
    await run("e2fsck", ["-f", "-n", larger.path]);
    const { stdout } = await run("dumpe2fs", ["-h", larger.path]);
    assert.match(stdout, new RegExp(`Block count:\\s+${(1_500 * MiB) / 4096}\\n`));
    assert.equal(spawner.programs.filter((one) => one === "resize2fs").length, 1);
    const small = await create(store, { sizeBytes: 48 * MiB });
    assert.equal((await stat(small.path)).size, 48 * MiB);
    await run("e2fsck", ["-f", "-n", small.path]);
  });

  test("the same image makes the same base, to the last bit", async () => {
    const digests = await Promise.all(
      ["first", "second"].map(async (name) => {
        const volume = await create(await open(name), { sizeBytes: 64 * MiB, readOnly: true });
        return createHash("sha256")
          .update(await readFile(volume.path))
          .digest("hex");
      }),
    );
    assert.equal(digests[0], digests[1]);
  });

  test("a qcow2 volume is an overlay of the base", async () => {
    const store = await open("overlay");
    const volume = await create(store, { formats: ["qcow2", "raw"], sizeBytes: 64 * MiB });
    assert.equal(volume.format, "qcow2");
    const info = JSON.parse((await run("qemu-img", ["info", "--output=json", volume.path])).stdout) as Record<
      string,
      unknown
    >;
    assert.equal(info["virtual-size"], 64 * MiB);
    const base = String(info["full-backing-filename"]);
    assert.equal((await stat(base)).mode & 0o777, 0o444);
    assert.ok((await stat(volume.path)).size < MiB);
  });

  test("after a crash half-made things are gone, volumes and promises are known", async () => {
    const store = await open("crash");
    const volume = await create(store, { owner: "uid-crash" });
    const promised = unwrap(await store.usage()).promisedBytes;
    assert.ok(promised > 0);
    const rubbish = join(root, "crash", "bases", "tmp", "build-1");
    await mkdir(rubbish, { recursive: true });
    await writeFile(join(rubbish, "volume.raw"), "half");
    await writeFile(join(root, "crash", "ledger", "torn"), '{"owner":');
    const again = await open("crash");
    assert.deepEqual(await readdir(join(root, "crash", "bases", "tmp")), []);
    assert.equal(unwrap(await again.usage()).promisedBytes, promised);
    assert.equal(await again.exists(volume), true);
    unwrap(await again.release(volume, "uid-crash"));
    assert.equal(unwrap(await again.usage()).promisedBytes, 0);
  });

  test("idle bases are pruned down to the bound, used ones and named ones stay", async () => {
    const store = await open("prune", { idleBasesBytes: 0 });
    const volume = await create(store, { owner: "uid-p", sizeBytes: 64 * MiB });
    const bases = async (): Promise<number> => (await readdir(join(root, "prune", "bases"))).length - 1;
    unwrap(await store.prune(() => false));
    assert.equal(await bases(), 1);
    unwrap(await store.release(volume, "uid-p"));
    unwrap(await store.prune((digest) => digest === layered.digest));
    assert.equal(await bases(), 1);
    unwrap(await store.prune(() => false));
    assert.equal(await bases(), 0);
  });

  test("a full disk refuses and leaves nothing", async () => {
    const full = join(root, "full");
    await mkdir(full);
    await run("mount", ["-t", "tmpfs", "-o", "size=48m", "lm-full", full]);
    try {
      // Refused by reckoning: it would not fit.
      const careful = await open("full/careful");
      const refused = await careful.create({
        ...{
          owner: "u",
          volumeId: "root",
          directory: full,
          image: layered,
          readOnly: false,
          formats: ["raw"],
          sizeBytes: 64 * MiB,
        },
      });
      assert.equal(refused.ok ? "made" : refused.error.code, "DISK_FULL");
      assert.match(refused.ok ? "" : refused.error.message, /MiB/);
      // Filled behind our back, while the base is written.
      await writeFile(join(full, "ballast"), Buffer.alloc(16 * MiB));
      const bold = await open("full/bold", { overcommitFactor: 100, spawner: new FillingSpawner(full) });
      const result = await bold.create({
        ...{
          owner: "u",
          volumeId: "root",
          directory: full,
          image: layered,
          readOnly: false,
          formats: ["raw"],
          sizeBytes: 40 * MiB,
        },
      });
      assert.equal(result.ok ? "made" : result.error.code, "DISK_FULL");
      assert.match(result.ok ? "" : result.error.message, /mke2fs/);
      assert.deepEqual(await readdir(join(full, "bold", "bases", "tmp")), []);
      assert.deepEqual(await readdir(join(full, "bold", "ledger")), []);
      assert.equal(unwrap(await bold.usage()).promisedBytes, 0);
    } finally {
      await run("umount", ["-l", full]);
    }
  });

  describe("files", () => {
    let files: ImageFileStore;
    before(async () => {
      files = await ImageFileStore.open({ directory: join(root, "files"), images, spawner });
    });

    test("come from the upper layer, also through links, which stay inside", async () => {
      for (const name of ["boot/vmlinux-6.1", "/boot/vmlinux", "vmlinuz", "./boot/../boot/vmlinux"]) {
        const made = unwrap(await files.fetch(layered, name));
        assert.equal(await readFile(made.path, "utf8"), "new kernel", name);
        assert.equal(made.imageDigest, layered.digest);
        assert.equal((await stat(made.path)).mode & 0o777, 0o444);
      }
    });

    test("are cached", async () => {
      const before = spawner.programs.length;
      const crowd = await Promise.all(Array.from({ length: 50 }, () => files.fetch(layered, "vmlinuz")));
      assert.equal(new Set(crowd.map((one) => unwrap(one).path)).size, 1);
      assert.equal(spawner.programs.length, before);
    });

    test("that are missing are named, with what there is", async () => {
      for (const name of [
        "boot/bzImage",
        "escape",
        "circle",
        "boot",
        "",
        "etc/gone",
        "../../etc/hostname",
        "boot/vmlinux-6.1/x",
      ]) {
        const result = await files.fetch(layered, name);
        assert.equal(result.ok ? "found" : result.error.code, "IMAGE_FILE_MISSING", name);
        assert.match(result.ok ? "" : result.error.message, /boot\/vmlinux-6\.1/);
      }
      assert.deepEqual(await readdir(join(root, "files", "tmp")), []);
    });

    test("go with their image", async () => {
      const made = unwrap(await files.fetch(layered, "vmlinuz"));
      unwrap(await files.prune((digest) => digest === layered.digest));
      await stat(made.path);
      unwrap(await files.prune(() => false));
      await assert.rejects(stat(made.path));
      assert.equal(await readFile(unwrap(await files.fetch(layered, "vmlinuz")).path, "utf8"), "new kernel");
    });
  });
});
