/**
 * Reads an OCI image layout as it lies on disk, trusting none of it: every descriptor is checked for its shape, small blobs for size and digest
 * before they are parsed, large ones while they are read.
 *
 * Source: OCI image-spec 1.1, image-layout.md, descriptor.md; referrers are manifests of index.json that have a `subject`.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";

/** Manifests, indexes and configurations: 4 MiB, as registries have it. */
const mostJsonBytes = 4 * 2 ** 20;
/** Bills of materials and provenance. */
export const mostDocumentBytes: number = 64 * 2 ** 20;
/** Descriptors of an index, layers of a manifest. */
const mostEntries = 4096;
const deepestIndex = 4;

const digestPattern = /^sha256:[0-9a-f]{64}$/;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
  readonly artifactType?: string | undefined;
  readonly platform?: { readonly architecture: string; readonly os: string } | undefined;
}

const descriptor: z.ZodType<Descriptor> = z.object({
  mediaType: z.string().max(255),
  digest: z.string().regex(digestPattern, "is no sha256 digest"),
  size: z.number().int().min(0),
  artifactType: z.string().max(255).optional(),
  platform: z.object({ architecture: z.string().max(64), os: z.string().max(64) }).optional(),
});

const indexSchema: z.ZodType<{ readonly manifests: readonly Descriptor[] }> = z.object({
  schemaVersion: z.literal(2),
  manifests: z.array(descriptor).max(mostEntries),
});

interface Manifest {
  readonly artifactType?: string | undefined;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  /** What it is attached to; images have none. */
  readonly subject?: Descriptor | undefined;
}

const manifestSchema: z.ZodType<Manifest> = z.object({
  schemaVersion: z.literal(2),
  artifactType: z.string().max(255).optional(),
  config: descriptor,
  layers: z.array(descriptor).max(mostEntries),
  subject: descriptor.optional(),
});

export interface StoredManifest extends Manifest {
  readonly descriptor: Descriptor;
}

export interface ImageConfiguration {
  readonly architecture: string;
  readonly os: string;
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

const configurationSchema: z.ZodType<ImageConfiguration> = z.object({
  architecture: z.string().max(64),
  os: z.string().max(64),
  rootfs: z.object({ diff_ids: z.array(z.string().regex(digestPattern)).max(mostEntries) }),
});

/** Everything that index.json leads to, each manifest once. */
export interface StoredManifests {
  readonly images: readonly StoredManifest[];
  readonly referrers: readonly StoredManifest[];
}

const indexTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

export async function readStoredManifests(layout: string): Promise<StoredManifests> {
  const index = await readIndexFile(layout);
  const found = new Map<string, StoredManifest>();
  await collect(layout, index.manifests, found, 0);
  const all = [...found.values()];
  const referrers = all.filter((one) => one.subject !== undefined);
  return { images: all.filter((one) => one.subject === undefined), referrers };
}

async function readIndexFile(layout: string): Promise<{ readonly manifests: readonly Descriptor[] }> {
  const path = join(layout, "index.json");
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new PlatformError("IMAGE_NOT_FOUND", `${layout} is no OCI image layout: it has no index.json`, {
      cause: error,
    });
  });
  if (bytes.length > mostJsonBytes) throw corrupt(`${path} is larger than ${mostJsonBytes} bytes`);
  return parse(indexSchema, bytes, path);
}

async function collect(
  layout: string,
  descriptors: readonly Descriptor[],
  found: Map<string, StoredManifest>,
  depth: number,
): Promise<void> {
  if (depth > deepestIndex) throw corrupt(`its indexes are nested more than ${deepestIndex} deep`);
  for (const one of descriptors) {
    if (found.has(one.digest)) continue;
    if (found.size > mostEntries) throw corrupt(`it has more than ${mostEntries} manifests`);
    const bytes = await readBlob(layout, one, mostJsonBytes);
    if (indexTypes.includes(one.mediaType)) {
      await collect(layout, parse(indexSchema, bytes, one.digest).manifests, found, depth + 1);
    } else found.set(one.digest, { ...parse(manifestSchema, bytes, one.digest), descriptor: one });
  }
}

/** The whole blob, its size and digest checked. Errors: IMAGE_CORRUPT. */
export async function readBlob(layout: string, of: Descriptor, mostBytes: number): Promise<Buffer> {
  if (of.size > mostBytes) throw corrupt(`the blob ${of.digest} has ${of.size} bytes, more than ${mostBytes}`);
  const bytes = await readFile(await blobFile(layout, of));
  if (`sha256:${createHash("sha256").update(bytes).digest("hex")}` !== of.digest) throw wrongDigest(of);
  return bytes;
}

/** The blob as it is read; the stream fails at its end where the digest is another. Errors: IMAGE_CORRUPT. */
export async function* streamBlob(layout: string, of: Descriptor, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  const file = await blobFile(layout, of);
  const options = { highWaterMark: 2 ** 20, ...(signal !== undefined && { signal }) };
  for await (const chunk of createReadStream(file, options) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    yield chunk;
  }
  if (`sha256:${hash.digest("hex")}` !== of.digest) throw wrongDigest(of);
}

export async function readConfiguration(layout: string, manifest: StoredManifest): Promise<ImageConfiguration> {
  return parse(configurationSchema, await readBlob(layout, manifest.config, mostJsonBytes), manifest.config.digest);
}

export const corrupt = (why: string): PlatformError =>
  new PlatformError("IMAGE_CORRUPT", `the image is damaged: ${why}`);

async function blobFile(layout: string, { digest, size }: Descriptor): Promise<string> {
  const path = join(layout, "blobs", digest.replace(":", "/"));
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) throw corrupt(`the blob ${digest} is missing`);
  if (!stats.isFile()) throw corrupt(`the blob ${digest} is no regular file`);
  if (stats.size !== size) throw corrupt(`the blob ${digest} has ${stats.size} bytes and not ${size}`);
  return path;
}

const wrongDigest = ({ digest }: Descriptor): PlatformError =>
  corrupt(`the blob ${digest} holds something else: its digest is wrong`);

function parse<T>(schema: z.ZodType<T>, bytes: Buffer, where: string): T {
  let value: unknown;
  try {
    value = JSON.parse(String(bytes));
  } catch (error) {
    throw corrupt(`${where} is no JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw corrupt(`${where}: ${issue?.path.join(".") ?? ""} ${issue?.message ?? "has the wrong shape"}`);
}
