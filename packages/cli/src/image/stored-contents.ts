/**
 * Reads what an OCI image layout directory says of its images: references, platforms, layers, and the documents that are attached to them.
 *
 * It trusts nothing about shape and size, and checks no digests: that is `lm image verify`.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import type { AttachedDocument, ImageContents, PlatformContents } from "./builder-port.ts";

type Fields = Readonly<Record<string, unknown>>;

const mostBytes = 64 * 1024 ** 2;
const mostManifests = 1_000;
const indexType = /(image\.index\.v1|manifest\.list\.v2)\+json$/;
const documentTypes = { sbom: "application/spdx+json", provenance: "application/vnd.in-toto+json" } as const;
const nameAnnotations = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/** Errors: IMAGE_NOT_FOUND where there is no layout, IMAGE_CORRUPT where it cannot be understood. */
export async function readStoredContents(layout: string): Promise<ImageContents> {
  const index = await readIndex(layout);
  const roots = listOf(index["manifests"]);
  // Parts of the layout that are about an image (referrers) stand beside it in the index.
  const images: Fields[] = [];
  const referrers: Fields[] = [];
  for (const root of roots) await collect(layout, root, images, referrers);
  const [first] = roots.filter((root) => !isReferrer(referrers, root));
  if (first === undefined || images.length === 0) throw corrupt(layout, "there is no image in it");
  const platforms: PlatformContents[] = [];
  for (const image of images) {
    const attached = referrers.filter((each) => textOf(fieldsOf(each["subject"]), "digest") === image["digest"]);
    platforms.push(await platformOf(layout, image, attached));
  }
  const document = indexType.test(textOf(first, "mediaType")) ? await readBlob(layout, first) : undefined;
  return {
    references: [...new Set(roots.flatMap(nameOf))],
    digest: textOf(first, "digest"),
    mediaType: textOf(first, "mediaType"),
    annotations: textsOf((document ?? fieldsOf(images[0]?.["manifest"]))["annotations"]),
    platforms,
  };
}

/** Manifests that `descriptor` leads to, each with its descriptor's fields and its own under `manifest`. */
async function collect(layout: string, descriptor: Fields, images: Fields[], referrers: Fields[]): Promise<void> {
  const digest = textOf(descriptor, "digest");
  if ([...images, ...referrers].some((known) => known["digest"] === digest)) return;
  if (images.length + referrers.length >= mostManifests) throw corrupt(layout, `more than ${mostManifests} manifests`);
  const document = await readBlob(layout, descriptor);
  if (indexType.test(textOf(descriptor, "mediaType"))) {
    for (const one of listOf(document["manifests"])) {
      if (indexType.test(textOf(one, "mediaType"))) throw corrupt(layout, "an index within an index");
      await collect(layout, one, images, referrers);
    }
    return;
  }
  const found = { ...descriptor, manifest: document };
  if (document["subject"] === undefined) images.push(found);
  else referrers.push({ ...found, subject: document["subject"] });
}

const isReferrer = (referrers: readonly Fields[], root: Fields): boolean =>
  referrers.some((referrer) => referrer["digest"] === root["digest"]);

async function platformOf(layout: string, image: Fields, attached: readonly Fields[]): Promise<PlatformContents> {
  const manifest = fieldsOf(image["manifest"]);
  const config = fieldsOf(manifest["config"]);
  const configuration = await readBlob(layout, config);
  const layers = listOf(manifest["layers"]);
  const sbom = await attachedDocument(layout, attached, documentTypes.sbom);
  const provenance = await attachedDocument(layout, attached, documentTypes.provenance);
  const createdAt = textOf(configuration, "created");
  return {
    platform: `${textOf(configuration, "os") || "linux"}/${textOf(configuration, "architecture")}`,
    digest: textOf(image, "digest"),
    sizeBytes: [image, config, ...layers].reduce((sum, part) => sum + numberOf(part, "size"), 0),
    createdAt: createdAt === "" ? undefined : createdAt,
    labels: textsOf(fieldsOf(configuration["config"])["Labels"]),
    annotations: textsOf(manifest["annotations"]),
    layers: layers.map((layer) => {
      const name = textsOf(layer["annotations"])["dev.liquidmetal.layer"];
      return {
        digest: textOf(layer, "digest"),
        mediaType: textOf(layer, "mediaType"),
        sizeBytes: numberOf(layer, "size"),
        ...(name === undefined ? {} : { name }),
      };
    }),
    ...(sbom === undefined ? {} : { sbom }),
    ...(provenance === undefined ? {} : { provenance }),
  };
}

async function attachedDocument(
  layout: string,
  attached: readonly Fields[],
  mediaType: string,
): Promise<AttachedDocument | undefined> {
  for (const { manifest } of attached) {
    const [blob] = listOf(fieldsOf(manifest)["layers"]);
    const kind = textOf(fieldsOf(manifest), "artifactType") || textOf(blob ?? {}, "mediaType");
    if (blob === undefined || kind !== mediaType) continue;
    return { digest: textOf(blob, "digest"), mediaType, document: await readBlob(layout, blob) };
  }
  return undefined;
}

function nameOf(descriptor: Fields): readonly string[] {
  const annotations = textsOf(descriptor["annotations"]);
  const name = nameAnnotations.map((key) => annotations[key]).find((value) => value !== undefined && value !== "");
  return name === undefined ? [] : [name];
}

async function readIndex(layout: string): Promise<Fields> {
  const path = join(layout, "index.json");
  const there = await stat(path).catch(() => undefined);
  if (there === undefined) {
    throw new PlatformError("IMAGE_NOT_FOUND", `'${layout}' is no OCI image layout: it has no index.json`, {
      remedy: "name a directory with an OCI layout, or an archive of one with oci-archive:FILE",
    });
  }
  return readJson(layout, path);
}

function readBlob(layout: string, descriptor: Fields): Promise<Fields> {
  const [, hex] = /^sha256:([0-9a-f]{64})$/.exec(textOf(descriptor, "digest")) ?? [];
  if (hex === undefined) throw corrupt(layout, "a descriptor without a sha256 digest");
  return readJson(layout, join(layout, "blobs/sha256", hex));
}

async function readJson(layout: string, path: string): Promise<Fields> {
  const size = (await stat(path).catch(() => undefined))?.size;
  if (size === undefined) throw corrupt(layout, `${path} is missing`);
  if (size > mostBytes) throw corrupt(layout, `${path} is larger than ${mostBytes} bytes`);
  try {
    return fieldsOf(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    throw corrupt(layout, `${path} is no JSON`, cause);
  }
}

const corrupt = (layout: string, why: string, cause?: unknown): PlatformError =>
  new PlatformError("IMAGE_CORRUPT", `the image in '${layout}' is damaged: ${why}`, { cause });

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fieldsOf) : []);

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  return typeof value === "string" ? value : "";
}

function numberOf(fields: Fields, name: string): number {
  const value = fields[name];
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(fieldsOf(value));
  return Object.fromEntries(entries.flatMap(([key, text]) => (typeof text === "string" ? [[key, text]] : [])));
}
