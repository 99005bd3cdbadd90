/**
 * A real kernel for tests: Debian's cloud kernel, fetched with apt once and kept in the user's cache folder.
 *
 * Nothing is installed: the package is only downloaded and unpacked. Needs `apt-get` and `dpkg-deb`.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface TestKernel {
  /** The compressed kernel (bzImage). */
  readonly kernelPath: string;
  /** Folder of its modules: `…/lib/modules/VERSION`. */
  readonly modulesPath: string;
  readonly version: string;
}

/** Where test assets are kept between runs. */
export const assetsFolder: string = join(
  process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
  "liquidmetal",
  "test-assets",
);

/** The kernel, from the cache or fetched. Rejects with what apt said when it can be had nowhere. */
export async function testKernel(): Promise<TestKernel> {
  mkdirSync(assetsFolder, { recursive: true });
  return cached() ?? (await fetchKernel());
}

function cached(): TestKernel | undefined {
  const name = readdirSync(assetsFolder)
    .filter((entry) => /^linux-.*-cloud-amd64$/.test(entry))
    .sort()
    .at(-1);
  return name === undefined ? undefined : kernelIn(join(assetsFolder, name), name.replace("linux-", ""));
}

function kernelIn(folder: string, version: string): TestKernel {
  return {
    kernelPath: join(folder, "boot", `vmlinuz-${version}`),
    modulesPath: join(folder, "lib", "modules", version),
    version,
  };
}

async function fetchKernel(): Promise<TestKernel> {
  const { stdout } = await run("apt-cache", ["depends", "linux-image-cloud-amd64"]);
  const packageName = /linux-image-\S+-cloud-amd64/.exec(stdout.split("\n").slice(1).join("\n"))?.[0];
  if (packageName === undefined) throw new Error("apt knows no package linux-image-cloud-amd64; run 'apt-get update'");
  const version = packageName.replace("linux-image-", "");
  const folder = mkdtempSync(join(assetsFolder, "fetch-"));
  try {
    // apt drops to its own user for a download where it can, and then needs a folder that this user can enter.
    await run("apt-get", ["-o", "APT::Sandbox::User=root", "download", packageName], { cwd: folder });
    const archive = readdirSync(folder).find((entry) => entry.endsWith(".deb"));
    if (archive === undefined) throw new Error(`apt-get download ${packageName} left no package`);
    const tree = join(folder, "tree");
    await run("dpkg-deb", ["-x", join(folder, archive), tree]);
    const target = join(assetsFolder, `linux-${version}`);
    // Another test file may have been faster: its result is as good.
    if (!existsSync(target)) renameSync(tree, target);
    return kernelIn(target, version);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
