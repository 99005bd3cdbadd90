/** Tiny images for tests: layers, OCI layouts and `docker save` archives, made in memory. */
import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { pack } from "tar-stream";

export interface TarEntry {
  readonly name: string;
  readonly type?: "file" | "directory" | "symlink" | "link" | "character-device";
  readonly linkname?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly content?: string | Uint8Array;
}

export interface TestBlob {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface TestImage {
  readonly manifest: TestBlob;
  readonly config: TestBlob;
  readonly layers: readonly TestBlob[];
  readonly diffIds: readonly string[];
}

export type LayerCompression = "none" | "gzip" | "zstd";

/** A tar archive of the entries, in memory. Names without content are directories when they end in `/`. */
export async function tar(entries: readonly TarEntry[]): Promise<Buffer> {
  const archive = pack();
  const parts: Buffer[] = [];
  const done = (async () => {
    for await (const part of archive) parts.push(part as Buffer);
  })();
  for (const { content, ...header } of entries) {
    const type = header.type ?? (header.name.endsWith("/") ? "directory" : "file");
    const full = { mtime: new Date(0), ...header, type };
    if (content === undefined) archive.entry({ ...full, size: 0 });
    else archive.entry(full, Buffer.from(content));
  }
  archive.finalize();
  await done;
  return Buffer.concat(parts);
}

export function blob(mediaType: string, bytes: Uint8Array): TestBlob {
  const buffer = Buffer.from(bytes);
  return { mediaType, bytes: buffer, digest: `sha256:${createHash("sha256").update(buffer).digest("hex")}` };
}

export function descriptor({ mediaType, digest, bytes }: TestBlob): {
  mediaType: string;
  digest: string;
  size: number;
} {
  return { mediaType, digest, size: bytes.length };
}

/** An image of the given layers, bottom first. */
export async function image(
  layers: readonly (readonly TarEntry[])[],
  options: {
    readonly compression?: LayerCompression;
    readonly architecture?: string;
    readonly labels?: Record<string, string>;
  } = {},
): Promise<TestImage> {
  const { compression = "gzip", architecture = process.arch === "x64" ? "amd64" : process.arch, labels = {} } = options;
  const tars = await Promise.all(layers.map(tar));
  const compress = {
    none: (bytes: Buffer) => bytes,
    gzip: (bytes: Buffer) => gzipSync(bytes),
    zstd: (bytes: Buffer) => zstdCompressSync(bytes),
  };
  const suffix = compression === "none" ? "" : `+${compression}`;
  const blobs = tars.map((bytes) =>
    blob(`application/vnd.oci.image.layer.v1.tar${suffix}`, compress[compression](bytes)),
  );
  const diffIds = tars.map((bytes) => blob("", bytes).digest);
  const config = blob(
    "application/vnd.oci.image.config.v1+json",
    Buffer.from(
      JSON.stringify({
        os: "linux",
        architecture,
        config: { Labels: labels },
        rootfs: { type: "layers", diff_ids: diffIds },
      }),
    ),
  );
  const manifest = blob(
    "application/vnd.oci.image.manifest.v1+json",
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: descriptor(config),
        layers: blobs.map(descriptor),
      }),
    ),
  );
  return { manifest, config, layers: blobs, diffIds };
}

/** An OCI layout as a tar archive. `name` becomes the image's annotation. */
export async function layoutArchive(one: TestImage, name?: string, extra: readonly TarEntry[] = []): Promise<Buffer> {
  const annotations = name === undefined ? {} : { annotations: { "org.opencontainers.image.ref.name": name } };
  const index = { schemaVersion: 2, manifests: [{ ...descriptor(one.manifest), ...annotations }] };
  return await tar([
    { name: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
    { name: "index.json", content: JSON.stringify(index) },
    ...[one.manifest, one.config, ...one.layers].map(({ digest, bytes }) => ({
      name: `blobs/sha256/${digest.slice(7)}`,
      content: bytes,
    })),
    ...extra,
  ]);
}

/** An archive as `docker save` wrote it until version 24; the last layer is a link when `linked` says so. */
export async function dockerArchive(one: TestImage, tag: string, linked = false): Promise<Buffer> {
  const paths = one.layers.map((layer, index) => `${index}${layer.digest.slice(7, 20)}/layer.tar`);
  const entries: TarEntry[] = one.layers.map((layer, index) => ({ name: paths[index] ?? "", content: layer.bytes }));
  const layers = [...paths];
  if (linked) {
    entries.push({ name: "linked/layer.tar", type: "symlink", linkname: `../${paths.at(-1)}` });
    layers[layers.length - 1] = "linked/layer.tar";
  }
  const config = `${one.config.digest.slice(7)}.json`;
  return await tar([
    ...entries,
    { name: config, content: one.config.bytes },
    { name: "manifest.json", content: JSON.stringify([{ Config: config, RepoTags: [tag], Layers: layers }]) },
  ]);
}

/** An archive as a stream, in pieces. */
export async function* streamed(
  bytes: Uint8Array,
  pieceBytes: number = 64 * 1024,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
