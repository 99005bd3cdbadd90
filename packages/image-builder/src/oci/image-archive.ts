/**
 * An OCI image as one file: the image layout (image-spec 1.1) in a tar, as containerd, skopeo and podman import it.
 *
 * The same layers and descriptions give the same bytes. Every name of the image is a descriptor in index.json, under the specification's
 * `org.opencontainers.image.ref.name` and under containerd's own annotation, which alone makes it take full names as they are.
 */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { FileTree } from "../tree/file-tree.ts";
import type { Layer } from "./layer.ts";
import { tarOf } from "./tar-archive.ts";

export interface ImageDescription {
  /** Full references, as in `liquidmetal.local/base/tiny:latest`; at least one. */
  readonly references: readonly string[];
  readonly architecture: "amd64" | "arm64";
  /** Seconds since 1970: the image's creation time. */
  readonly epochSeconds: number;
  /** Labels of the configuration. Those under `org.opencontainers.image.` also become annotations of the manifest. */
  readonly labels: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly environment?: readonly string[];
  /** What made each layer, in their order. */
  readonly history: readonly string[];
}

export interface WrittenImage {
  /** Of the manifest. */
  readonly digest: string;
  /** Of the archive file. */
  readonly sizeBytes: number;
}

const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
} as const;

interface Blob {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** Writes the new file `archivePath`. */
export async function writeImageArchive(
  archivePath: string,
  layers: readonly Layer[],
  image: ImageDescription,
  options: { readonly signal?: AbortSignal } = {},
): Promise<WrittenImage> {
  const config = jsonBlob(configuration(layers, image));
  const manifest = jsonBlob(manifestOf(layers, config, image));
  const tree = new FileTree();
  tree.file("oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  tree.file("index.json", JSON.stringify(indexOf(manifest, image)));
  for (const blob of [config, manifest]) tree.file(blobPath(blob.digest), { bytes: blob.bytes });
  for (const layer of layers) tree.file(blobPath(layer.digest), { file: layer.file, sizeBytes: layer.sizeBytes });
  const archive = tarOf(tree, { epochSeconds: image.epochSeconds, ...options });
  await pipeline(archive, createWriteStream(archivePath, { flags: "wx" }), options);
  return { digest: manifest.digest, sizeBytes: (await stat(archivePath)).size };
}

function configuration(layers: readonly Layer[], image: ImageDescription): unknown {
  const created = timestamp(image.epochSeconds);
  return {
    created,
    architecture: image.architecture,
    os: "linux",
    config: {
      ...(image.environment === undefined ? {} : { Env: image.environment }),
      ...(image.command === undefined ? {} : { Cmd: image.command }),
      Labels: sorted(image.labels),
    },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: image.history.map((made) => ({ created, created_by: made })),
  };
}

function manifestOf(layers: readonly Layer[], config: Blob, image: ImageDescription): unknown {
  const annotations = Object.entries(image.labels).filter(([key]) => key.startsWith("org.opencontainers.image."));
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: config.digest, size: config.bytes.length },
    layers: layers.map(({ mediaType, digest, sizeBytes }) => ({ mediaType, digest, size: sizeBytes })),
    annotations: sorted(Object.fromEntries(annotations)),
  };
}

function indexOf(manifest: Blob, image: ImageDescription): unknown {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: image.references.map((reference) => ({
      mediaType: mediaTypes.manifest,
      digest: manifest.digest,
      size: manifest.bytes.length,
      platform: { architecture: image.architecture, os: "linux" },
      annotations: { "io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference },
    })),
  };
}

/** RFC 3339, in whole seconds. */
export const timestamp = (epochSeconds: number): string =>
  new Date(epochSeconds * 1000).toISOString().replace(".000Z", "Z");

const blobPath = (digest: string): string => `blobs/${digest.replace(":", "/")}`;

const sorted = (record: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));

function jsonBlob(value: unknown): Blob {
  const bytes = Buffer.from(JSON.stringify(value));
  return { bytes, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` };
}
