/** A container image that was built as an OCI layout: its documents, checked against their digests, and the files of its layers. */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";
import { unpackLayer } from "../../oci/layer.ts";
import { treeOfTar } from "../../oci/layer-tree.ts";
import { FileTree } from "../../tree/file-tree.ts";
import { merge, settle } from "../../tree/merge.ts";
import type { StoredBlob } from "./containerd-metadata.ts";

export interface BuiltImage {
  readonly manifest: Document;
  readonly config: Document;
  /** As it says of itself (`org.opencontainers.image.version`). */
  readonly version: string | undefined;
  /** From the bottom up. Contents lie in `workDirectory`. */
  readonly layers: readonly BuiltLayer[];
}

export interface BuiltLayer {
  /** What containerd calls the layers up to this one, unpacked (image-spec, "Layer ChainID"). */
  readonly chainId: string;
  /**
   * Plain files without whiteouts, as they lie in a folder. Where the layer takes something away, or links to a file of a layer below, this is
   * everything up to this layer, and `stacked` is false: overlayfs would want device nodes for it, which do not survive an image that is itself
   * unpacked on overlayfs.
   */
  readonly files: FileTree;
  readonly stacked: boolean;
}

export interface Document extends StoredBlob {
  readonly bytes: Buffer;
}

const mostDocumentBytes = 4 * 1024 * 1024;

const descriptor = z.object({
  mediaType: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.number().int(),
});
const index = z.object({ manifests: z.array(descriptor).min(1) });
const manifestSchema = z.object({
  config: descriptor,
  layers: z.array(descriptor),
  annotations: z.record(z.string(), z.string()).optional(),
});
const configSchema = z.object({
  rootfs: z.object({ diff_ids: z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/)) }),
  config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }).nullish(),
});

const versionLabel = "org.opencontainers.image.version";

/** Reads the layout's image `digest`, and unpacks its layers into the empty folder `workDirectory`. Errors: IMAGE_CORRUPT. */
export async function readBuiltImage(
  layout: string,
  digest: string,
  workDirectory: string,
  signal: AbortSignal,
): Promise<BuiltImage> {
  const manifest = await manifestDocument(layout, digest);
  const parsed = manifestSchema.parse(JSON.parse(manifest.bytes.toString()));
  const config = await documentOf(layout, parsed.config);
  const settings = configSchema.parse(JSON.parse(config.bytes.toString()));
  const diffIds = settings.rootfs.diff_ids;
  if (diffIds.length !== parsed.layers.length || diffIds.length === 0) {
    throw corrupt(digest, `it has ${parsed.layers.length} layers and ${diffIds.length} of them described`);
  }
  const layers: BuiltLayer[] = [];
  let below = new FileTree();
  for (const [number, layer] of parsed.layers.entries()) {
    const tar = join(workDirectory, `${number}.tar`);
    const diffId = diffIds[number];
    await unpackLayer(blobPath(layout, layer.digest), tar, { signal, ...(diffId !== undefined && { diffId }) });
    const tree = await treeOfTar(tar, { signal });
    const merged = merge(below, tree);
    const stacked = isPlain(tree);
    const chainId = chainIdOf(diffIds.slice(0, number + 1));
    layers.push({ chainId, stacked, files: stacked ? settle(tree, below) : merged });
    below = merged;
  }
  return {
    manifest,
    config,
    version: parsed.annotations?.[versionLabel] ?? settings.config?.Labels?.[versionLabel],
    layers,
  };
}

function isPlain(layer: FileTree): boolean {
  for (const [, entry] of layer.entries()) {
    if (entry.kind === "whiteout" || (entry.kind === "directory" && entry.opaque === true)) return false;
    if (entry.kind === "hardlink" && layer.get(entry.target) === undefined) return false;
  }
  return true;
}

function chainIdOf(diffIds: readonly string[]): string {
  return diffIds.reduce((chain, diffId) => `sha256:${createHash("sha256").update(`${chain} ${diffId}`).digest("hex")}`);
}

/** The manifest `digest`, or, when that is an index, its only manifest. */
async function manifestDocument(layout: string, digest: string): Promise<Document> {
  const listed = index.parse(JSON.parse(await readFile(join(layout, "index.json"), "utf8"))).manifests;
  const found = listed.find((one) => one.digest === digest);
  if (found === undefined) throw corrupt(digest, "its layout has no manifest");
  const document = await documentOf(layout, found);
  if (!/(image\.index|manifest\.list)/.test(document.mediaType)) return document;
  const inner = index.parse(JSON.parse(document.bytes.toString())).manifests;
  const [only] = inner;
  if (only === undefined || inner.length > 1)
    throw corrupt(digest, "it is for several machines where it has to be for one");
  return await documentOf(layout, only);
}

async function documentOf(layout: string, described: z.infer<typeof descriptor>): Promise<Document> {
  const path = blobPath(layout, described.digest);
  const { size } = await stat(path);
  if (size !== described.size || size > mostDocumentBytes) throw corrupt(described.digest, `it is ${size} bytes long`);
  const bytes = await readFile(path);
  const actual = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if (actual !== described.digest) throw corrupt(described.digest, `its bytes are ${actual}`);
  return { digest: described.digest, mediaType: described.mediaType, sizeBytes: size, bytes };
}

const blobPath = (layout: string, digest: string): string => join(layout, "blobs", ...digest.split(":"));

const corrupt = (digest: string, why: string): PlatformError =>
  new PlatformError("IMAGE_CORRUPT", `the container image ${digest} is refused: ${why}`);
