/**
 * `kernel/6.1` from nothing: compiled in two cold caches in different directories, the same image both times, and booted. Compiled for ARM too where the cross compiler is there. An hour on two processors.
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type BuiltRecipe, buildRecipe } from "@liquidmetal/image-builder";
import { isPresent } from "../../tools/setup/system-packages.ts";
import { bootsOurKernel, kernelBuilds } from "../integration/image-builder-kernel-boot.ts";

const compileMs = 3 * 3_600_000;
const noCrossCompiler = !isPresent("aarch64-linux-gnu-gcc") && "needs aarch64-linux-gnu-gcc (gcc-aarch64-linux-gnu)";

describe("kernel/6.1 from nothing", { skip: process.getuid?.() !== 0 && "needs root", timeout: compileMs }, () => {
  let directory = "";
  let kernel: BuiltRecipe | undefined;
  const objects: number[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-kernel-cold-"));
    kernel = await buildRecipe({
      recipe: "kernel/6.1",
      cacheDirectory: join(directory, "one"),
      onEvent: ({ text }) => {
        const [, count] = /^compiling the kernel: (\d+) objects/.exec(text) ?? [];
        if (count !== undefined) objects.push(Number(count));
      },
    });
  });
  after(() => rm(directory, { recursive: true, force: true }));

  it("counts its objects while it compiles", () => {
    assert.ok((objects.at(-1) ?? 0) > 1000, `${objects.length} reports, the last at ${objects.at(-1)}`);
    assert.deepEqual(
      objects,
      objects.toSorted((a, b) => a - b),
    );
  });

  it("ends when it is cancelled while it compiles, and starts anew after it", async () => {
    const others = await kernelBuilds();
    const controller = new AbortController();
    const cancelled = buildRecipe({
      recipe: "kernel/6.1",
      cacheDirectory: join(directory, "cancelled"),
      signal: controller.signal,
      onEvent: ({ text }) => {
        if (/^compiling the kernel: \d+ objects/.test(text)) controller.abort();
      },
    });
    await assert.rejects(cancelled, { code: "CANCELLED" });
    assert.deepEqual(await readdir(join(directory, "cancelled/work")).catch(() => []), []);
    assert.deepEqual(
      [...(await kernelBuilds())].filter((one) => !others.has(one)),
      [],
    );
  });

  it("is small: what no fragment asks for is not in it", () => {
    assert.ok((kernel?.sizeBytes ?? Infinity) < 32 * 2 ** 20, `${kernel?.sizeBytes} bytes`);
  });

  it("is the same image when it is compiled again in another directory", async () => {
    const again = await buildRecipe({ recipe: "kernel/6.1", cacheDirectory: join(directory, "a/longer/way/to/two") });
    assert.equal(again.cached, false);
    assert.equal(again.digest, kernel?.digest);
  });

  it("compiles for ARM too", { skip: process.arch === "x64" && noCrossCompiler }, async () => {
    const cacheDirectory = join(directory, "one");
    const arm = await buildRecipe({ recipe: "kernel/6.1", cacheDirectory, architectures: ["arm64"] });
    assert.equal(arm.manifests[0]?.architecture, "arm64");
    assert.equal(arm.labels["dev.liquidmetal.kernel.path"], "boot/vmlinux");
  });

  describe("booted", () => {
    bootsOurKernel(async () => {
      assert.ok(kernel !== undefined);
      return kernel;
    });
  });
});
