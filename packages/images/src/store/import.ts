/**
 * From a read archive to images: an OCI layout as it stands, a `docker save` archive by writing the manifest that it lacks.
 *
 * An archive that has both forms (Docker 25 and later) is read as the OCI layout it is.
 */
import { PlatformError } from "@liquidmetal/foundation";
import {
  check,
  choosePlatform,
  type Descriptor,
  digestOf,
  documentMaxBytes,
  mediaTypes,
  type Platform,
  parseDocument,
  parseJson,
  parseReference,
} from "@liquidmetal/registry";
import { z } from "zod";
import type { ContainerdCallOptions } from "../containerd/connection.ts";
import type { Containerd } from "../containerd/containerd.ts";
import { type ArchivedBlob, isGzip, isZstd, type ReadArchive } from "./archive.ts";
import { collectorLabels, indexDepthMax } from "./opened-image.ts";

export interface ImportedImage {
  /** Completed reference. */
  readonly name: string;
  readonly target: Descriptor;
}

export interface ImportOptions extends ContainerdCallOptions {
  /** Name for the image; only for archives that hold one. */
  readonly reference?: string;
  readonly platform: Platform;
}

const dockerManifestSchema = z
  .array(
    z.object({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()).max(1_000) }),
  )
  .max(1_000);

/** The images of an archive whose blobs are in the content store already. */
export async function importImages(
  containerd: Containerd,
  archive: ReadArchive,
  options: ImportOptions,
): Promise<readonly ImportedImage[]> {
  const index = archive.documents.get("index.json");
  const docker = archive.documents.get("manifest.json");
  const found =
    index !== undefined
      ? await importLayout(containerd, index, options)
      : docker !== undefined
        ? await importDocker(containerd, archive, docker, options)
        : undefined;
  if (found === undefined) {
    throw new PlatformError(
      "IMAGE_CORRUPT",
      "the archive is no image: it has neither index.json (OCI layout) nor manifest.json (docker save)",
    );
  }
  if (found.length === 0) throw new PlatformError("IMAGE_CORRUPT", "the archive holds no image");
  return found;
}

async function importLayout(
  containerd: Containerd,
  bytes: Uint8Array,
  options: ImportOptions,
): Promise<readonly ImportedImage[]> {
  const index = parseDocument(bytes, "index.json");
  if (index.kind !== "index") throw new PlatformError("IMAGE_CORRUPT", "index.json is not an index");
  const images: ImportedImage[] = [];
  // What is attached to an image (bill of materials, provenance) stands beside it, and is none.
  const named = index.manifests.filter(({ artifactType }) => artifactType === undefined);
  if (named.length === 0) throw new PlatformError("IMAGE_CORRUPT", "the archive holds no image");
  // One image under several names is still one image where it gets a new name.
  const targets =
    options.reference === undefined ? named : [...new Map(named.map((target) => [target.digest, target])).values()];
  for (const target of targets) {
    await adopt(containerd, target, options, 0);
    images.push({ name: nameOf(target, targets.length, options.reference), target });
  }
  return images;
}

/** Labels an image's documents, top down, and sees that everything this platform needs is there, in the promised size. */
async function adopt(
  containerd: Containerd,
  descriptor: Descriptor,
  options: ImportOptions,
  depth: number,
): Promise<void> {
  if (depth > indexDepthMax) throw new PlatformError("IMAGE_CORRUPT", "indexes within indexes, too deep");
  const document = parseDocument(
    await containerd.content.read(descriptor.digest, documentMaxBytes, options),
    descriptor.digest,
  );
  if (document.kind === "index") {
    await adopt(containerd, choosePlatform(document, options.platform, "the image"), options, depth + 1);
  } else {
    for (const blob of [document.config, ...document.layers]) {
      const info = await containerd.content.info(blob.digest, options);
      if (info?.sizeBytes !== blob.sizeBytes) {
        const what = info === undefined ? "is not in it" : `has ${info.sizeBytes} bytes instead of ${blob.sizeBytes}`;
        throw new PlatformError("IMAGE_CORRUPT", `the archive is incomplete: ${blob.digest} ${what}`);
      }
    }
  }
  await containerd.content.label(descriptor.digest, collectorLabels(document), options);
}

/** Source: OCI image layout (`org.opencontainers.image.ref.name`), and containerd's own annotation with the full name. */
function nameOf(target: Descriptor, images: number, wanted: string | undefined): string {
  if (wanted !== undefined) {
    if (images > 1)
      throw new PlatformError(
        "IMAGE_REFERENCE_INVALID",
        `the archive holds ${images} images, which cannot all be named ${wanted}`,
        { remedy: "leave the reference out, or make an archive of one image" },
      );
    return parseReference(wanted).name;
  }
  const full = target.annotations?.["io.containerd.image.name"];
  const short = target.annotations?.["org.opencontainers.image.ref.name"];
  const found = full ?? (short !== undefined && /[/:]/.test(short) ? short : undefined);
  if (found === undefined) {
    const hint = short === undefined ? "" : ` (it says only '${short.slice(0, 128)}')`;
    throw new PlatformError(
      "IMAGE_REFERENCE_INVALID",
      `the archive does not name its image${hint}: give it a reference`,
    );
  }
  return parseReference(found).name;
}

async function importDocker(
  containerd: Containerd,
  archive: ReadArchive,
  bytes: Uint8Array,
  options: ImportOptions,
): Promise<readonly ImportedImage[]> {
  const entries = check(dockerManifestSchema, parseJson(bytes, "manifest.json"), "manifest.json");
  const tags = entries.flatMap((entry) => entry.RepoTags ?? []);
  if (options.reference !== undefined && entries.length > 1) {
    throw new PlatformError(
      "IMAGE_REFERENCE_INVALID",
      `the archive holds ${entries.length} images, which cannot all be named ${options.reference}`,
      { remedy: "leave the reference out, or make an archive of one image" },
    );
  }
  if (options.reference === undefined && tags.length === 0) {
    throw new PlatformError("IMAGE_REFERENCE_INVALID", "the archive does not name its image: give it a reference");
  }
  const images: ImportedImage[] = [];
  for (const entry of entries) {
    const target = await writeManifest(containerd, archive, entry, options);
    const names = options.reference === undefined ? (entry.RepoTags ?? []) : [options.reference];
    images.push(...names.map((name) => ({ name: parseReference(name).name, target })));
  }
  return images;
}

async function writeManifest(
  containerd: Containerd,
  archive: ReadArchive,
  entry: { readonly Config: string; readonly Layers: readonly string[] },
  options: ImportOptions,
): Promise<Descriptor> {
  const blob = (path: string): ArchivedBlob => {
    const found = archive.blobs.get(path);
    if (found === undefined)
      throw new PlatformError("IMAGE_CORRUPT", `the archive is incomplete: '${path.slice(0, 200)}' is not in it`);
    return found;
  };
  const descriptor = (mediaType: string, { digest, sizeBytes }: ArchivedBlob): Record<string, unknown> => ({
    mediaType,
    digest,
    size: sizeBytes,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: descriptor(mediaTypes.ociConfig, blob(entry.Config)),
    layers: entry.Layers.map((path) => {
      const layer = blob(path);
      const suffix = isGzip(layer.head) ? "+gzip" : isZstd(layer.head) ? "+zstd" : "";
      return descriptor(`${mediaTypes.ociLayer}${suffix}`, layer);
    }),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const target = { mediaType: mediaTypes.ociManifest, digest: digestOf(bytes), sizeBytes: bytes.length };
  const labels = collectorLabels(parseDocument(bytes, "manifest.json"));
  await containerd.content.write(
    {
      ref: `liquidmetal-${target.digest}`,
      ...target,
      labels,
      open: async function* (offset) {
        yield bytes.subarray(offset);
      },
    },
    options,
  );
  return target;
}
