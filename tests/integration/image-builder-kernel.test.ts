/**
 * Kernels of the image builder: the shipped configuration against the real source of Linux, the modules that go with the distribution's kernel, and
 * `kernel/6.1` booted where it was compiled before.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, test } from "node:test";
import { promisify } from "node:util";
import { type BuildRequest, buildRecipe } from "@liquidmetal/image-builder";
import { isPresent } from "../../tools/setup/system-packages.ts";
import { cachedImage } from "../assets/boot-images.ts";
import { bootsOurKernel, kernelBuilds } from "./image-builder-kernel-boot.ts";
import { BareMachine, prepareDisks, prepareSeed, unpackLayers } from "./image-builder-machine.ts";

const run = promisify(execFile);
const shipped = join(import.meta.dirname, "../../images/kernel");
const compilers = ["gcc", "make", "flex", "bison", "bc", "/usr/include/gelf.h"];
const lacking = (...probes: string[]): string | false => {
  const missing = probes.filter((probe) => !isPresent(probe));
  return missing.length > 0 && `needs ${missing.join(", ")}: 'npm run test:images' installs them`;
};

describe("kernel/6.1 is configured as demanded", { skip: lacking(...compilers), timeout: 280_000 }, () => {
  let directory = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-kernel-"));
    await cp(join(shipped, "fragments"), join(directory, "fragments"), { recursive: true });
    const recipe = await readFile(join(shipped, "6.1.yaml"), "utf8");
    await writeFile(join(directory, "6.1.yaml"), `${recipe}        - fragments/own.config\n`);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function build(own: string, more: Partial<BuildRequest> = {}): Promise<unknown> {
    await writeFile(join(directory, "fragments/own.config"), own);
    return buildRecipe({ recipe: join(directory, "6.1.yaml"), architectures: ["amd64"], ...more });
  }

  /** What was demanded too much is all that the build complains of: everything else that the shipped fragments demand is there. */
  it("on x86-64; a demand that Linux does not meet is named, with what it needs", async () => {
    const own = "# Of ours.\nCONFIG_BPF_LSM=y\n# CONFIG_INET is not set\nCONFIG_INET=y\n";
    await assert.rejects(build(own), {
      code: "RECIPE_INVALID",
      message:
        /not the demanded one: CONFIG_BPF_LSM: wanted y \(fragments\/own\.config:2\), got n, which needs BPF_EVENTS$/m,
    });
  });

  it("is not built at all from a fragment that asks for a module or is none", async () => {
    await assert.rejects(build("\nCONFIG_EXT4_FS=m\n"), {
      code: "RECIPE_INVALID",
      message: /own\.config:2: .*asks for a module/,
    });
    await assert.rejects(build("hello\n"), { code: "RECIPE_INVALID", message: /own\.config:1: "hello" is no line/ });
  });

  it("ends when it is cancelled while it unpacks, and leaves neither processes nor mounts", async () => {
    const others = await kernelBuilds();
    const controller = new AbortController();
    const onEvent: BuildRequest["onEvent"] = ({ text }) => {
      if (text.includes("unpacking the kernel")) controller.abort();
    };
    await assert.rejects(build("", { onEvent, signal: controller.signal }), { code: "CANCELLED" });
    assert.doesNotMatch(await readFile("/proc/self/mounts", "utf8"), / \/usr\/src /);
    assert.deepEqual(
      [...(await kernelBuilds())].filter((one) => !others.has(one)),
      [],
    );
  });
});

describe("modules of the distribution's kernel", { timeout: 120_000 }, () => {
  it("come with indexes by which modprobe finds them, and all that they depend on", {
    skip: lacking("depmod"),
  }, async () => {
    const directory = await mkdtemp(join(tmpdir(), "lm-modules-"));
    try {
      const { layout, labels } = await buildRecipe({ recipe: "kernel/distro-modules" });
      await unpackLayers(layout, directory);
      const release = labels["dev.liquidmetal.kernel.version"] ?? "";
      assert.deepEqual(await readdir(join(directory, "lib/modules")), [release]);
      const wanted =
        "overlay br_netfilter nf_tables nft_ct nft_masq ip_vs ip_vs_rr vxlan bridge veth dummy wireguard tcp_bbr xt_statistic";
      for (const name of wanted.split(" ")) {
        const args = ["--dirname", directory, "--set-version", release, "--show-depends", name];
        const { stdout } = await run("/sbin/modprobe", args);
        const files = [...stdout.matchAll(/^insmod (\S+)/gm)].map(([, file = ""]) => file);
        assert.ok(files.length > 0 || stdout.startsWith("builtin"), `${name}: ${stdout}`);
        for (const file of files) assert.ok((await readFile(file)).length > 0, file);
      }
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

test("a root volume with the modules of another release is told so on the console", {
  skip: process.getuid?.() !== 0 && "needs root",
  timeout: 120_000,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), "lm-release-"));
  try {
    const kernel = await buildRecipe({ recipe: "kernel/distro" });
    await prepareDisks({ kernel, root: await buildRecipe({ recipe: "base/tiny" }) }, directory);
    for (const made of ["/usr/lib/modules", "/usr/lib/modules/1.2.3"]) {
      await run("/sbin/debugfs", ["-w", "-R", `mkdir ${made}`, join(directory, "root.img")]);
    }
    await prepareSeed(directory, { "instance-id": "i-1\n" });
    const { labels } = kernel;
    const kernelPath = labels["dev.liquidmetal.kernel.elf.path"] ?? "";
    await using machine = await BareMachine.start({
      directory,
      kernelPath,
      initrdPath: labels["dev.liquidmetal.initrd.path"],
    });
    const release = labels["dev.liquidmetal.kernel.version"] ?? "";
    await machine.typeUntil("", /the root volume \/dev\/vda has no modules for (\S+), only for 1\.2\.3\r?\n/);
    assert.ok(machine.console.includes(`no modules for ${release},`), machine.console);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

const compiled = await cachedImage("kernel/6.1").catch((error: Error) => ({
  skip: `${error.message}: 'npm run test:images' installs the compilers and builds it`,
}));

describe("kernel/6.1 under bare QEMU", {
  skip: process.getuid?.() !== 0 ? "needs root" : "skip" in compiled && compiled.skip,
  timeout: 280_000,
}, () => {
  if ("skip" in compiled) return;
  bootsOurKernel(async () => compiled);
});
