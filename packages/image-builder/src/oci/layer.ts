/** One layer blob: a tree as a compressed tar, with the two digests that OCI wants of it. */
import { createHash, type Hash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { constants, createGzip, createZstdCompress, type Gzip, type ZstdCompress } from "node:zlib";
import type { FileTree } from "../tree/file-tree.ts";
import { type TarOptions, tarOf } from "./tar-archive.ts";

/** zstd is faster to make and to unpack (containerd reads it since 1.5); gzip is for consumers that know nothing else. */
export type LayerCompression = "zstd" | "gzip";

export interface Layer {
  readonly mediaType: string;
  /** `sha256:…` of the compressed blob. */
  readonly digest: string;
  /** `sha256:…` of the tar inside. */
  readonly diffId: string;
  readonly sizeBytes: number;
  /** Where the blob lies. */
  readonly file: string;
}

export interface LayerOptions extends TarOptions {
  /** Default `zstd`. */
  readonly compression?: LayerCompression;
}

/** Packs `tree` into the new file `file`. */
export async function writeLayer(tree: FileTree, file: string, options: LayerOptions): Promise<Layer> {
  const compression = options.compression ?? "zstd";
  const diff = createHash("sha256");
  const blob = createHash("sha256");
  let sizeBytes = 0;
  await pipeline(
    tarOf(tree, options),
    hashing(diff, () => {}),
    compressor(compression),
    hashing(blob, (length) => {
      sizeBytes += length;
    }),
    createWriteStream(file, { flags: "wx" }),
    options.signal === undefined ? {} : { signal: options.signal },
  );
  return {
    mediaType: `application/vnd.oci.image.layer.v1.tar+${compression}`,
    digest: `sha256:${blob.digest("hex")}`,
    diffId: `sha256:${diff.digest("hex")}`,
    sizeBytes,
    file,
  };
}

// One thread and fixed levels: the same bytes on every machine. The gzip header that zlib writes carries no name and no time.
const compressor = (kind: LayerCompression): Gzip | ZstdCompress =>
  kind === "zstd"
    ? createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } })
    : createGzip({ level: 6 });

function hashing(
  hash: Hash,
  count: (length: number) => void,
): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* pass(source) {
    for await (const chunk of source) {
      hash.update(chunk);
      count(chunk.length);
      yield chunk;
    }
  };
}
