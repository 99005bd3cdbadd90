/** Building for real: reproducible, cached, cancellable, and what comes out is an image to containerd. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { baseTiny, buildImage, buildQuickstartImages, type QuickstartImages } from "@liquidmetal/image-builder";

const run = promisify(execFile);
const hasContainerd = await access("/usr/bin/containerd").then(
  () => true,
  () => false,
);

describe("building the quickstart's images", { timeout: 180_000 }, () => {
  let directory = "";
  let images: QuickstartImages;
  const stages = new Set<string>();

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-build-"));
    images = await buildQuickstartImages({
      cacheDir: join(directory, "one"),
      onProgress: ({ image, stage }) => stages.add(`${image} ${stage}`),
    });
  });
  after(() => rm(directory, { recursive: true, force: true }));

  it("tells its stages", () => {
    for (const stage of [
      "resolve-packages",
      "download-packages",
      "unpack-packages",
      "assemble",
      "pack-layer",
      "write-archive",
      "done",
    ]) {
      assert.ok(stages.has(`kernel/distro ${stage}`) && stages.has(`base/tiny ${stage}`), stage);
    }
  });

  it("takes under a second when nothing changed", async () => {
    const start = performance.now();
    const again = await buildQuickstartImages({ cacheDir: join(directory, "one") });
    assert.ok(performance.now() - start < 1_000);
    assert.ok(again.kernel.cached && again.root.cached);
    assert.deepEqual([again.kernel.digest, again.root.digest], [images.kernel.digest, images.root.digest]);
  });

  it("gives the same bytes in another directory", async () => {
    const other = await buildQuickstartImages({ cacheDir: join(directory, "two") });
    for (const key of ["kernel", "root"] as const) {
      assert.equal(other[key].cached, false);
      assert.equal(other[key].digest, images[key].digest);
      assert.ok((await readFile(other[key].archivePath)).equals(await readFile(images[key].archivePath)));
    }
  });

  it("gives another image, under another name, for another SOURCE_DATE_EPOCH", async () => {
    const dated = await buildImage(baseTiny, { cacheDir: join(directory, "one"), sourceDateEpoch: 1_700_000_000 });
    assert.notEqual(dated.digest, images.root.digest);
    assert.notEqual(dated.reference, images.root.reference);
    assert.equal(dated.labels["org.opencontainers.image.created"], "2023-11-14T22:13:20Z");
  });

  it("leaves nothing when it is cancelled, at whatever stage, and succeeds after it", async () => {
    for (const at of ["resolve-packages", "download-packages", "unpack-packages", "pack-layer", "write-archive"]) {
      const cacheDir = join(directory, `cancelled-${at}`);
      const controller = new AbortController();
      const onProgress = ({ stage }: { stage: string }): void => {
        if (stage === at) controller.abort();
      };
      await assert.rejects(
        buildImage(baseTiny, { cacheDir, onProgress, signal: controller.signal }),
        { code: "CANCELLED" },
        at,
      );
      assert.deepEqual(await readdir(join(cacheDir, "built")).catch(() => []), [], at);
      assert.deepEqual(await readdir(join(cacheDir, "work")).catch(() => []), [], at);
    }
    const built = await buildImage(baseTiny, { cacheDir: join(directory, "cancelled-assemble") });
    assert.equal(built.digest, images.root.digest);
  });

  it("leaves no foreign directory behind in the temporary folder", async () => {
    const left = (await readdir(tmpdir())).filter((name) => name.startsWith(`liquidmetal-${process.pid}-`));
    assert.deepEqual(left, []);
  });

  it("is imported and unpacked by containerd", { skip: !hasContainerd && "needs containerd" }, async () => {
    const root = join(directory, "containerd");
    await mkdir(root);
    const address = join(root, "sock");
    const config = `version = 2\nroot = "${root}/root"\nstate = "${root}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "${address}"\n`;
    await writeFile(join(root, "config.toml"), config);
    const daemon = spawn("containerd", ["--config", join(root, "config.toml")], { stdio: "ignore" });
    try {
      const ctr = (...args: string[]): Promise<{ stdout: string }> =>
        run("ctr", ["-a", address, "-n", "test", ...args]);
      for (const deadline = performance.now() + 20_000; ; await delay(50)) {
        if (
          await ctr("version").then(
            () => true,
            () => false,
          )
        )
          break;
        assert.ok(performance.now() < deadline, "containerd does not answer");
      }
      for (const { archivePath, digest, references } of [images.kernel, images.root]) {
        await ctr("images", "import", "--snapshotter", "native", archivePath);
        const { stdout } = await ctr("images", "list");
        for (const reference of references) assert.match(stdout, new RegExp(`^${reference} .*${digest}`, "m"));
      }
      const { stdout } = await ctr("images", "check", "--snapshotter", "native", `name==${images.kernel.reference}`);
      assert.match(stdout, /complete .*true/);
    } finally {
      const gone = once(daemon, "exit");
      daemon.kill("SIGTERM");
      await gone;
    }
  });
});
