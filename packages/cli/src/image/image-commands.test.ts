import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { command as build } from "../commands/image/build.ts";
import { command as cache } from "../commands/image/cache.ts";
import { command as inspect } from "../commands/image/inspect.ts";
import { command as lock } from "../commands/image/lock.ts";
import { command as push } from "../commands/image/push.ts";
import { command as recipes } from "../commands/image/recipes.ts";
import { command as verify } from "../commands/image/verify.ts";
import { buildImage } from "./build.ts";
import { commandRun, digest, FakeBuilder, FakeHost } from "./builder-fixture.ts";
import { manageCache } from "./cache.ts";
import { inspectImage } from "./inspect.ts";
import { lockModule } from "./lock.ts";
import { pushImage } from "./push.ts";
import { showRecipes } from "./recipes.ts";
import { verifyImage } from "./verify.ts";

const words = (line: string): readonly string[] => line.split(" ").filter((word) => word !== "");

function refused(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof PlatformError && pattern.test(`${error.message} ${error.remedy}`);
}

async function building(line: string, builder = new FakeBuilder(), host = new FakeHost()) {
  const run = commandRun(build, words(line), host);
  await buildImage(run.invocation, run.session, builder);
  return { ...run, builder };
}

const tinyOnHost = { reference: "liquidmetal.local/base/tiny:1-0a1b2c3d", digest, labels: {} };
const kernelOnHost = {
  reference: "liquidmetal.local/kernel/distro:latest",
  digest,
  labels: { "dev.liquidmetal.kernel.elf.path": "boot/vmlinux", "dev.liquidmetal.initrd.path": "boot/initrd.img" },
};

describe("lm image build", () => {
  test("tells each layer on standard error, and the image as data", async () => {
    const { stderr, stdout, builder } = await building("base/tiny --set a=b=c --set d= --rebuild -o json");
    assert.match(stderr(), /^ {2}= base\/tiny busybox {2}2 KiB {2}cached$/m);
    assert.match(stderr(), /^ {2}✓ base\/tiny init {2}4 KiB {2}1\.5 s$/m);
    assert.match(stderr(), /^ {2}Building base\/tiny: base\/tiny init: copying 1\/3$/m);
    assert.match(stderr(), /^✓ Building base\/tiny \(3 MiB\)/m);
    const said = JSON.parse(stdout());
    assert.deepEqual([said.digest, said.outputs, said.platforms], [digest, [], [{ platform: "linux/amd64", digest }]]);
    const [request] = builder.requests;
    assert.deepEqual([request?.parameters, request?.rebuild, request?.architectures], [{ a: "b=c", d: "" }, true, []]);
  });

  test("writes each output, under the names wished for; registry REF may be two words", async () => {
    const line =
      "base/tiny --output oci:/a -o oci-archive:/b.tar --output registry r.local/x:1 --output=ext4:/c --reference mine:1";
    const { builder, stdout } = await building(line);
    assert.deepEqual(builder.written, [
      "/nowhere/layout oci /a mine:1",
      "/nowhere/layout oci-archive /b.tar mine:1",
      "/nowhere/layout registry r.local/x:1 mine:1",
      "/nowhere/layout ext4 /c mine:1",
    ]);
    assert.match(stdout(), /^Outputs: +oci:\/a\n +mine:1\n/m);
  });

  test("does not send to the host what the host has", async () => {
    const { stderr } = await building("base/tiny --output containerd", new FakeBuilder(), new FakeHost([tinyOnHost]));
    assert.match(stderr(), /^- Importing to \/fake\.sock \(already there\)/m);
  });

  test("for several platforms; a name without a slash is the local platform", async () => {
    const { builder } = await building("base/tiny --platform linux/amd64,linux/arm64 --platform test");
    assert.deepEqual(builder.requests[0]?.architectures, ["amd64", "arm64"]);
  });

  test("--plan says what is cached, and builds nothing", async () => {
    const builder = new FakeBuilder();
    builder.cold = ["base/tiny"];
    const { stdout } = await building("base/tiny --plan --output oci:/a", builder);
    assert.match(stdout(), /^linux\/amd64: 1 of 2 layers to build$/m);
    assert.match(stdout(), /^busybox +packages +cached +2 KiB +1$/m);
    assert.match(stdout(), /^init +files +to build +- +3$/m);
    assert.deepEqual(builder.written, []);
  });

  const wrong: readonly (readonly [string, RegExp])[] = [
    ["x --output tarball:/a", /'tarball:\/a' is no output.*oci:DIR/],
    ["x --output oci:", /is no output/],
    ["x --output registry", /is no output/],
    ["x --output oci:/a --output oci:/a", /given twice/],
    ["x --platform linux/riscv64", /no platform of images/],
    ["x --set novalue", /--set 'novalue' must be written key=value/],
    ["x --reference a:1", /there are none/],
    ["x --output containerd --reference a:1 --reference b:1", /takes one --reference/],
    ["x --output oci:/there", /\/there exists/],
  ];
  for (const [line, pattern] of wrong) {
    test(`refuses ${line}, before anything is built`, async () => {
      const builder = new FakeBuilder();
      builder.refuses = "/there";
      await assert.rejects(building(line, builder), refused(pattern));
      assert.deepEqual(builder.requests, []);
    });
  }
});

describe("lm image verify", () => {
  async function verifying(line: string, host: FakeHost, builder = new FakeBuilder()) {
    const run = commandRun(verify, words(line), host);
    const ended = verifyImage(run.invocation, run.session, builder);
    return { ...run, builder, ended };
  }

  test("boots a root volume with the host's kernel, sized as the image says, and removes the microVM", async () => {
    const host = new FakeHost([tinyOnHost, kernelOnHost]);
    const run = await verifying("base/tiny -o json", host);
    await run.ended;
    const [spec] = host.specs;
    assert.equal(spec?.kernel?.image, kernelOnHost.reference);
    assert.equal(spec?.kernel?.filename, "boot/vmlinux");
    assert.equal(spec?.rootVolume?.source?.containerSource, tinyOnHost.reference);
    assert.deepEqual([spec?.vcpu, spec?.memoryInMb], [1, 64]);
    assert.deepEqual(host.asked, ["create", "delete"]);
    const said = JSON.parse(run.stdout());
    assert.deepEqual(said.checked, { files: 3, sizeBytes: 4096 });
    assert.equal(said.boot.kernel, kernelOnHost.reference);
  });

  test("boots a kernel with base/tiny", async () => {
    const host = new FakeHost([tinyOnHost, kernelOnHost]);
    const run = await verifying(`${kernelOnHost.reference} --memory 1G --vcpu 2`, host);
    await run.ended;
    assert.equal(host.specs[0]?.rootVolume?.source?.containerSource, tinyOnHost.reference);
    assert.deepEqual([host.specs[0]?.vcpu, host.specs[0]?.memoryInMb], [2, 1024]);
    assert.match(run.stdout(), /^Ready after: +0\.0 s$/m);
  });

  test("shows the console of a guest that fails, and removes it", async () => {
    const host = new FakeHost([tinyOnHost, kernelOnHost]);
    host.never = true;
    const run = await verifying("base/tiny", host);
    await assert.rejects(run.ended, { code: "GUEST_FAILED" });
    assert.match(run.stderr(), /console ended with:\n {2}early\n {2}liquidmetal: fatal: \[2Jno root$/m);
    assert.deepEqual(host.asked, ["create", "delete"]);
  });

  test("removes the microVM when it is interrupted", async () => {
    const host = new FakeHost([tinyOnHost, kernelOnHost]);
    const run = commandRun(verify, ["base/tiny"], host);
    host.onWatch = () => run.interruption.abort(new Error("interrupted"));
    await assert.rejects(verifyImage(run.invocation, run.session, new FakeBuilder()));
    assert.deepEqual(host.asked, ["create", "delete"]);
    assert.doesNotMatch(run.stderr(), /console/);
  });

  test("--static boots nothing, and needs files", async () => {
    const host = new FakeHost([tinyOnHost]);
    const run = await verifying("oci:/somewhere --static", host);
    await run.ended;
    assert.deepEqual(host.asked, []);
    assert.match(run.stdout(), /3 files are what they say they are/);
    await assert.rejects(
      (await verifying(`${tinyOnHost.reference} --static`, host)).ended,
      refused(/--static goes with/),
    );
    await assert.rejects((await verifying("base/tiny --static --vcpu 2", host)).ended, refused(/boots nothing/));
  });
});

describe("lm image inspect", () => {
  async function inspecting(line: string, builder = new FakeBuilder(), host = new FakeHost([tinyOnHost])) {
    const run = commandRun(inspect, words(line), host);
    await inspectImage(run.invocation, run.session, builder);
    return run.stdout();
  }

  test("of files shows platforms, layers and what is attached", async () => {
    const text = await inspecting("oci:/somewhere");
    assert.match(text, /^Platform: +linux\/amd64$/m);
    assert.match(text, /^Boot: +at least 64 MiB$/m);
    assert.match(text, /^SBOM: +application\/spdx\+json, 2 packages/m);
    assert.match(text, /^busybox +4 KiB +sha256:abababababab +application/m);
    const json = JSON.parse(await inspecting("base/tiny -o json"));
    assert.equal(json.manifests[0].layers[0].name, "busybox");
    assert.equal(json.manifests[0].provenance, null);
  });

  test("of a registry shows the same", async () => {
    const text = await inspecting("registry:registry.local/team/tiny:1");
    assert.match(text, /registry\.local\/team\/tiny:1/);
    assert.match(text, /^busybox +4 KiB +sha256:abababababab +application/m);
    assert.deepEqual(JSON.parse(await inspecting("registry:registry.local/team/tiny:1 --sbom")), {
      packages: [{}, {}],
    });
  });

  test("prints the attached documents", async () => {
    assert.deepEqual(JSON.parse(await inspecting("base/tiny --sbom")), { packages: [{}, {}] });
    await assert.rejects(inspecting("base/tiny --provenance"), refused(/no provenance is attached/));
    await assert.rejects(inspecting("some/ref:1 --sbom"), refused(/the host keeps no SBOM/));
  });

  test("does not build", async () => {
    const builder = new FakeBuilder();
    builder.cold = ["base/tiny"];
    await assert.rejects(inspecting("base/tiny", builder), refused(/is not built.*lm image build base\/tiny/));
  });
});

describe("lm image recipes, cache, push, lock", () => {
  test("recipes are listed, and shown with what they take", async () => {
    const all = commandRun(recipes, ["-o", "name"]);
    await showRecipes(all.invocation, all.session, new FakeBuilder());
    assert.equal(all.stdout(), "base/tiny\nkernel/distro\n");
    const one = commandRun(recipes, ["kernel/distro"]);
    await showRecipes(one.invocation, one.session, new FakeBuilder());
    assert.match(
      one.stdout(),
      /^Parameters: +version: of the thing \(default 1\.36\.3; tested 1\.34\.11, 1\.36\.3\)$/m,
    );
    const none = commandRun(recipes, ["base/tinny"]);
    const wanted = showRecipes(none.invocation, none.session, new FakeBuilder());
    await assert.rejects(wanted, refused(/did you mean base\/tiny/));
  });

  async function caching(line: string) {
    const run = commandRun(cache, words(line));
    const builder = new FakeBuilder();
    await manageCache(run.invocation, run.session, builder);
    return { ...run, builder };
  }

  test("the cache is listed and pruned", async () => {
    const listed = await caching("ls");
    assert.match(listed.stdout(), /^image +base\/tiny +1 KiB +16m +yes +k1k1k1k1k1k1$/m);
    assert.match(listed.stderr(), /^1 image, 1 layer; 2 KiB on disk$/m);
    const pruned = await caching("prune --max-size 10G --older-than 7d --dry-run");
    assert.match(pruned.stderr(), /^Would remove 1 image, 1 layer; 2 KiB would be freed, 0 B would stay$/m);
    const wanted = { all: false, dryRun: true, maxBytes: 10 * 1024 ** 3, olderThanMs: 7 * 86_400_000 };
    assert.deepEqual(pruned.builder.pruned, [wanted]);
    for (const [line, pattern] of [
      ["prune", /what shall be removed/],
      ["prune --all --max-size 1G", /no meaning beside/],
      ["prune --max-size much", /not a size/],
      ["ls --all", /goes with 'lm image cache prune'/],
      ["clean", /write ls or prune/],
    ] as const) {
      await assert.rejects(caching(line), refused(pattern), line);
    }
  });

  test("files and recipes are pushed, names on the host are not", async () => {
    const builder = new FakeBuilder();
    const run = commandRun(push, ["oci:/a", "r.local/x:1", "-o", "json"]);
    await pushImage(run.invocation, run.session, builder);
    assert.deepEqual(builder.written, ["/a registry r.local/x:1"]);
    assert.deepEqual(JSON.parse(run.stdout()), { reference: "r.local/x:1", digest });
    const wrong = commandRun(push, ["some/ref:1", "r.local/x:1"]);
    await assert.rejects(pushImage(wrong.invocation, wrong.session, builder), refused(/the host pulls/));
  });

  test("locks name a module with its version", async () => {
    const builder = new FakeBuilder();
    const run = commandRun(
      lock,
      words("k8s.io/kubernetes@v1.36.3 ./cmd/kubelet ./cmd/kubeadm --directory locks --tag x"),
    );
    await lockModule(run.invocation, run.session, builder);
    assert.deepEqual(builder.written, ["k8s.io/kubernetes v1.36.3 ./cmd/kubelet ./cmd/kubeadm x"]);
    assert.match(run.stdout(), /^locks\/go\.mod\nlocks\/go\.sum\n$/);
    const wrong = commandRun(lock, words("k8s.io/kubernetes . --directory locks"));
    await assert.rejects(lockModule(wrong.invocation, wrong.session, builder), refused(/MODULE@VERSION/));
    const nowhere = commandRun(lock, words("k8s.io/kubernetes@v1 ."));
    await assert.rejects(lockModule(nowhere.invocation, nowhere.session, builder), refused(/--directory/));
  });
});
