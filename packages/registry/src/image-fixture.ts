/** For tests: a small image in memory, as a content source, and a content sink that checks what it gets. */
import { PlatformError } from "@liquidmetal/foundation";
import { type Descriptor, mediaTypes } from "./image-documents.ts";
import { sha256 } from "./scripted-registry-fixture.ts";
import type { ContentSink, ContentSource } from "./transfer.ts";

export class MemoryContent implements ContentSource, ContentSink {
  readonly blobs: Map<string, Buffer> = new Map();
  /** Offsets at which writing began, by digest. */
  readonly writes: [string, number][] = [];

  add(mediaType: string, content: unknown): Descriptor {
    const bytes = content instanceof Uint8Array ? Buffer.from(content) : Buffer.from(JSON.stringify(content));
    const digest = sha256(bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, sizeBytes: bytes.length };
  }

  read({ digest }: Descriptor): Promise<Uint8Array> {
    return Promise.resolve(this.blobs.get(digest) ?? Buffer.alloc(0));
  }

  async *open({ digest }: Descriptor, offset: number): AsyncGenerator<Uint8Array> {
    const bytes = this.blobs.get(digest) ?? Buffer.alloc(0);
    for (let at = offset; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
  }

  has({ digest }: Descriptor): Promise<number> {
    return Promise.resolve(this.blobs.get(digest)?.length ?? 0);
  }

  async write({ digest, sizeBytes }: Descriptor, offset: number, content: AsyncIterable<Uint8Array>): Promise<void> {
    this.writes.push([digest, offset]);
    let bytes = (this.blobs.get(digest) ?? Buffer.alloc(0)).subarray(0, offset);
    try {
      for await (const chunk of content) bytes = Buffer.concat([bytes, chunk]);
    } finally {
      this.blobs.set(digest, bytes);
    }
    if (bytes.length === sizeBytes && sha256(bytes) === digest) return;
    this.blobs.delete(digest);
    throw new PlatformError("IMAGE_CORRUPT", `${digest} is not what came`);
  }
}

export interface MemoryImage {
  readonly content: MemoryContent;
  /** An index over two platforms. */
  readonly index: Descriptor;
  readonly manifests: readonly Descriptor[];
  readonly layer: Descriptor;
  /** Attached to the first manifest. */
  readonly attached: Descriptor;
}

const raw = ({ mediaType, digest, sizeBytes, platform }: Descriptor): unknown => ({
  mediaType,
  digest,
  size: sizeBytes,
  platform,
});

export function memoryImage(layerBytes = 10_000): MemoryImage {
  const content = new MemoryContent();
  const layer = content.add(`${mediaTypes.ociLayer}+zstd`, Buffer.alloc(layerBytes, "layer"));
  const manifests = ["amd64", "arm64"].map((architecture): Descriptor => {
    const config = content.add(mediaTypes.ociConfig, {
      os: "linux",
      architecture,
      rootfs: { type: "layers", diff_ids: [layer.digest] },
    });
    const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: raw(config), layers: [raw(layer)] };
    return { ...content.add(mediaTypes.ociManifest, manifest), platform: { os: "linux", architecture } };
  });
  const index = content.add(mediaTypes.ociIndex, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: manifests.map(raw),
  });
  const empty = content.add("application/vnd.oci.empty.v1+json", {});
  const sbom = content.add("application/spdx+json", { spdxVersion: "SPDX-2.3" });
  const [subject] = manifests;
  if (subject === undefined) throw new TypeError("there are two");
  const attached = content.add(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType: "application/spdx+json",
    config: raw(empty),
    layers: [raw(sbom)],
    subject: raw(subject),
  });
  return { content, index, manifests, layer, attached };
}
