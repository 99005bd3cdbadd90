import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pruneCache } from "../cache/eviction.ts";
import { verifyImage } from "../supply-chain/image-verification.ts";
import { FileTree } from "../tree/file-tree.ts";
import { BuildWorld, readDocument, readImage } from "./build-fixture.ts";

describe("building", () => {
  test("makes each layer once; a change of one makes that one again", async () => {
    await using world = await BuildWorld.create();
    await world.recipe("test/one", "  - probe: {id: a}\n  - probe: {id: b}\n  - probe: {id: c}\n");
    const first = await world.build("test/one");
    assert.deepEqual([world.made.splice(0), first.cached], [["a", "b", "c"], false]);
    const again = await world.build("test/one");
    assert.deepEqual([world.made.splice(0), again.cached, again.digest], [[], true, first.digest]);
    await world.recipe("test/one", "  - probe: {id: a}\n  - probe: {id: x}\n  - probe: {id: c}\n");
    const plan = await world.plan("test/one");
    assert.deepEqual(
      plan.images[0]?.layers.map(({ cached }) => cached),
      [true, false, true],
    );
    const changed = await world.build("test/one");
    assert.deepEqual(world.made.splice(0), ["x"]);
    assert.notEqual(changed.digest, first.digest);
    assert.equal(changed.reference, plan.reference);
    await verifyImage(changed.layout);
    assert.deepEqual(await readdir(join(world.cacheDirectory, "work")), []);
  });

  test("makes layers that are made from what is below again when that changes, and only them", async () => {
    await using world = await BuildWorld.create();
    const recipe = (first: string): string =>
      `  - probe: {id: ${first}}\n  - probe: {id: mid}\n  - probe: {id: top, below: true}\n`;
    await world.recipe("test/one", recipe("a"));
    await world.build("test/one");
    await world.recipe("test/one", recipe("b"));
    world.made.length = 0;
    await world.build("test/one");
    assert.deepEqual(world.made, ["b", "top"]);
  });

  test("gives a step the tree below it, with contents", async () => {
    await using world = await BuildWorld.create();
    await world.recipe(
      "test/below",
      "  - files: [{path: a/b, text: one}, {path: a/c, text: two}]\n  - files: [{path: a/b, remove: true}]\n",
    );
    await world.recipe("test/one", "  - probe: {id: top, below: true}\n", "from: test/below");
    const seen: string[] = [];
    world.make = async (_fields, context) => {
      for (const [path] of (await context.below()).entries()) seen.push(path);
      return { tree: new FileTree().file("x", "y"), software: [] };
    };
    await world.build("test/one");
    assert.deepEqual(seen, ["a", "a/c"]);
  });

  test("with rebuild makes everything again, and the same", async () => {
    await using world = await BuildWorld.create();
    await world.recipe("test/one", "  - probe: {id: a}\n");
    const first = await world.build("test/one");
    const second = await world.build("test/one", { rebuild: true });
    assert.deepEqual([world.made, second.cached, second.digest], [["a", "a"], false, first.digest]);
  });

  test("keeps the cache within its bound, and what was built last in it", async () => {
    await using world = await BuildWorld.create();
    world.make = async ({ id }) => ({
      tree: new FileTree().file(id, { bytes: randomBytes(300_000) }),
      software: [],
    });
    for (const id of ["a", "b", "c"]) {
      await world.recipe(`test/${id}`, `  - probe: {id: ${id}}\n`);
      await world.build(`test/${id}`, { cacheMaxBytes: 800_000 });
      // What this process was given stays while it runs: it is done with it.
      await pruneCache({ cacheDirectory: world.cacheDirectory });
    }
    assert.equal((await readdir(join(world.cacheDirectory, "layers"))).length, 2);
    world.made.length = 0;
    await world.build("test/c");
    assert.deepEqual(world.made, []);
    await world.build("test/a");
    assert.deepEqual(world.made, ["a"]);
  });

  test("says its stages, with sizes, times and what is cached", async () => {
    await using world = await BuildWorld.create();
    await world.recipe("test/one", "  - {name: first, probe: {id: a}}\n");
    await world.build("test/one");
    const told = world.events.map(({ stage, layer }) => `${stage} ${layer ?? ""}`.trim());
    for (const stage of ["resolve", "build first", "pack first", "assemble", "done"])
      assert.ok(told.includes(stage), stage);
    const packed = world.events.find(({ stage, text }) => stage === "pack" && text === "packed");
    assert.ok((packed?.sizeBytes ?? 0) > 0);
    assert.ok(world.events.every(({ elapsedMs }, at) => elapsedMs >= (world.events[at - 1]?.elapsedMs ?? 0)));
  });

  test("fails with recipe and layer in the message, and leaves nothing half", async () => {
    await using world = await BuildWorld.create();
    await world.recipe("test/one", "  - probe: {id: good}\n  - {name: second, probe: {id: bad}}\n");
    const good = world.make;
    world.make = async (fields, context) => {
      await writeFile(join(context.workDirectory, "half"), "");
      if (fields.id === "bad") throw new Error("the tool said no");
      return await good(fields, context);
    };
    await assert.rejects(world.build("test/one"), {
      code: "IMAGE_BUILD_FAILED",
      message: "test/one, layer second (probe): the tool said no",
    });
    assert.deepEqual(await readdir(join(world.cacheDirectory, "work")), []);
    assert.deepEqual(await readdir(join(world.cacheDirectory, "pins")), []);
    assert.equal((await readdir(join(world.cacheDirectory, "layers"))).length, 1);
    world.make = good;
    world.made.length = 0;
    await world.build("test/one");
    assert.deepEqual(world.made, ["bad"]);
  });

  test("refuses a source that changes while it is built", async () => {
    await using world = await BuildWorld.create();
    await world.write("test/data", "before");
    await world.recipe("test/one", "  - files: [{path: data, source: data}]\n");
    const request = world.request("test/one");
    const onEvent = ({ stage, text }: { stage: string; text: string }): void => {
      if (stage === "build" && text === "building") changing = world.write("test/data", "after!");
    };
    let changing: Promise<void> = Promise.resolve();
    await assert.rejects(
      world.build("test/one", { ...request, onEvent }),
      /files of the layer files changed|changed while it was packed/,
    );
    await changing;
  });
});

describe("the image", () => {
  test("inherits labels and configuration, says facts, and carries hard links to the cached layers", async () => {
    await using world = await BuildWorld.create();
    await world.recipe(
      "test/below",
      "  - probe: {id: kernel}\n",
      'labels: {a: "1", b: "${facts.kernel}"}\nconfig: {environment: {PATH: /bin, X: "1"}, command: [/sbin/init], user: root}',
    );
    await world.recipe(
      "test/one",
      "  - probe: {id: more}\n",
      'from: test/below\nversion: "${facts.kernel}+${who}"\nparameters: {who: {description: d, default: "me"}}\n' +
        'labels: {b: "two"}\nboot: {kernel: boot/vmlinuz, elfKernel: boot/vmlinux, arguments: "x=${facts.more}", devices: [virtio-blk, virtio-net], recommendedVcpu: 2, recommendedMemoryMiB: 512, minimumMemoryMiB: 64, minimumDiskMiB: 1024}\n' +
        'config: {environment: {X: "2"}, entrypoint: [/e]}\ndescription: |\n  Two\n  lines\nlicenses: MIT',
    );
    assert.equal((await world.plan("test/one")).reference, "liquidmetal.local/test/one:latest");
    const built = await world.build("test/one");
    assert.equal((await world.plan("test/one")).reference, built.reference);
    const { manifest, config } = await readImage(built);
    assert.match(built.reference, /^liquidmetal\.local\/test\/one:fact-kernel-me-[0-9a-f]{8}$/);
    assert.deepEqual(built.references, [built.reference, "liquidmetal.local/test/one:latest"]);
    assert.deepEqual(config.config, {
      User: "root",
      Env: ["PATH=/bin", "X=2"],
      Entrypoint: ["/e"],
      Labels: built.labels,
    });
    const version = built.reference.split(":")[1];
    assert.deepEqual(built.labels, {
      a: "1",
      b: "two",
      "dev.liquidmetal.boot.args": "x=fact-more",
      "dev.liquidmetal.devices": "virtio-blk,virtio-net",
      "dev.liquidmetal.disk.minimum-mib": "1024",
      "dev.liquidmetal.kernel.elf.path": "boot/vmlinux",
      "dev.liquidmetal.kernel.path": "boot/vmlinuz",
      "dev.liquidmetal.memory.minimum-mib": "64",
      "dev.liquidmetal.recipe": "test/one",
      "dev.liquidmetal.recommended.memory-mib": "512",
      "dev.liquidmetal.recommended.vcpu": "2",
      "org.opencontainers.image.created": "2026-11-01T00:00:00Z",
      "org.opencontainers.image.description": "Two lines",
      "org.opencontainers.image.licenses": "MIT",
      "org.opencontainers.image.title": "Test",
      "org.opencontainers.image.version": version,
    });
    assert.equal(config.created, "2026-11-01T00:00:00Z");
    assert.deepEqual(
      config.history.map((one: { created_by: string }) => one.created_by),
      ["liquidmetal test/below probe", "liquidmetal test/one probe"],
    );
    assert.equal(manifest.layers.length, 2);
    for (const { digest } of manifest.layers) {
      assert.equal((await stat(join(built.layout, "blobs", digest.replace(":", "/")))).nlink, 2);
    }
  });

  test("keeps its digest and gets new documents when only the wording of the recipe changes", async () => {
    await using world = await BuildWorld.create();
    await world.recipe("test/one", "  - probe: {id: a}\n");
    const first = await world.build("test/one");
    await world.recipe("test/one", "  - probe: {id: a}\n", "# A comment.");
    const second = await world.build("test/one");
    assert.deepEqual([second.digest, second.reference, second.cached], [first.digest, first.reference, false]);
    assert.equal(world.made.length, 1);
    assert.notDeepEqual(await readDocument(second.layout), await readDocument(first.layout));
  });

  test("does not depend on which recipe made a layer first, nor on the cache", async () => {
    await using world = await BuildWorld.create();
    const layer = "  - {name: NAME, probe: {id: a}}\n";
    await world.recipe("test/one", layer.replace("NAME", "one"));
    await world.recipe("test/two", layer.replace("NAME", "two"));
    const fresh = await world.build("test/two", { cacheDirectory: join(world.directory, "other") });
    await world.build("test/one");
    world.made.length = 0;
    assert.equal((await world.build("test/two")).digest, fresh.digest);
    assert.deepEqual(world.made, []);
  });

  test("is dated by SOURCE_DATE_EPOCH where that is given", async () => {
    await using world = await BuildWorld.create();
    await world.recipe("test/one", "  - probe: {id: a}\n");
    const [dated, plain] = [
      await world.build("test/one", { sourceDateEpoch: 1_700_000_000 }),
      await world.build("test/one"),
    ];
    assert.equal(dated.labels["org.opencontainers.image.created"], "2023-11-14T22:13:20Z");
    assert.notEqual(dated.reference, plain.reference);
  });

  test("of several architectures is an index of one manifest each", async () => {
    await using world = await BuildWorld.create();
    await world.recipe("test/one", "  - probe: {id: both}\n  - {architecture: arm64, probe: {id: arm}}\n");
    const built = await world.build("test/one", { architectures: ["amd64", "arm64"] });
    assert.deepEqual(world.made, ["both", "both", "arm"]);
    assert.deepEqual(
      built.manifests.map(({ architecture }) => architecture),
      ["amd64", "arm64"],
    );
    const index = await readDocument(built.layout, built.digest);
    assert.deepEqual(
      index.manifests.map(({ digest, platform }: { digest: string; platform: unknown }) => ({ digest, platform })),
      built.manifests.map(({ digest, architecture }) => ({ digest, platform: { architecture, os: "linux" } })),
    );
    const { manifests } = await verifyImage(built.layout);
    assert.deepEqual(
      manifests.map(({ layers }) => layers),
      [1, 2],
    );
    assert.equal((await world.build("test/one", { architectures: ["amd64", "arm64"] })).cached, true);
  });
});

describe("images of images", () => {
  const nesting = async (world: BuildWorld): Promise<void> => {
    const plain = world.make;
    world.make = async (fields, context) => {
      for (const [at, recipe] of (fields.nested ?? []).entries()) {
        const { digest } = await context.images.build(
          { recipe, parameters: {} },
          join(context.workDirectory, String(at)),
        );
        assert.equal((await readDocument(join(context.workDirectory, String(at)))).manifests[0].digest, digest);
      }
      return await plain(fields, context);
    };
  };

  test("are built by the same builder, once, and change the layer that they are in", async () => {
    await using world = await BuildWorld.create();
    await nesting(world);
    await world.recipe("test/inner", "  - probe: {id: inner}\n");
    await world.recipe("test/outer", "  - probe: {id: x, nested: [test/inner, ./inner.yaml]}\n  - probe: {id: y}\n");
    await world.build("test/outer");
    assert.deepEqual(world.made.splice(0), ["x", "inner", "y"]);
    await world.recipe("test/inner", "  - probe: {id: changed}\n");
    await world.build("test/outer");
    assert.deepEqual(world.made, ["x", "changed"]);
  });

  test("have ended before a build that failed ends, whoever waited for them", async () => {
    await using world = await BuildWorld.create();
    await world.recipe("test/bad", "  - probe: {id: bad}\n");
    await world.recipe("test/slow", "  - probe: {id: slow}\n");
    await world.recipe("test/outer", "  - probe: {id: outer, nested: [test/bad, test/slow]}\n");
    const slow = Promise.withResolvers<void>();
    let ended = false;
    world.make = async ({ id, nested = [] }, context) => {
      if (id === "bad") {
        await slow.promise;
        throw new Error("no");
      }
      if (id === "slow") {
        slow.resolve();
        await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
        await writeFile(join(context.workDirectory, "late"), "");
        ended = true;
      }
      await Promise.all(
        nested.map((recipe) => context.images.build({ recipe, parameters: {} }, join(context.workDirectory, recipe))),
      );
      return { tree: new FileTree(), software: [] };
    };
    await assert.rejects(world.build("test/outer"), /test\/outer, layer probe: test\/bad, layer probe: no/);
    assert.ok(ended);
    assert.deepEqual(await readdir(join(world.cacheDirectory, "work")), []);
  });

  test("that are made of each other are refused by name, however they are", async () => {
    await using world = await BuildWorld.create();
    await world.recipe("test/a", "  - probe: {id: a, nested: [test/b]}\n");
    await world.recipe("test/b", "  - probe: {id: b}\n", "from: test/a");
    await world.recipe("test/c", "  - probe: {id: c, nested: [test/a, test/b]}\n");
    await world.recipe("test/self", "  - probe: {id: c}\n", "from: ./self.yaml");
    const circle = {
      code: "RECIPE_INVALID",
      message: /made of itself: test\/(a → test\/b → test\/a|b → test\/a → test\/b)/,
    };
    for (const name of ["test/a", "test/b", "test/c"]) await assert.rejects(world.build(name), circle);
    await assert.rejects(world.build("test/self"), /self\.yaml:6:7: .*test\/self → test\/self/);
  });
});

describe("what cannot be built", () => {
  test("is told by name, place and remedy", async () => {
    await using world = await BuildWorld.create();
    await world.recipe("test/one", "  - probe: {id: a}\n", "parameters: {v: {description: Version}}");
    await world.recipe("test/arm", "  - {architecture: arm64, probe: {id: a}}\n");
    await world.recipe("test/wrong", "  - probe: {id: a}\n", "from: {recipe: test/one, parameters: {w: x}}");
    await world.write(
      "test/misnamed.yaml",
      "name: test/other\ntitle: x\nversion: x\ndate: 2026-01-01\narchitectures: [amd64]\nlayers: [{probe: {id: a}}]\n",
    );
    await assert.rejects(world.build("test/on"), {
      code: "RECIPE_NOT_FOUND",
      message: /there is no recipe test\/on \(did you mean "test\/one"\?\)/,
    });
    await assert.rejects(world.build("./nothing.yaml"), { code: "RECIPE_NOT_FOUND" });
    await assert.rejects(world.build("test/one"), {
      code: "REQUEST_INVALID",
      message: /the parameter v must be given: Version/,
    });
    await assert.rejects(world.build("test/one", { parameters: { v: "1" }, architectures: ["riscv" as "arm64"] }), {
      code: "CAPABILITY_MISSING",
    });
    await assert.rejects(world.build("test/arm"), { code: "RECIPE_INVALID", message: /has no layer for amd64/ });
    await assert.rejects(world.build("test/wrong"), {
      code: "RECIPE_INVALID",
      message: /wrong\.yaml:6:7: .*no parameter "w"/,
    });
    const cacheDirectory = join(world.recipes, "test/one.yaml");
    await assert.rejects(world.build("test/one", { cacheDirectory }), { remedy: /name another with --cache-dir/ });
    await assert.rejects(world.build("test/misnamed"), {
      code: "RECIPE_INVALID",
      message: /its name must be test\/misnamed/,
    });
  });

  test("a layer that puts something below a link of a layer under it", async () => {
    await using world = await BuildWorld.create();
    const lib = "  - files: [{path: usr/lib, directory: true}, {path: lib, symlink: usr/lib}]\n";
    await world.recipe("test/one", `${lib}  - files: [{path: lib/x, text: x}]\n`);
    await assert.rejects(world.build("test/one"), {
      code: "IMAGE_BUILD_FAILED",
      message: /lib is a symlink in the layers below/,
      remedy: "write the path that lib leads to: usr/lib",
    });
    await world.recipe(
      "test/one",
      `${lib}  - files: [{path: lib, remove: true}]\n  - files: [{path: lib/x, text: x}]\n`,
    );
    await world.build("test/one");
  });

  test("is cancelled at once, with everything removed", async () => {
    await using world = await BuildWorld.create();
    await world.recipe("test/one", "  - probe: {id: a}\n");
    for (const stage of ["resolve", "build", "pack", "assemble"]) {
      const controller = new AbortController();
      const onEvent = (event: { stage: string }): void => {
        if (event.stage === stage) controller.abort();
      };
      const cacheDirectory = join(world.directory, stage);
      await assert.rejects(world.build("test/one", { cacheDirectory, onEvent, signal: controller.signal }), {
        code: "CANCELLED",
      });
      assert.deepEqual(await readdir(join(cacheDirectory, "work")), []);
      assert.deepEqual(await readdir(join(cacheDirectory, "images")), []);
      assert.equal((await world.build("test/one", { cacheDirectory })).cached, false);
    }
  });
});
