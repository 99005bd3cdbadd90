/**
 * Kernel images laid out as upstream's: the kernel as `vmlinux.bin` (or `vmlinux`) at the root of an image without any label, its modules in an image
 * of their own that is mounted as a volume. They boot here; ours have `boot/vmlinux`, where upstream looks.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildRecipe } from "@liquidmetal/image-builder";
import { image } from "../assets/containerd-images.ts";
import { ScriptedRegistry } from "../assets/containerd-registries.ts";
import { unpackLayers } from "../integration/image-builder-machine.ts";
import { guestSpec } from "./world/specs.ts";
import { missingForWorld, World } from "./world/world.ts";

describe("images of upstream's layout", { timeout: 280_000, skip: missingForWorld() ?? false }, () => {
  let world: World;
  let directory = "";
  const registry = new ScriptedRegistry();
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-upstream-"));
    await registry.listen();
    world = await World.open();
    await world.start();
    await world.importImages();
  });
  after(async () => {
    await registry.close();
    await world[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  test("a kernel at the root, and modules as a volume", { timeout: 180_000 }, async () => {
    const files = join(directory, "kernel");
    await unpackLayers(world.kernel.layout, files);
    const kernel = await image([[{ name: "vmlinux.bin", content: await readFile(join(files, "boot/vmlinux")) }]]);
    registry.serve("upstream/kernel", kernel);
    const modules = await buildRecipe({ recipe: "kernel/distro-modules" });
    const release = modules.labels["dev.liquidmetal.kernel.version"] ?? "";
    registry.serve("upstream/modules", await modulesImage(modules.layout, release));

    const microvms = await world.microvms();
    const uid = await microvms.create({
      ...guestSpec(world, "upstream"),
      kernel: { image: `${registry.host}/upstream/kernel:1`, filename: "vmlinux.bin" },
      additionalVolumes: [
        {
          id: "modules",
          isReadOnly: true,
          mountPoint: "/mnt",
          source: { containerSource: `${registry.host}/upstream/modules:1` },
        },
      ],
    });
    await microvms.ready(uid);
    // The kernel's messages stay off the console from here on.
    const look = `dmesg -n 1; uname -r; wc -c </mnt/lib/modules/${release}/modules.dep; insmod /mnt/lib/modules/${release}/kernel/drivers/net/dummy.ko && ls /sys/class/net`;
    const said = await microvms.type(uid, look, /(\S+)\r?\n(\d+)\r?\ndummy0/);
    assert.equal(said[1], release);
    assert.ok(Number(said[2]) > 100);
    await microvms.delete(uid);
  });

  /** As much of it as the test looks at. */
  async function modulesImage(layout: string, release: string): ReturnType<typeof image> {
    const files = join(directory, "modules");
    await unpackLayers(layout, files);
    const below = `lib/modules/${release}`;
    const names = ["modules.dep", "kernel/drivers/net/dummy.ko"].map((name) => `${below}/${name}`);
    const entries = await Promise.all(
      names.map(async (name) => ({ name, content: await readFile(join(files, name)) })),
    );
    return image([entries]);
  }
});
