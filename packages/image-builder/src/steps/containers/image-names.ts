/**
 * The names by which kubeadm will look for its images, asked of the kubeadm that the image itself has: exactly its names, no list of ours to go stale.
 *
 * It runs alone: its own root directory with nothing else in it, its own user, mount, network and process namespaces.
 */
import { chmod, copyFile, mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { tryTool } from "../../system-tool.ts";
import { ContentReader, chunkBytes, contentSize } from "../../tree/content.ts";
import type { FileTree } from "../../tree/file-tree.ts";
import type { Architecture } from "../step-kind.ts";
import type { ContainerEntry, ContainersFields } from "./fields.ts";
import { defaultKubeadm } from "./fields.ts";

export interface NamingContext {
  /** Where the emulator of foreign programs is looked for, in PATH's form. Default: PATH. */
  readonly emulatorPath?: string;
  below(): Promise<FileTree>;
  readonly workDirectory: string;
  readonly architecture: Architecture;
  readonly signal: AbortSignal;
}

/** The name of every image, in the order of `fields.images`. */
export async function imageNames(fields: ContainersFields, context: NamingContext): Promise<readonly string[]> {
  const given = fields.images.map(({ name }) => name);
  if (given.every((name) => name !== undefined)) return given;
  const program = fields.kubeadm ?? defaultKubeadm;
  return matchNames(fields.images, await kubeadmImageNames(program, context));
}

/** Gives every image without a name the listed one with the same last word. Every listed name has to find its image. */
export function matchNames(images: readonly ContainerEntry[], listed: readonly string[]): readonly string[] {
  const left = new Map(listed.map((name) => [lastWord(withoutTag(name)), name]));
  const names = images.map(({ name, recipe }) => {
    const word = lastWord(recipe.replace(/\.ya?ml$/, ""));
    const found = name ?? left.get(word);
    if (found === undefined) {
      throw new PlatformError(
        "IMAGE_BUILD_FAILED",
        `kubeadm needs no image that is called ${word}, and ${recipe} has no name`,
        {
          remedy: `give the image of ${recipe} a name in the recipe`,
          details: { listed: listed.join(" ") },
        },
      );
    }
    left.delete(lastWord(withoutTag(found)));
    return found;
  });
  if (left.size > 0) {
    throw new PlatformError(
      "IMAGE_BUILD_FAILED",
      `kubeadm also needs ${[...left.values()].join(", ")}, and no image of the store is it`,
      {
        remedy: "add its recipe to the images of the step `containers`",
      },
    );
  }
  return names;
}

/** What `kubeadm config images list` prints for kubeadm's own version. */
async function kubeadmImageNames(program: string, context: NamingContext): Promise<readonly string[]> {
  const root = join(context.workDirectory, "kubeadm-root");
  await mkdir(root, { recursive: true });
  await takeOut(await context.below(), program, join(root, "kubeadm"));
  const version = (await runAlone(root, ["version", "-o", "short"], context)).trim();
  if (!/^v\d+\.\d+\.\d+\S*$/.test(version))
    throw failed(program, `it says it is version ${JSON.stringify(version.slice(0, 80))}`);
  await writeFile(join(root, "kubeadm.yaml"), question(version));
  const printed = await runAlone(root, ["config", "images", "list", "--config", "/kubeadm.yaml"], context);
  const names = printed.split("\n").filter((line) => line !== "");
  if (names.length === 0 || names.some((name) => !/^\S+:\S+$/.test(name)))
    throw failed(program, "its list of images cannot be read");
  return names;
}

/** Everything that kubeadm would else find out from the machine: where it runs there is no network, no name and no container runtime. */
const question = (version: string): string => `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: 192.0.2.1
nodeRegistration:
  name: node
  criSocket: unix:///run/containerd/containerd.sock
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: ${version}
`;

async function takeOut(below: FileTree, program: string, destination: string): Promise<void> {
  const named = below.get(program);
  const entry = named?.kind === "hardlink" ? below.get(named.target) : named;
  if (entry?.kind !== "file") {
    throw new PlatformError(
      "IMAGE_BUILD_FAILED",
      `the layers below have no program ${program} to ask for image names`,
      {
        remedy: "put a layer with kubeadm below the step `containers`, or name every image",
      },
    );
  }
  const { content } = entry;
  if ("file" in content && content.offsetBytes === undefined) await copyFile(content.file, destination);
  else {
    using reader = new ContentReader();
    await using file = await open(destination, "wx");
    const size = contentSize(content);
    for (let at = 0; at < size; at += chunkBytes) {
      const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, size - at));
      reader.read(content, at, chunk);
      await file.write(chunk);
    }
  }
  await chmod(destination, 0o755);
}

async function runAlone(root: string, args: readonly string[], context: NamingContext): Promise<string> {
  const alone = [
    "--user",
    "--map-root-user",
    "--mount",
    "--net",
    "--pid",
    "--fork",
    "--kill-child",
    `--root=${root}`,
    "--wd=/",
  ];
  const program = [...(await emulator(root, context)), "/kubeadm", ...args];
  const result = await tryTool("unshare", [...alone, ...program], { timeoutMs: 60_000, signal: context.signal });
  if (result.exitCode === 0) return result.stdout.toString();
  throw failed("kubeadm", result.stderr.trim().split("\n")[0] ?? "");
}

/** What runs a program for another machine, put beside it: QEMU's emulator of user programs, which is one static file. Empty for our own. */
async function emulator(root: string, context: NamingContext): Promise<readonly string[]> {
  const { architecture, emulatorPath = process.env["PATH"] ?? "" } = context;
  if (architecture === (process.arch === "x64" ? "amd64" : process.arch)) return [];
  const name = `qemu-${architecture === "amd64" ? "x86_64" : "aarch64"}-static`;
  for (const folder of emulatorPath.split(":")) {
    const copied = await copyFile(join(folder, name), join(root, "qemu")).then(
      () => true,
      () => false,
    );
    if (copied) return ["/qemu"];
  }
  throw new PlatformError(
    "TOOL_MISSING",
    `the kubeadm of the image is for ${architecture}, and ${name}, which would run it here, is not installed`,
    { remedy: "apt-get install qemu-user-static, or name every image of the step `containers`" },
  );
}

const withoutTag = (name: string): string => name.replace(/:[^:/]*$/, "");
const lastWord = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

const failed = (program: string, why: string): PlatformError =>
  new PlatformError("IMAGE_BUILD_FAILED", `${program} could not be asked for image names: ${why}`);
