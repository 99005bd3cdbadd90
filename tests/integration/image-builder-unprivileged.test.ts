/**
 * A Debian root built by a user without rights, with ids of /etc/subuid: the same image that root builds. Needs root, to become such a user where nobody
 * else sees it: its account and its ids are bound over the machine's files in a mount namespace.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { buildRecipe } from "@liquidmetal/image-builder";

const run = promisify(execFile);
const builder = join(import.meta.dirname, "../../packages/image-builder/src/index.ts");
const user = 61_234;

const recipe = `name: test/unprivileged
title: A small Debian
version: "1"
date: 2026-11-01
architectures: [amd64, arm64]
layers:
  - debian:
      variant: essential
      exclude: ["usr/share/doc/*", "usr/share/locale/*"]
      scripts: ["id -u >/etc/made-by; chown 1000:1000 /etc/made-by; chmod 4755 /etc/made-by"]
`;

/** The arguments: folder with passwd, group and subid; then the command. */
const asUser = `set -e
folder=$1; shift
mount --bind $folder/passwd /etc/passwd
mount --bind $folder/group /etc/group
mount --bind $folder/subid /etc/subuid
mount --bind $folder/subid /etc/subgid
cd $folder
exec setpriv --reuid ${user} --regid ${user} --clear-groups "$@"
`;

function missing(): string | false {
  if (process.getuid?.() !== 0) return "needs root";
  try {
    execFileSync("sh", ["-c", "command -v newuidmap bwrap mmdebstrap"], { stdio: "ignore" });
    execFileSync("setpriv", [
      "--reuid",
      String(user),
      "--clear-groups",
      "test",
      "-r",
      builder,
      "-a",
      "-x",
      process.execPath,
    ]);
    return false;
  } catch {
    return "needs uidmap, bubblewrap, mmdebstrap, and a checkout that other users can read";
  }
}

describe("building without rights", { skip: missing(), timeout: 400_000 }, () => {
  let directory = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-unprivileged-"));
    await chmod(directory, 0o755);
    await writeFile(join(directory, "recipe.yaml"), recipe);
    await mkdir(join(directory, "home"));
    await chown(join(directory, "home"), user, user);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function buildAsUser(name: string, subid: string): Promise<string> {
    const folder = join(directory, name);
    await mkdir(folder);
    const account = `lmbuilder:x:${user}:${user}::${join(directory, "home")}:/bin/sh\n`;
    await writeFile(join(folder, "passwd"), (await readFile("/etc/passwd", "utf8")) + account);
    await writeFile(join(folder, "group"), `${await readFile("/etc/group", "utf8")}lmbuilder:x:${user}:\n`);
    await writeFile(join(folder, "subid"), subid);
    const request = { recipe: join(directory, "recipe.yaml"), cacheDirectory: join(directory, "home", name) };
    const program = `const { buildRecipe } = await import(${JSON.stringify(builder)});
      console.log((await buildRecipe(${JSON.stringify(request)})).digest);`;
    const node = [process.execPath, "--input-type=module", "-e", program];
    const env = { ...process.env, HOME: join(directory, "home"), TMPDIR: "/tmp", XDG_CACHE_HOME: "" };
    const { stdout } = await run("unshare", ["--mount", "sh", "-c", asUser, "sh", folder, ...node], { env });
    return stdout.trim();
  }

  it("gives the image that root builds", async () => {
    const digest = await buildAsUser("allowed", `lmbuilder:${300_000}:65536\n`);
    const cacheDirectory = join(directory, "cache");
    assert.equal((await buildRecipe({ recipe: join(directory, "recipe.yaml"), cacheDirectory })).digest, digest);
  });

  it("says what the machine has to allow where no ids are the user's", async () => {
    await assert.rejects(buildAsUser("forbidden", "someone:300000:65536\n"), (error: Error) => {
      assert.match(error.message, /\/etc\/subuid gives lmbuilder no range of 65536 ids to build with/);
      return true;
    });
  });
});
