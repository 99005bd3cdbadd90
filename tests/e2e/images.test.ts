/** `lm image …` on a real platform: archives of every form, a registry with TLS and a password, and images that are in use. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { bootImages } from "../assets/boot-images.ts";
import { dockerArchive, image, layoutArchive } from "../assets/containerd-images.ts";
import { push, registrySkip, startRegistry, testPassword, testUser } from "../assets/containerd-registries.ts";
import { PlatformWorld, platformSkip } from "./platform-world.ts";

interface Image {
  readonly reference: string;
  readonly digest: string;
}

const fields = "reference digest mediaType platforms sizeBytes createdAt labels".split(" ");
const noRegistry = await registrySkip();

describe("lm image", { skip: platformSkip, timeout: 120_000 }, () => {
  let world: PlatformWorld;

  before(async () => {
    world = new PlatformWorld({ isolated: true });
    await world.ok(["up", "--netns=false"]);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    assert.deepEqual(world?.processes(), []);
  });

  const small = (content: string): ReturnType<typeof image> =>
    image([[{ name: "file", content }]], { compression: "none", labels: { made: "here" } });
  const imported = (...args: readonly string[]): Promise<readonly Image[]> => world.json("image", "import", ...args);

  test("OCI archive, OCI directory, standard input, docker archive; list and inspect", async () => {
    const one = await small("one");
    const archive = join(world.directory, "one.tar");
    writeFileSync(archive, await layoutArchive(one, "local/one:1"));
    const [first] = await imported(archive);
    assert.deepEqual(Object.keys(first ?? {}), fields);
    assert.equal(first?.digest, one.manifest.digest);
    const layout = join(world.directory, "layout");
    mkdirSync(layout);
    execFileSync("tar", ["-C", layout, "-xf", archive]);
    assert.equal((await imported(layout, "--reference", "local/directory:1"))[0]?.digest, one.manifest.digest);
    const lm = join(import.meta.dirname, "../../bin/lm");
    const pipe = `cat one.tar | '${lm}' image import - --reference local/piped:1 -o name`;
    assert.match((await world.run(["sh", "-c", pipe])).stdout, /local\/piped:1\n$/);
    const docker = join(world.directory, "docker.tar");
    writeFileSync(docker, await dockerArchive(one, "local/docker:1"));
    assert.match((await imported(docker))[0]?.reference ?? "", /local\/docker:1$/);
    const listed = await world.json<readonly Image[]>("image", "list");
    assert.equal(listed.length, 4);
    assert.equal((await world.json<Image>("image", "inspect", "local/one:1")).digest, one.manifest.digest);
    assert.match(await world.ok(["image", "inspect", "local/one:1"]), /made=here/);
  });

  test("one image under two names may be imported under a third; what is no image is refused", async () => {
    const { root } = await bootImages();
    assert.equal((await imported(root.layout, "--reference", "local/tiny:mine")).length, 1);
    for (const [name, content, text] of [
      ["noise.tar", "x".repeat(20_000), /cannot be read/],
      ["empty.tar", "", /it is empty/],
    ] as const) {
      writeFileSync(join(world.directory, name), content);
      const outcome = await world.lm(["image", "import", join(world.directory, name)]);
      assert.equal(outcome.code, 2);
      assert.match(outcome.stderr, text);
    }
    assert.equal((await world.lm(["image", "import", "/nowhere"])).code, 2);
  });

  test("an image in use stays, and its users are named", async () => {
    const { kernel, root } = await world.importImages();
    const spec = ["--kernel", kernel, "--image", root, "--vcpu", "1", "--memory", "64M"];
    await world.ok(["vm", "create", "user", ...spec, "--wait=running"]);
    const refused = await world.lm(["image", "remove", root]);
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /used by default\/user/);
    await world.ok(["vm", "delete", "user"]);
    await world.ok(["image", "remove", root]);
    assert.equal((await world.lm(["image", "inspect", root])).code, 3);
    assert.equal((await world.lm(["image", "remove", root])).code, 3);
  });
});

test("pull from a registry with TLS and a password", {
  skip: platformSkip || noRegistry,
  timeout: 60_000,
}, async () => {
  // Not isolated: the registry listens on this machine's loopback. Guests, of which there are none, would have a namespace.
  await using world = new PlatformWorld();
  const storage = join(world.directory, "registry");
  const plain = await startRegistry(storage);
  const secure = await startRegistry(storage, { secure: true });
  try {
    const one = await image([[{ name: "file", content: "pulled" }]], { compression: "none" });
    await push(plain.host, "team/secret", "1", one);
    const reference = `${secure.host}/team/secret:1`;
    await world.ok(["up"]);
    const untrusted = await world.lm(["image", "pull", reference]);
    assert.notEqual(untrusted.code, 0);
    assert.match(untrusted.stderr, /127\.0\.0\.1:\d+ answered/);
    const hosts = join(world.directory, "hosts");
    mkdirSync(join(hosts, secure.host), { recursive: true });
    const trusted = `server = "https://${secure.host}"\nca = "${join(storage, "tls.crt")}"\n`;
    writeFileSync(join(hosts, secure.host, "hosts.toml"), trusted);
    await world.ok(["up", "--set", `registry-hosts-dir=${hosts}`]);
    assert.equal((await world.lm(["image", "pull", reference])).code, 6);
    const auth = Buffer.from(`${testUser}:${testPassword}`).toString("base64");
    const credentials = join(world.directory, "config.json");
    writeFileSync(credentials, JSON.stringify({ auths: { [secure.host]: { auth } } }), { mode: 0o600 });
    await world.ok(["up", "--set", `registry-auth-file=${credentials}`]);
    assert.equal((await world.json<Image>("image", "pull", reference)).digest, one.manifest.digest);
  } finally {
    await plain.stop();
    await secure.stop();
  }
});
