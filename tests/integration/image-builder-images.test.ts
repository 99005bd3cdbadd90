/** The quick images, built for real from Debian packages: cached, dated, cancellable, and what comes out is an image to containerd. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { type BuildEvent, buildRecipe } from "@liquidmetal/image-builder";
import { type BootImages, bootImages } from "../assets/boot-images.ts";

const run = promisify(execFile);
const hasContainerd = await access("/usr/bin/containerd").then(
  () => true,
  () => false,
);

describe("building kernel/distro and base/tiny", { timeout: 280_000 }, () => {
  let directory = "";
  let cacheDirectory = "";
  let images: BootImages;
  const listed = async (folder: string): Promise<readonly string[]> =>
    readdir(join(cacheDirectory, folder)).catch(() => []);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-build-"));
    cacheDirectory = join(directory, "cache");
    images = await bootImages({ cacheDirectory });
  });
  after(() => rm(directory, { recursive: true, force: true }));

  it("looks up and ends when nothing changed", async () => {
    const start = performance.now();
    const again = await bootImages({ cacheDirectory });
    assert.ok(performance.now() - start < 5_000);
    assert.ok(again.kernel.cached && again.root.cached);
    assert.deepEqual([again.kernel.digest, again.root.digest], [images.kernel.digest, images.root.digest]);
  });

  it("gives another image, under another name, for another SOURCE_DATE_EPOCH", async () => {
    const dated = await buildRecipe({ recipe: "base/tiny", cacheDirectory, sourceDateEpoch: 1_700_000_000 });
    assert.notEqual(dated.digest, images.root.digest);
    assert.notEqual(dated.reference, images.root.reference);
    assert.equal(dated.labels["org.opencontainers.image.created"], "2023-11-14T22:13:20Z");
  });

  it("leaves no half image when it is cancelled, at whatever stage, and goes on after it", async () => {
    const before = await listed("images");
    const dates = { resolve: 1, build: 2, pack: 3, assemble: 4 } as const;
    for (const [at, offset] of Object.entries(dates)) {
      const controller = new AbortController();
      const onEvent = ({ stage }: BuildEvent): void => {
        if (stage === at) controller.abort();
      };
      const sourceDateEpoch = 1_600_000_000 + offset;
      const build = { recipe: "base/tiny", cacheDirectory, sourceDateEpoch, onEvent, signal: controller.signal };
      await assert.rejects(buildRecipe(build), { code: "CANCELLED" }, at);
      assert.deepEqual(await listed("work"), [], at);
    }
    const known = new Set(await listed("images"));
    assert.ok(before.every((key) => known.has(key)));
    const built = await buildRecipe({ recipe: "base/tiny", cacheDirectory, sourceDateEpoch: 1_600_000_003 });
    assert.equal(built.cached, false);
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
      const answers = (): Promise<boolean> =>
        ctr("version").then(
          () => true,
          () => false,
        );
      for (const deadline = performance.now() + 20_000; !(await answers()); await delay(50)) {
        assert.ok(performance.now() < deadline, "containerd does not answer");
      }
      for (const { layout, digest, references } of [images.kernel, images.root]) {
        const archive = join(root, "image.tar");
        await run("tar", ["-C", layout, "-cf", archive, "."]);
        await ctr("images", "import", "--snapshotter", "native", archive);
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
