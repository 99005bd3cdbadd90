/** What is in a built image, seen by other programs than ours: layers unpacked by GNU tar, file systems mounted by the kernel. Needs root. */
import { execFile } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { treeDigest } from "./image-builder-odd-tree.ts";

const run = promisify(execFile);

export interface LayerFile {
  readonly file: string;
  /** Tells tar how it is compressed. */
  readonly flags: readonly string[];
}

/** The layers of the only image in a layout, from the bottom up. */
export async function layerFiles(layout: string): Promise<readonly LayerFile[]> {
  const blob = (digest: string): string => join(layout, "blobs", digest.replace(":", "/"));
  const index = JSON.parse(await readFile(join(layout, "index.json"), "utf8"));
  const manifest = JSON.parse(await readFile(blob(index.manifests[0].digest), "utf8"));
  return manifest.layers.map(({ digest, mediaType }: { digest: string; mediaType: string }) => {
    const compression = /(zstd|gzip)$/.exec(mediaType)?.[1];
    return { file: blob(digest), flags: compression === undefined ? [] : [`--${compression}`] };
  });
}

/** Unpacks the layers into the new folder as containerd would, with GNU tar. Only for images without whiteouts. */
export async function unpack(layout: string, directory: string): Promise<void> {
  await mkdir(directory);
  for (const { file, flags } of await layerFiles(layout)) {
    const attributes = ["--xattrs", "--xattrs-include=*", "--numeric-owner"];
    await run("tar", [...flags, ...attributes, "-C", directory, "-xpf", file]);
  }
}

/** A command that sees the file system in the file `image` at `mountPoint`: mounted read-only where nobody else sees it. */
export const mounted = (image: string, mountPoint: string): string[] => [
  ...["unshare", "--mount", "sh", "-c", 'image=$1; at=$2; shift 2; mount -o loop,ro "$image" "$at" && exec "$@"'],
  ...["sh", image, mountPoint],
];

export async function mountedDigest(image: string, mountPoint: string): Promise<string> {
  await run("e2fsck", ["-fn", image]);
  await mkdir(mountPoint);
  return treeDigest(mountPoint, mounted(image, mountPoint));
}
