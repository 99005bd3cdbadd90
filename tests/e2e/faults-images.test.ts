/** Images and registries that are not what they should be, as a user of a real flintlockd sees them: reason and message in the status, and a delete at any time. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { blob, image, type TestImage } from "../assets/containerd-images.ts";
import { type Misbehaviour, ScriptedRegistry } from "../assets/containerd-registries.ts";
import { assertConsistent } from "./world/host-truth.ts";
import type { Microvms, Shown } from "./world/microvms.ts";
import { guestSpec } from "./world/specs.ts";
import { missingForWorld, World } from "./world/world.ts";

let count = 0;
/** A kernel image that nobody has yet. */
async function kernelImage(architecture?: string): Promise<TestImage> {
  const content = `kernel ${process.pid} ${count++}`;
  return await image(
    [[{ name: "boot/" }, { name: "boot/vmlinux", content }]],
    architecture === undefined ? {} : { architecture },
  );
}

/** A document of another kind in the place of an image. */
async function chart(): Promise<TestImage> {
  const one = await kernelImage();
  const config = blob("application/vnd.cncf.helm.config.v1+json", Buffer.from("{}"));
  const document = JSON.parse(one.manifest.bytes.toString()) as { config: object };
  const named = { mediaType: config.mediaType, digest: config.digest, size: 2 };
  const manifest = blob(one.manifest.mediaType, Buffer.from(JSON.stringify({ ...document, config: named })));
  return { ...one, config, manifest };
}

describe("a kernel image", { timeout: 200_000, skip: missingForWorld() ?? false }, () => {
  let world: World;
  let microvms: Microvms;
  const registry = new ScriptedRegistry();
  before(async () => {
    await registry.listen();
    world = await World.open({ fake: true });
    await world.start();
    await world.importImages();
    microvms = await world.microvms();
  });
  after(async () => {
    await registry.close();
    await world[Symbol.asyncDispose]();
  });

  const create = async (name: string, reference: string, filename = "boot/vmlinux"): Promise<string> => {
    const { initrd: _none, ...spec } = guestSpec(world, name);
    return await microvms.create({ ...spec, kernel: { image: reference, filename } });
  };
  /** Creates, waits for a reason, and shows that the microVM can be deleted whatever the registry does. */
  const refused = async (name: string, reference: string, filename?: string): Promise<Shown> => {
    const uid = await create(name, reference, filename);
    const seen = await microvms.until(uid, "it says what is wrong", ({ reason }) => reason !== "");
    await microvms.delete(uid, 10_000);
    await assertConsistent(world);
    return seen;
  };
  const serve = (name: string, served: TestImage, misbehaviour: Misbehaviour = "none"): string => {
    registry.serve(`e2e/${name}`, served, misbehaviour);
    return `${registry.host}/e2e/${name}:1`;
  };

  const bad: readonly (readonly [string, () => Promise<string>, string, RegExp])[] = [
    ["that does not exist", async () => `${registry.host}/e2e/none:1`, "ImageNotFound", /e2e\/none:1/],
    ["that is no image", async () => serve("chart", await chart()), "ImageCorrupt", /not an image/],
    ["for another architecture", async () => serve("s390x", await kernelImage("s390x")), "ImageWrongPlatform", /s390x/],
    [
      "with other bytes than its digest says",
      async () => serve("bytes", await kernelImage(), "other-bytes"),
      "ImageCorrupt",
      /sha256/,
    ],
    [
      "behind a registry that demands a password",
      async () => serve("private", await kernelImage(), "token"),
      "ImageUnauthorized",
      /127\.0\.0\.1/,
    ],
    [
      "behind a registry that cuts every connection half way",
      async () => serve("cut", await kernelImage(), "cut-always"),
      "ImagePullFailed",
      /127\.0\.0\.1/,
    ],
    ["behind a registry that is down", async () => "127.0.0.1:1/e2e/down:1", "ImagePullFailed", /127\.0\.0\.1:1/],
  ];
  for (const [what, reference, reason, text] of bad) {
    test(`${what} is ${reason}, and its microVM can be deleted`, { timeout: 60_000 }, async () => {
      const { status } = await refused(reason.toLowerCase(), await reference());
      assert.equal(status.reason, reason, status.message);
      assert.match(status.message, text);
      assert.ok(["pending", "failed"].includes(status.phase), status.phase);
    });
  }

  test("without such a file is ImageFileMissing, and names what it has", async () => {
    const { status } = await refused("nofile", serve("nofile", await kernelImage()), "boot/zImage");
    assert.equal(status.reason, "ImageFileMissing");
    assert.match(status.message, /boot\/zImage/);
    assert.match(status.message, /vmlinux/);
    assert.equal(status.phase, "failed");
  });

  test("behind a registry that hangs holds up neither others nor its own delete", { timeout: 60_000 }, async () => {
    const hanging = serve("hang", await kernelImage(), "hang");
    const uid = await create("hanging", hanging);
    await microvms.until(uid, "it pulls", ({ phase }) => phase === "preparing");
    const other = await microvms.create(guestSpec(world, "other"));
    await microvms.ready(other);
    await microvms.delete(uid, 5_000);
    await microvms.delete(other);
    await assertConsistent(world);
  });

  test("whose registry cuts the connection once is pulled all the same", { timeout: 60_000 }, async () => {
    const uid = await create("cut-once", serve("cut-once", await kernelImage(), "cut-once"));
    await microvms.ready(uid);
    await microvms.delete(uid);
    await assertConsistent(world);
  });

  test("that is pushed after all: starting its microVM again tries at once", { timeout: 60_000 }, async () => {
    const uid = await create("late", `${registry.host}/e2e/late:1`);
    await microvms.until(uid, "it is missed", ({ reason }) => reason === "ImageNotFound");
    serve("late", await kernelImage());
    await microvms.connection.host.startMicroVM({ uid });
    await microvms.ready(uid);
    await microvms.delete(uid);
    await assertConsistent(world);
  });
});
