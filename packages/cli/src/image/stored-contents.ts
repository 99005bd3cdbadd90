/** What an OCI image layout (a folder, or a tar of one) says of its image: references, platforms, layers, and the documents that are attached to it. */
import { PlatformError } from "@liquidmetal/foundation";
import type { StoredLayout } from "@liquidmetal/image-builder";
import type { AttachedDocument, ImageContents, PlatformContents } from "./builder-port.ts";

type StoredManifest = StoredLayout["images"][number];
type Descriptor = StoredManifest["descriptor"];
type Fields = Readonly<Record<string, unknown>>;

/** Bills of materials of large images have some MiB. */
const documentMaxBytes = 64 * 1024 ** 2;
const documentTypes = { sbom: "application/spdx+json", provenance: "application/vnd.in-toto+json" } as const;

/** Errors: IMAGE_NOT_FOUND, IMAGE_CORRUPT; REQUEST_INVALID where there are several images. */
export async function contentsOf(stored: StoredLayout): Promise<ImageContents> {
  const { descriptor, document } = stored.image;
  const manifests = document.kind === "index" ? document.manifests : [descriptor];
  return {
    references: stored.references,
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
    annotations: document.annotations,
    platforms: await Promise.all(manifests.map((manifest) => platformOf(stored, manifest))),
  };
}

async function platformOf(stored: StoredLayout, descriptor: Descriptor): Promise<PlatformContents> {
  const manifest = fieldsOf(await jsonOf(stored, descriptor));
  const config = descriptorOf(fieldsOf(manifest["config"]));
  const listed: unknown = manifest["layers"];
  const layers = (Array.isArray(listed) ? listed : []).map((layer) => descriptorOf(fieldsOf(layer)));
  const configuration = fieldsOf(await jsonOf(stored, config));
  const attached = stored.referrers.filter((referrer) => referrer.document.subject?.digest === descriptor.digest);
  const sbom = await attachedDocument(stored, attached, documentTypes.sbom);
  const provenance = await attachedDocument(stored, attached, documentTypes.provenance);
  const createdAt = textOf(configuration, "created");
  return {
    platform: `${textOf(configuration, "os") || "linux"}/${textOf(configuration, "architecture")}`,
    digest: descriptor.digest,
    sizeBytes: [descriptor, config, ...layers].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    createdAt: createdAt === "" ? undefined : createdAt,
    labels: textsOf(fieldsOf(configuration["config"])["Labels"]),
    annotations: textsOf(manifest["annotations"]),
    layers: layers.map(({ digest, mediaType, sizeBytes, annotations }) => {
      const name = annotations?.["dev.liquidmetal.layer"];
      return { digest, mediaType, sizeBytes, ...(name === undefined ? {} : { name }) };
    }),
    ...(sbom === undefined ? {} : { sbom }),
    ...(provenance === undefined ? {} : { provenance }),
  };
}

/** A descriptor as it is written; the digest is checked when what it names is read. */
function descriptorOf(raw: Fields): Descriptor {
  const { size } = raw;
  return {
    mediaType: textOf(raw, "mediaType"),
    digest: textOf(raw, "digest"),
    sizeBytes: typeof size === "number" && Number.isSafeInteger(size) && size >= 0 ? size : 0,
    annotations: textsOf(raw["annotations"]),
  };
}

async function attachedDocument(
  stored: StoredLayout,
  attached: readonly StoredManifest[],
  mediaType: string,
): Promise<AttachedDocument | undefined> {
  const found = attached.find(({ document }) => document.artifactType === mediaType);
  // The first blob is the (empty) configuration.
  const blob = found?.document.blobs[1];
  if (blob === undefined) return undefined;
  return { digest: blob.digest, mediaType, document: await jsonOf(stored, blob) };
}

async function jsonOf(stored: StoredLayout, descriptor: Descriptor): Promise<unknown> {
  try {
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of stored.open(descriptor, 0)) {
      sizeBytes += chunk.length;
      if (sizeBytes > documentMaxBytes) throw new PlatformError("IMAGE_CORRUPT", `${descriptor.digest} is too large`);
      chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    if (cause instanceof PlatformError) throw cause;
    throw new PlatformError("IMAGE_CORRUPT", `${descriptor.digest} is no JSON`, { cause });
  }
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  return typeof value === "string" ? value : "";
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(fieldsOf(value));
  return Object.fromEntries(entries.flatMap(([key, text]) => (typeof text === "string" ? [[key, text]] : [])));
}
