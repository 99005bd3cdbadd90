/**
 * Debian roots by mmdebstrap: what goes wrong is said in words that name it and leaves nothing behind. Needs root, or ids to map (uidmap), and
 * mmdebstrap, bubblewrap, gpg; packages come from the machine's own sources and from an archive that the test makes.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { type BuildEvent, type BuiltRecipe, buildRecipe } from "@liquidmetal/image-builder";
import { PackageArchive } from "./image-builder-package-archive.ts";
import { layerFiles } from "./image-builder-unpacked.ts";

const run = promisify(execFile);

const header = (name: string): string => `name: test/${name}
title: Test
version: "1"
date: 2026-11-01
architectures: [amd64, arm64]
`;

describe("Debian roots", { timeout: 400_000 }, () => {
  let directory = "";
  let archive: PackageArchive;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "lm-debian-"));
    await chmod(directory, 0o755);
    archive = await PackageArchive.create(join(directory, "debian"));
    await write(
      "root",
      `${header("root")}layers: [{debian: {variant: essential, exclude: ["usr/share/locale/*", "usr/share/doc/*", "usr/share/man/*"]}}]\n`,
    );
    await build("root");
  });
  after(async () => {
    await archive[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const write = (name: string, text: string): Promise<void> => writeFile(join(directory, `${name}.yaml`), text);
  const build = (
    name: string,
    options: { signal?: AbortSignal; onEvent?: (event: BuildEvent) => void } = {},
  ): Promise<BuiltRecipe> =>
    buildRecipe({ recipe: join(directory, `${name}.yaml`), cacheDirectory: join(directory, "cache"), ...options });
  /** A layer on top of the root. */
  const onTop = (name: string, step: string): Promise<void> =>
    write(name, `${header(name)}from: ./root.yaml\nlayers: [{debian: ${step}}]\n`);
  const fileOf = async ({ layout }: BuiltRecipe, path: string): Promise<string> => {
    const layer = (await layerFiles(layout)).at(-1);
    const { stdout } = await run("tar", [...(layer?.flags ?? []), "-xOf", layer?.file ?? "", path]);
    return stdout;
  };

  it("adds a package to the root below: only what it brings is in the layer and in the layer's list of software", async () => {
    await onTop(
      "thing",
      `{include: [thing], sources: ${archive.sourcesFile}, scripts: ["/usr/bin/env >/etc/seen; id -u >>/etc/seen"]}`,
    );
    const built = await build("thing");
    assert.equal(await fileOf(built, "usr/bin/thing"), "one");
    const thing = built.software.find(({ name }) => name === "thing");
    assert.match(thing?.purl ?? "", /^pkg:deb\/debian\/thing@1\.0\?arch=all$/);
    assert.match(thing?.digest ?? "", /^sha256:[0-9a-f]{64}$/);
    assert.ok(built.software.some(({ name }) => name === "dpkg"));
    const layer = (await layerFiles(built.layout)).at(-1);
    const { stdout } = await run("tar", [...(layer?.flags ?? []), "-tf", layer?.file ?? ""]);
    assert.doesNotMatch(stdout, /usr\/bin\/dpkg$|var\/log\/.|var\/cache\/apt\/.*\.bin|ssh_host|root\/\./m);
    const seen = (await fileOf(built, "etc/seen")).split("\n");
    assert.ok(
      seen.includes("SOURCE_DATE_EPOCH=1793491200") && seen.includes("0"),
      "runs as root, with the image's date",
    );
    assert.ok(!seen.some((line) => /^(XDG|SUDO|SSH|NODE|npm)_/.test(line)), "nothing of this machine's environment");
  });

  it("names the package whose maintainer script fails, with what it said", async () => {
    await archive.packBroken();
    await onTop("broken", `{include: [broken], sources: ${archive.sourcesFile}}`);
    await assert.rejects(build("broken"), (error: Error & { code?: string }) => {
      assert.equal(error.code, "IMAGE_BUILD_FAILED");
      assert.match(error.message, /the package broken could not be installed.*exit status 7/s);
      assert.match(error.message, /cannot find the moon/);
      return true;
    });
  });

  it("says which package is missing, and that a recipe's script failed", async () => {
    await onTop("missing", "{include: [no-such-package-here]}");
    await assert.rejects(build("missing"), { code: "IMAGE_BUILD_FAILED", message: /no-such-package-here/ });
    await onTop("failing", '{scripts: ["true", "echo no luck >&2; exit 3"]}');
    await assert.rejects(build("failing"), { message: /script 2 of the recipe ended with 3; it said:\n.*no luck/s });
  });

  it("says that the archive cannot be reached when there is no network, and that a release is not there", async () => {
    const sources = join(directory, "away.list");
    await writeFile(sources, "deb [trusted=yes] http://127.0.0.1:9/debian test main\n");
    await onTop("away", `{include: [thing], sources: ${sources}}`);
    await assert.rejects(build("away"), { code: "IMAGE_BUILD_FAILED", message: /package archive cannot be reached/ });
    await onTop("suite", "{include: [less], suite: no-such-release}");
    await assert.rejects(build("suite"), { message: /do not have the release no-such-release/ });
  });

  it("leaves neither processes nor files when it is cancelled while a script runs", async () => {
    await onTop("cancelled", '{scripts: ["sleep 31536123"]}');
    const cancelling = new AbortController();
    const onEvent = ({ text }: BuildEvent): void => {
      if (text.includes("running scripts")) cancelling.abort();
    };
    await assert.rejects(build("cancelled", { signal: cancelling.signal, onEvent }), { code: "CANCELLED" });
    const left = (await readdir(tmpdir())).filter((name) => name.startsWith(`liquidmetal-${process.pid}-`));
    assert.deepEqual(left, []);
    for (const deadline = performance.now() + 10_000; (await processesWith("31536123")).length > 0; ) {
      assert.ok(performance.now() < deadline, "the script still runs");
    }
  });
});

async function processesWith(argument: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (line.startsWith("sleep") && line.includes(argument)) found.push(pid);
  }
  return found;
}
