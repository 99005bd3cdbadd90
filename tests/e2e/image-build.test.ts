/**
 * `lm image build|verify|inspect|push|cache` as a user types them: a recipe of the user's own on `base/tiny`, on a real platform, with a real registry.
 *
 * The recipe is the worked example of docs/images.md, word for word.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { cachedImage } from "../assets/boot-images.ts";
import { registrySkip, startRegistry, testPassword, testUser } from "../assets/containerd-registries.ts";
import { PlatformWorld, platformSkip } from "./platform-world.ts";

interface BuiltImage {
  readonly reference: string;
  readonly digest: string;
  readonly cached: boolean;
  readonly layout: string;
  readonly outputs: readonly { readonly output: string; readonly digest: string }[];
}

interface Image {
  readonly reference: string;
  readonly digest: string;
  readonly labels: Readonly<Record<string, string>>;
}

const page = readFileSync(join(import.meta.dirname, "../../docs/images.md"), "utf8");
const example = /```yaml\n(# appliance\.yaml\n[\s\S]*?)```/.exec(page)?.[1] ?? "";
const noRegistry = await registrySkip();

describe("lm image build", { skip: platformSkip, timeout: 400_000 }, () => {
  let world: PlatformWorld;
  const at = (name: string): string => join(world.directory, name);
  const build = (...args: readonly string[]): Promise<BuiltImage> =>
    world.json("image", "build", at("appliance.yaml"), ...args);

  before(async () => {
    world = new PlatformWorld();
    writeFileSync(at("appliance.yaml"), example);
    await world.ok(["up"]);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    assert.deepEqual(world?.processes(), []);
  });

  test("builds the example of docs/images.md to a directory, an archive, a root volume and the host; a rebuild finds nothing to do", async () => {
    const outputs = [`oci:${at("layout")}`, `oci-archive:${at("image.tar")}`, `ext4:${at("root.img")}`, "containerd"];
    const first = await build(...outputs.flatMap((output) => ["--output", output]));
    assert.deepEqual(
      first.outputs.map(({ output }) => output),
      outputs,
    );
    const hosted = await world.json<Image>("image", "inspect", first.reference);
    assert.equal(hosted.digest, first.digest);
    assert.equal(hosted.labels["dev.liquidmetal.recipe"], "team/appliance");
    assert.match(execFileSync("tar", ["-tf", at("image.tar")]).toString(), /^(\.\/)?index\.json$/m);
    assert.match(execFileSync("debugfs", ["-R", "cat /srv/www/index.html", at("root.img")]).toString(), /<h1>Hello/);
    assert.ok(statSync(at("layout/index.json")).isFile());
    const again = await build();
    assert.ok(again.cached);
    assert.equal(again.digest, first.digest);
  });

  test("a change of one file makes one layer again, and --plan says which", async () => {
    // A greeting that no cache has seen.
    const changed = ["--set", `greeting=Good morning ${randomUUID()}`];
    const plan = await world.ok(["image", "build", at("appliance.yaml"), ...changed, "--plan"]);
    assert.match(plan, /^linux\/amd64: 1 of 5 layers to build$/m);
    assert.match(plan, /^page +files +to build/m);
    const { code, stderr } = await world.lm(["image", "build", at("appliance.yaml"), ...changed]);
    assert.equal(code, 0);
    assert.deepEqual(stderr.match(/^ {2}✓ .*$/gm)?.length, 1);
    assert.match(stderr, /^ {2}✓ team\/appliance page /m);
  });

  test("verify boots it until it is ready, and leaves the host as it was", async () => {
    const before = await world.ok(["image", "list", "-o", "name"]);
    const said = await world.json<{ readonly boot: { readonly readyAfterMs: number }; readonly checked: unknown }>(
      ...["image", "verify", at("appliance.yaml")],
    );
    assert.ok(said.boot.readyAfterMs > 0);
    assert.deepEqual(await world.json("vm", "list", "-A"), []);
    assert.equal(await world.ok(["image", "list", "-o", "name"]), before);
  });

  test("Ctrl-C ends a build with 130, leaves nothing, and the next one goes on", async () => {
    const own = ["--cache-dir", at("interrupted")];
    let sent = false;
    const outcome = await world.lm(["image", "build", "kernel/distro", ...own], {
      onOutput: (_, stderr) => {
        if (sent || !/downloading packages|unpacking packages/.test(stderr)) return undefined;
        sent = true;
        return "SIGINT";
      },
    });
    assert.equal(outcome.code, 130, outcome.stderr);
    assert.equal(outcome.stdout, "");
    for (const folder of ["images", "layers", "work"]) {
      assert.deepEqual(existsSync(at(`interrupted/${folder}`)) ? readdirSync(at(`interrupted/${folder}`)) : [], []);
    }
    assert.ok((await world.json<BuiltImage>("image", "build", "kernel/distro", ...own)).digest.startsWith("sha256:"));
  });

  test("verify removes the microVM when it is interrupted while it boots", async () => {
    let sent = false;
    const outcome = await world.lm(["image", "verify", at("appliance.yaml")], {
      onOutput: (_, stderr) => {
        if (sent || !/Booting .*: (starting|running)/.test(stderr)) return undefined;
        sent = true;
        return "SIGINT";
      },
    });
    assert.equal(outcome.code, 130, outcome.stderr);
    assert.deepEqual(await world.json("vm", "list", "-A"), []);
  });

  test("verify --static finds a changed byte", async () => {
    assert.match(await world.ok(["image", "verify", `oci:${at("layout")}`, "--static"]), /what they say they are/);
    const blobs = at("layout/blobs/sha256");
    const [largest = ""] = readdirSync(blobs).sort(
      (a, b) => statSync(join(blobs, b)).size - statSync(join(blobs, a)).size,
    );
    const bytes = readFileSync(join(blobs, largest));
    bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
    rmSync(join(blobs, largest));
    writeFileSync(join(blobs, largest), bytes);
    const outcome = await world.lm(["image", "verify", `oci:${at("layout")}`, "--static"]);
    assert.notEqual(outcome.code, 0);
    assert.match(outcome.stderr, new RegExp(`${largest} holds something else`));
  });

  test("inspect shows an archive's layers, and prints its bill of materials and its provenance", async () => {
    const archive = `oci-archive:${at("image.tar")}`;
    const [imported] = await world.json<readonly Image[]>("image", "import", at("image.tar"), "--reference", "mine:1");
    assert.match(imported?.reference ?? "", /\/mine:1$/);
    const text = await world.ok(["image", "inspect", archive]);
    assert.match(text, /^page +\d+ B +sha256:/m);
    assert.match(text, /^Boot: +devices virtio-blk, vCPU 1/m);
    const sbom = JSON.parse(await world.ok(["image", "inspect", archive, "--sbom"]));
    assert.ok(sbom.packages.some(({ name }: { readonly name: string }) => name === "busybox-static"));
    const provenance = JSON.parse(await world.ok(["image", "inspect", archive, "--provenance"]));
    assert.equal(provenance.predicateType, "https://slsa.dev/provenance/v1");
  });

  test("kernel/6.1 boots base/tiny without an initrd", async (context) => {
    const kernel = await cachedImage("kernel/6.1");
    if ("skip" in kernel) return context.skip(kernel.skip);
    assert.equal(kernel.labels["dev.liquidmetal.initrd.path"], undefined);
    const said = await world.json<{ readonly boot: { readonly root: string } }>("image", "verify", "kernel/6.1");
    assert.match(said.boot.root, /base\/tiny/);
  });

  test("a cache of its own is listed, pruned and built again", async () => {
    const tiny = at("tiny.yaml");
    const lines = ["name: team/text", "title: A text", 'version: "1"', "date: 2026-11-01", "architectures: [amd64]"];
    writeFileSync(tiny, [...lines, "layers:", "  - files: [{path: a, text: b}]", ""].join("\n"));
    const own = ["--cache-dir", at("cache")];
    const { digest } = await world.json<BuiltImage>("image", "build", tiny, ...own);
    type Entry = { readonly kind: string; readonly name: string };
    const listed = await world.json<readonly Entry[]>("image", "cache", "ls", ...own);
    assert.deepEqual(listed.map(({ kind }) => kind).sort(), ["image", "layer"]);
    assert.equal(
      (await world.json<readonly Entry[]>("image", "cache", "prune", "--all", "--dry-run", ...own)).length,
      2,
    );
    assert.equal((await world.json<readonly Entry[]>("image", "cache", "ls", ...own)).length, 2);
    assert.equal((await world.json<readonly Entry[]>("image", "cache", "prune", "--all", ...own)).length, 2);
    assert.deepEqual(await world.json("image", "cache", "ls", ...own), []);
    assert.equal((await world.json<BuiltImage>("image", "build", tiny, ...own)).digest, digest);
  });

  test("bad input is told in words, before anything is made", async () => {
    writeFileSync(at("bad.yaml"), example.replace("path: srv", "pth: srv"));
    writeFileSync(at("there.tar"), "x");
    const rows: readonly (readonly [args: readonly string[], code: number, text: RegExp])[] = [
      [["base/tinny"], 3, /did you mean "base\/tiny"/],
      [[at("bad.yaml")], 2, /bad\.yaml:\d+:\d+: unknown key "pth".*\n.*\n> +\d+ \| .*pth: srv/],
      [[at("nowhere.yaml")], 3, /there is no file/],
      [[at("appliance.yaml"), "--set", "greting=x"], 2, /no parameter "greting".*did you mean "greeting"/],
      [[at("appliance.yaml"), "--output", `oci-archive:${at("there.tar")}`], 2, /there\.tar' exists/],
      [[at("appliance.yaml"), "--output", "tarball:x"], 2, /no output/],
      [[at("appliance.yaml"), "--platform", "linux/arm64"], 1, /is for amd64, not for arm64/],
    ];
    for (const [args, code, text] of rows) {
      const outcome = await world.lm(["image", "build", ...args]);
      assert.equal(outcome.code, code, `${args.join(" ")}: ${outcome.stderr}`);
      assert.match(outcome.stderr, text);
      assert.equal(outcome.stdout, "");
    }
    assert.equal(readFileSync(at("there.tar"), "utf8"), "x");
    assert.equal((await world.lm(["image", "inspect", `oci:${world.directory}`])).code, 3);
  });

  test("is pushed to a registry with TLS and a password, and pulled from there by the host", {
    skip: noRegistry,
  }, async () => {
    const storage = at("registry");
    const registry = await startRegistry(storage, { secure: true });
    try {
      const reference = `${registry.host}/team/appliance:1`;
      const { digest } = await build();
      const hosts = at("hosts");
      mkdirSync(join(hosts, registry.host), { recursive: true });
      const trusted = `server = "https://${registry.host}"\nca = "${join(storage, "tls.crt")}"\n`;
      writeFileSync(join(hosts, registry.host, "hosts.toml"), trusted);
      const push = ["image", "push", at("appliance.yaml"), reference, "--registry-hosts-dir", hosts];
      const refused = await world.lm(push);
      assert.equal(refused.code, 6, refused.stderr);
      const auth = Buffer.from(`${testUser}:${testPassword}`).toString("base64");
      const credentials = at("config.json");
      writeFileSync(credentials, JSON.stringify({ auths: { [registry.host]: { auth } } }), { mode: 0o600 });
      const pushed = await world.json<Image>(...push, "--registry-auth-file", credentials);
      assert.deepEqual(pushed, { reference, digest });
      await world.ok(["up", "--set", `registry-hosts-dir=${hosts}`, "--set", `registry-auth-file=${credentials}`]);
      assert.equal((await world.json<Image>("image", "pull", reference)).digest, digest);
    } finally {
      await registry.stop();
    }
  });
});
