/** The image store against real containerd daemons, 1.x and 2.x: imports, holds, trees, garbage, death and return. Needs root. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Content } from "@liquidmetal/api/containerd/services/content/v1/content_pb.js";
import { unwrap } from "@liquidmetal/foundation";
import { ContainerdImageStore } from "@liquidmetal/images";
import { containerd1, containerd2Binary, PrivateContainerd } from "../assets/containerd.ts";
import { dockerArchive, image, layoutArchive, streamed, type TestImage, tar } from "../assets/containerd-images.ts";
import { ScriptedRegistry } from "../assets/containerd-registries.ts";

for (const major of [1, 2] as const) {
  const program = await (major === 1 ? containerd1() : containerd2Binary());
  const skip = typeof program === "string" ? false : program.skip;
  describe(`containerd ${major}.x`, { skip, timeout: 120_000 }, () => {
    let directory: string;
    let daemon: PrivateContainerd;
    let store: ContainerdImageStore;
    let hello: TestImage;

    before(async () => {
      directory = await mkdtemp(join(tmpdir(), "lm-images-"));
      daemon = new PrivateContainerd({ program: String(program), major, directory: join(directory, "containerd") });
      await daemon.start();
      store = new ContainerdImageStore({ address: daemon.address });
      hello = await image(
        [[{ name: "boot/" }, { name: "boot/vmlinux", content: "kernel" }], [{ name: "etc/hello", content: "hello" }]],
        {
          labels: { "org.opencontainers.image.title": "hello" },
        },
      );
    });

    after(async () => {
      store?.close();
      await daemon?.kill("SIGTERM");
      await rm(directory, { recursive: true, force: true });
    });

    const content = async (): Promise<readonly string[]> =>
      (await store.containerd.content.list()).map((one) => one.digest);
    const importHello = async (reference: string): Promise<void> => {
      unwrap(await store.import(streamed(await layoutArchive(hello)), { reference }));
    };

    test("says its version", async () => {
      assert.match(unwrap(await store.ping()).version, new RegExp(`^v?${major}\\.`));
    });

    test("imports an OCI layout, holds it, shows its tree", async () => {
      const [info] = unwrap(await store.import(streamed(await layoutArchive(hello, "example.org/hello:1"))));
      assert.equal(info?.reference, "example.org/hello:1");
      assert.equal(info?.labels["org.opencontainers.image.title"], "hello");
      assert.deepEqual(info?.platforms, [`linux/${process.arch === "x64" ? "amd64" : process.arch}`]);
      const resolved = unwrap(await store.ensure("example.org/hello:1", "uid-1"));
      assert.equal(resolved.digest, hello.manifest.digest);
      assert.deepEqual(unwrap(await store.holders()), ["uid-1"]);
      const mounts = unwrap(await store.withTree(resolved, async (tree) => tree.mounts));
      assert.equal(mounts.length, 1);
      const snapshots = await store.containerd.snapshots(await store.snapshotter()).list();
      assert.equal(snapshots.filter((name) => !name.startsWith("sha256:")).length, 0, "the view is gone");
      unwrap(await store.release("uid-1"));
      assert.deepEqual(unwrap(await store.holders()), []);
    });

    for (const compression of ["none", "gzip", "zstd"] as const) {
      test(`unpacks layers compressed with ${compression}`, async () => {
        const one = await image([[{ name: "file", content: `in ${compression}` }]], { compression });
        unwrap(await store.import(streamed(await layoutArchive(one)), { reference: `example.org/${compression}:1` }));
        const resolved = unwrap(await store.ensure(`example.org/${compression}:1`, "uid-z"));
        const [mount] = unwrap(await store.withTree(resolved, async (tree) => tree.mounts));
        assert.deepEqual(await readdir(mount?.source ?? ""), ["file"]);
        unwrap(await store.release("uid-z"));
      });
    }

    test("imports what docker save wrote, also compressed and with linked layers", async () => {
      const one = await image([[{ name: "a", content: "a" }], [{ name: "b", content: "b" }]], { compression: "none" });
      const archive = gzipSync(await dockerArchive(one, "saved:2", true));
      const [info] = unwrap(await store.import(streamed(archive)));
      assert.equal(info?.reference, "docker.io/library/saved:2");
      unwrap(await store.ensure("saved:2", "uid-s"));
      unwrap(await store.release("uid-s"));
    });

    test("content is held until the last hold and the image are gone, then collected", async () => {
      await importHello("example.org/held:1");
      const resolved = unwrap(await store.ensure("example.org/held:1", "uid-a"));
      unwrap(await store.remove("example.org/held:1"));
      unwrap(await store.remove("example.org/hello:1"));
      assert.ok((await content()).includes(hello.manifest.digest), "still held");
      unwrap(await store.withTree(resolved, async () => undefined));
      await store.containerd.leases.remove("flintlock/uid-a", true);
      const left = await content();
      for (const { digest } of [hello.manifest, hello.config, ...hello.layers]) assert.ok(!left.includes(digest));
      const snapshots = await store.containerd.snapshots(await store.snapshotter()).list();
      assert.ok(!snapshots.includes(resolved.chainId));
    });

    test("hostile archives are refused and leave nothing", async () => {
      const before = (await content()).toSorted();
      const good = await layoutArchive(hello, "example.org/bad:1");
      const wrong = await layoutArchive(hello, "example.org/bad:1", [
        { name: `blobs/sha256/${"0".repeat(64)}`, content: "x" },
      ]);
      const liar = {
        ...hello,
        config: { ...hello.config },
        layers: [hello.layers[1], hello.layers[0]].flatMap((l) => (l ? [l] : [])),
      };
      const archives: Record<string, Buffer> = {
        "path upwards": await layoutArchive(hello, "example.org/bad:1", [{ name: "../../etc/passwd", content: "x" }]),
        "absolute path": await layoutArchive(hello, "example.org/bad:1", [{ name: "/etc/passwd", content: "x" }]),
        "link outwards": await layoutArchive(hello, "example.org/bad:1", [
          { name: "x/l", type: "symlink", linkname: "../../../etc/passwd" },
        ]),
        device: await layoutArchive(hello, "example.org/bad:1", [{ name: "dev", type: "character-device" }]),
        truncated: good.subarray(0, good.length - 2_500),
        "truncated gzip": gzipSync(good).subarray(0, 300),
        "wrong digest": wrong,
        "missing layer": await layoutArchive({ ...hello, layers: hello.layers.slice(1) }, "example.org/bad:1"),
        "not an image": await tar([{ name: "readme", content: "hello" }]),
        "not a tar": Buffer.alloc(4096, "x"),
        empty: Buffer.alloc(0),
        "swapped manifest": await dockerArchive(liar, "example.org/bad:1"),
      };
      for (const [what, bytes] of Object.entries(archives)) {
        const result = await store.import(streamed(bytes));
        assert.equal(result.ok ? "accepted" : result.error.code, "IMAGE_CORRUPT", what);
      }
      assert.deepEqual((await content()).toSorted(), before);
      assert.deepEqual(await store.containerd.content.ingests(), []);
      assert.equal(unwrap(await store.list()).filter(({ reference }) => reference.includes("bad")).length, 0);
    });

    test("another platform's image is refused, and says what it has", async () => {
      const foreign = await image([[{ name: "x", content: "x" }]], { architecture: "s390x" });
      const result = await store.import(streamed(await layoutArchive(foreign)), { reference: "example.org/foreign:1" });
      assert.ok(!result.ok);
      assert.equal(result.error.code, "IMAGE_WRONG_PLATFORM");
      assert.match(result.error.message, /s390x/);
    });

    test("works with the native snapshotter too", async () => {
      await importHello("example.org/native:1");
      const native = new ContainerdImageStore({ address: daemon.address, snapshotter: "native" });
      const resolved = unwrap(await native.ensure("example.org/native:1", "uid-n"));
      const [mount] = unwrap(await native.withTree(resolved, async (tree) => tree.mounts));
      assert.equal(mount?.type, "bind");
      assert.deepEqual((await readdir(mount?.source ?? "")).toSorted(), ["boot", "etc"]);
      unwrap(await native.release("uid-n"));
      native.close();
    });

    test("content that was lost is pulled again", async () => {
      const registry = new ScriptedRegistry();
      const reference = `${await registry.listen()}/lost:1`;
      const one = await image([[{ name: "lost", content: "found" }]]);
      registry.serve("lost", one);
      unwrap(await store.pull(reference));
      await store.containerd.connection.unary(Content.method.delete, { digest: one.config.digest });
      const other = new ContainerdImageStore({ address: daemon.address });
      unwrap(await other.ensure(reference, "uid-l"));
      assert.ok((await content()).includes(one.config.digest));
      unwrap(await other.release("uid-l"));
      other.close();
      await registry.close();
    });

    test("an image in use is not removed, and its users are named", async () => {
      await importHello("example.org/used:1");
      const careful = new ContainerdImageStore({ address: daemon.address, usersOf: () => ["default/web-1"] });
      const result = await careful.remove("example.org/used:1");
      careful.close();
      assert.equal(result.ok ? "removed" : result.error.code, "IMAGE_IN_USE");
      assert.match(result.ok ? "" : result.error.message, /default\/web-1/);
      unwrap(await store.inspect("example.org/used:1"));
    });

    test("containerd killed: refused at once; back: works again by itself, holds intact", async () => {
      await importHello("example.org/kept:1");
      unwrap(await store.ensure("example.org/kept:1", "uid-k"));
      await daemon.kill("SIGKILL");
      const down = await store.ensure("example.org/kept:1", "uid-k2");
      assert.ok(!down.ok);
      assert.equal(down.error.code, "CONTAINERD_UNAVAILABLE");
      assert.equal(down.error.retry, "backoff");
      await daemon.start();
      const deadline = performance.now() + 5_000;
      let back = await store.ensure("example.org/kept:1", "uid-k2");
      while (!back.ok && performance.now() < deadline) {
        assert.equal(back.error.code, "CONTAINERD_UNAVAILABLE");
        back = await store.ensure("example.org/kept:1", "uid-k2");
      }
      unwrap(back);
      assert.deepEqual(unwrap(await store.holders()), ["uid-k", "uid-k2"]);
    });
  });
}
