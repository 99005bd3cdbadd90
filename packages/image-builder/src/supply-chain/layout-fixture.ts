/** Writes small OCI layouts blob by blob, for tests that need to break them. */
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Attachment } from "./described-image.ts";

export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export interface FixtureDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: string };
}

export const blobPath = (layout: string, digest: string): string => join(layout, "blobs", digest.replace(":", "/"));

export async function putBlob(layout: string, mediaType: string, content: unknown): Promise<FixtureDescriptor> {
  const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
  const digest = digestOf(bytes);
  await mkdir(join(layout, "blobs/sha256"), { recursive: true });
  await writeFile(blobPath(layout, digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

/** An image of one zstd and one gzip layer; what the layers hold is `content`. */
export async function putImage(layout: string, content: string): Promise<FixtureDescriptor> {
  const tars = [Buffer.from(`${content} below`), Buffer.from(`${content} above`)];
  const [below = tars[0], above = tars[1]] = tars;
  const platform = { architecture: "amd64", os: "linux" };
  const config = await putBlob(layout, "application/vnd.oci.image.config.v1+json", {
    ...platform,
    rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
  });
  const layers = [
    await putBlob(layout, "application/vnd.oci.image.layer.v1.tar+zstd", zstdCompressSync(below ?? "")),
    await putBlob(layout, "application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(above ?? "")),
  ];
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = await putBlob(layout, mediaType, { schemaVersion: 2, mediaType, config, layers });
  const described = { ...manifest, platform };
  await putIndex(layout, [described]);
  return described;
}

export async function attach(layout: string, subject: FixtureDescriptor, attachment: Attachment): Promise<void> {
  const { artifactType, annotations, blob } = attachment;
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const config = await putBlob(layout, "application/vnd.oci.empty.v1+json", {});
  const layers = [await putBlob(layout, artifactType, blob)];
  const { platform: _platform, ...of } = subject;
  const manifest = { schemaVersion: 2, mediaType, artifactType, config, layers, subject: of, annotations };
  const { manifests } = JSON.parse(await readFile(join(layout, "index.json"), "utf8"));
  await putIndex(layout, [...manifests, { ...(await putBlob(layout, mediaType, manifest)), artifactType }]);
}

export async function putIndex(layout: string, manifests: readonly unknown[]): Promise<void> {
  await writeFile(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
}
