/**
 * The step `containers` against real containerds: what it writes as files is what containerd 1.x and 2.x take for a store of their own, with images
 * that are there, unpacked, and stay. Needs root (for mounts in a namespace of the test's own), containerd, and Go for the stand-in of kubeadm.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { after, before, describe, test } from "node:test";
import { writeLayer } from "../../packages/image-builder/src/oci/layer.ts";
import { tarOf } from "../../packages/image-builder/src/oci/tar-archive.ts";
import { containers } from "../../packages/image-builder/src/steps/containers/step.ts";
import type { MadeLayer, MakeContext, NestedBuilds } from "../../packages/image-builder/src/steps/step-kind.ts";
import { FileTree } from "../../packages/image-builder/src/tree/file-tree.ts";
import { containerd1, containerd2Binary, containerd2Cached } from "../assets/containerd.ts";

const dateSeconds = 1_700_000_000;
const skip = process.getuid?.() === 0 ? false : "needs root";
const listed = ["registry.example/pause:3.10.2", "registry.example/store/etcd:3.6.8-0"];

/** What lies in an image whose second layer hides a file and links to one of the first. */
const linked = ["bin/again -rwsr-xr-x 7 2", "bin/program -rwsr-xr-x 7 2"];

/** Prints the names that kubeadm would; on the way it says what it can see of this machine. */
const standIn = `package main
import ("fmt"; "net"; "os")
func main() {
  if os.Args[1] == "version" { fmt.Println("v1.36.3"); return }
  root, _ := os.ReadDir("/")
  links, _ := net.Interfaces()
  if len(root) != 2 || len(links) > 1 || os.Getpid() != 1 { fmt.Fprintln(os.Stderr, "I am not alone:", root, links, os.Getpid()); os.Exit(1) }
  fmt.Print(${JSON.stringify(listed.map((name) => `${name}\n`).join(""))})
}
`;

describe("a containerd store made by files", { skip, timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "lm-store-"));
  const kubeadm = join(directory, "kubeadm");
  let made: MadeLayer;

  before(async () => {
    writeFileSync(join(directory, "main.go"), standIn);
    execFileSync("go", ["build", "-o", kubeadm, join(directory, "main.go")], {
      env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=mod" },
    });
    made = await make("first");
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const make = async (name: string, recipes = ["node/containers/etcd", "./pause.yaml"]): Promise<MadeLayer> => {
    const workDirectory = join(directory, name);
    mkdirSync(workDirectory);
    const below = new FileTree().file("usr/bin/kubeadm", {
      bytes: execFileSync("cat", [kubeadm], { maxBuffer: 1 << 26 }),
    });
    const fields = containers.fields.parse({
      store: "var/lib/containerd",
      namesFrom: "kubeadm",
      sandboxConfiguration: "etc/containerd/conf.d/sandbox.toml",
      images: [
        ...recipes.map((recipe) => ({ recipe })),
        { recipe: "x/web", name: "liquidmetal.local/web:1", pinned: false },
      ],
    });
    const context: MakeContext = {
      architecture: "amd64",
      recipeDirectory: directory,
      guestDirectory: directory,
      dateSeconds,
      cacheDirectory: directory,
      images,
      report: () => undefined,
      signal: AbortSignal.timeout(60_000),
      workDirectory,
      below: async () => below,
    };
    return await containers.make(fields, await containers.resolve(fields, context), context);
  };

  test("names are those of the kubeadm below, asked where it sees nothing of this machine", () => {
    assert.match(
      textOf(made.tree, "etc/containerd/conf.d/sandbox.toml"),
      /\[plugins\."io\.containerd\.cri\.v1\.images"\.pinned_images\]\n {2}sandbox = "registry\.example\/pause:3\.10\.2"/,
    );
  });

  test("the same images give the same bytes, in whatever order they are named", async () => {
    const [a, b] = [await digestOf(made.tree), await digestOf((await make("second", ["./pause.yaml", "x/etcd"])).tree)];
    assert.equal(a, b);
  });

  test("an image that is older than its tag is refused", async () => {
    await assert.rejects(
      make("old", ["./pause.yaml", "old/etcd"]),
      /etcd:3\.6\.8-0 is asked for, and the recipe makes version 3\.5\.1/,
    );
  });

  for (const [major, find] of [
    ["1.x", containerd1],
    [
      "2.x",
      async () =>
        (await containerd2Cached()) ? await containerd2Binary() : { skip: "containerd 2.x was not compiled yet" },
    ],
  ] as const) {
    test(`containerd ${major} has the images, unpacked and complete, and keeps them`, async (context) => {
      const program = await find();
      if (typeof program !== "string") return context.skip(program.skip);
      const root = join(directory, `store-${major}`);
      mkdirSync(root);
      await pipeline(tarOf(made.tree, { epochSeconds: dateSeconds }), createWriteStream(`${root}.tar`));
      execFileSync("tar", ["-C", root, "-xf", `${root}.tar`]);
      await using daemon = await Daemon.start(program, root);
      const names = daemon
        .ctr("images", "ls", "-q")
        .split("\n")
        .filter((name) => name !== "" && !name.startsWith("sha256:"));
      assert.deepEqual(names, ["liquidmetal.local/web:1", ...listed]);
      const mounted = join(root, "mounted");
      mkdirSync(mounted);
      for (const name of names) {
        daemon.ctr("images", "mount", name, mounted);
        const found = daemon.inside("find", mounted, "-mindepth", "1", "-type", "f", "-printf", "%P %M %U %n\n");
        const program = name.includes("web") ? ["bin/program -rwsr-xr-x 7 1"] : linked;
        const old = name.includes("web") ? ["old -rw-r--r-- 0 1"] : [];
        assert.deepEqual(found.trim().split("\n").sort(), [...program, "new -rw-r--r-- 0 1", ...old]);
        assert.equal(
          daemon.inside("cat", join(mounted, "bin/program")),
          `I am ${name.replace(/^.*\//, "").replace(/:.*$/, "")}`,
        );
        daemon.ctr("images", "unmount", "--rm", mounted);
      }
      // Removing one has garbage collected: the others have to survive it.
      const [web = "", ...kept] = names;
      const ids = daemon
        .ctr("images", "ls")
        .split("\n")
        .filter((line) => line.startsWith("sha256:"));
      const digest =
        daemon
          .ctr("images", "ls", `name==${web}`)
          .split(/\s+/)
          .find((word) => word.startsWith("sha256:")) ?? "";
      const id = ids.find((line) => line.includes(digest))?.split(/\s+/)[0] ?? "";
      assert.match(id, /^sha256:/, "the CRI plug-in's name for it");
      daemon.ctr("images", "rm", "--sync", web, id);
      assert.equal(daemon.ctr("snapshots", "ls").match(/Committed/g)?.length, kept.length * 2);
      daemon.ctr("images", "mount", kept[0] ?? "", mounted);
      assert.ok(daemon.inside("ls", mounted).includes("bin"));
    });
  }
});

/** Container images with two layers, of which the second hides and links, except for `web`. */
const images: NestedBuilds = {
  plan: async () => ({ key: "k", inputs: [] }),
  build: async ({ recipe }, layout) => {
    const name = recipe.replace(/^.*\//, "").replace(".yaml", "");
    const version = recipe.startsWith("old/") ? "3.5.1" : name === "etcd" ? "v3.6.9" : "3.10.2";
    const lower = new FileTree().file("old", "gone").file("bin/program", `I am ${name}`, { mode: 0o4755, uid: 7 });
    const upper = new FileTree().file("new", "here");
    if (name !== "web") {
      upper.whiteout("old");
      upper.put("bin/again", { kind: "hardlink", target: "bin/program", mode: 0o4755, uid: 7, gid: 0 });
    }
    mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
    const layers = [];
    for (const [tree, below] of [[lower], [upper, lower]] as const) {
      const layer = await writeLayer(tree, join(layout, "layer"), {
        epochSeconds: dateSeconds,
        ...(below !== undefined && { below }),
      });
      renameSync(layer.file, join(layout, "blobs/sha256", layer.digest.slice(7)));
      layers.push(layer);
    }
    const put = (mediaType: string, document: object): { mediaType: string; digest: string; size: number } => {
      const bytes = Buffer.from(JSON.stringify(document));
      const hex = createHash("sha256").update(bytes).digest("hex");
      writeFileSync(join(layout, "blobs/sha256", hex), bytes);
      return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
    };
    const rootfs = { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) };
    const config = put("application/vnd.oci.image.config.v1+json", {
      architecture: "amd64",
      os: "linux",
      config: {},
      rootfs,
    });
    const manifest = put("application/vnd.oci.image.manifest.v1+json", {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config,
      layers: layers.map(({ mediaType, digest, sizeBytes }) => ({ mediaType, digest, size: sizeBytes })),
      annotations: { "org.opencontainers.image.version": version },
    });
    writeFileSync(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
    return { digest: manifest.digest, software: [] };
  },
};

/** A containerd on a store, in a mount and network namespace of its own: whatever it mounts is gone with it. */
class Daemon implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #root: string;

  private constructor(child: ChildProcess, root: string) {
    this.#child = child;
    this.#root = root;
  }

  static async start(program: string, root: string): Promise<Daemon> {
    const configuration = [
      "version = 2",
      `root = "${root}/var/lib/containerd"`,
      `state = "${root}/state"`,
      'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]',
      `[grpc]\n  address = "${root}/socket"`,
      `[ttrpc]\n  address = "${root}/socket.ttrpc"`,
    ];
    writeFileSync(join(root, "config.toml"), configuration.join("\n"));
    const args = [
      "--mount",
      "--net",
      "--pid",
      "--fork",
      "--kill-child",
      program,
      "--config",
      join(root, "config.toml"),
    ];
    const child = spawn("unshare", args, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    await new Promise<void>((resolve, reject) => {
      child.once("exit", () => reject(new Error(`containerd ended:\n${said}`)));
      createInterface({ input: child.stderr ?? process.stdin }).on("line", (line) => {
        said = `${said}${line}\n`.slice(-4_000);
        if (line.includes("containerd successfully booted")) resolve();
      });
    });
    assert.ok(existsSync(join(root, "socket")));
    return new Daemon(child, root);
  }

  /** In the daemon's namespaces. */
  inside(...command: readonly string[]): string {
    const pid = execFileSync("pgrep", ["-P", String(this.#child.pid)], { encoding: "utf8" }).trim();
    return execFileSync("nsenter", ["--target", pid, "--mount", "--", ...command], {
      encoding: "utf8",
      timeout: 30_000,
    });
  }

  ctr(...args: readonly string[]): string {
    return this.inside("ctr", "--address", join(this.#root, "socket"), "--namespace", "k8s.io", ...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGKILL");
    await gone;
  }
}

function textOf(tree: FileTree, path: string): string {
  const entry = tree.get(path);
  assert.ok(entry?.kind === "file" && "bytes" in entry.content, `${path} is in the tree`);
  return Buffer.from(entry.content.bytes).toString();
}

async function digestOf(tree: FileTree): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of tarOf(tree, { epochSeconds: dateSeconds })) hash.update(chunk);
  return hash.digest("hex");
}
