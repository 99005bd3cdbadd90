/** An image by its files (not as the host lists it), as the command line shows it; `-o json` is described in docs/cli-output.md. */
import type { Json } from "../output/format.ts";
import { type Presentation, renderFields } from "../output/print.ts";
import { renderTable } from "../output/table.ts";
import { readableBytes } from "../program/size.ts";
import type { AttachedDocument, ImageContents, PlatformContents } from "./builder-port.ts";

export const contentsPresentation: Presentation<ImageContents> = {
  columns: [],
  json: (image) => ({
    reference: image.references[0] ?? "",
    references: image.references,
    digest: image.digest,
    mediaType: image.mediaType,
    platforms: image.platforms.map(({ platform }) => platform),
    sizeBytes: image.platforms.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    createdAt: image.platforms[0]?.createdAt ?? null,
    labels: image.platforms[0]?.labels ?? {},
    annotations: image.annotations,
    manifests: image.platforms.map(manifestJson),
  }),
  name: (image) => image.references[0] ?? image.digest,
};

function manifestJson(image: PlatformContents): Json {
  const { platform, digest, sizeBytes, createdAt, labels, annotations, layers, sbom, provenance } = image;
  return {
    platform,
    digest,
    sizeBytes,
    createdAt: createdAt ?? null,
    labels,
    annotations,
    layers: layers.map((layer) => ({
      name: layer.name ?? "",
      digest: layer.digest,
      mediaType: layer.mediaType,
      sizeBytes: layer.sizeBytes,
    })),
    sbom: attachedJson(sbom),
    provenance: attachedJson(provenance),
  };
}

const attachedJson = (attached: AttachedDocument | undefined): Json =>
  attached === undefined ? null : { digest: attached.digest, mediaType: attached.mediaType };

export function describeContents(image: ImageContents): string {
  const head = renderFields([
    ["References", image.references.join("\n")],
    ["Digest", image.digest],
    ["Media type", image.mediaType],
    ["Annotations", pairs(image.annotations)],
  ]);
  return [head, ...image.platforms.map(describePlatform)].join("\n");
}

function describePlatform(image: PlatformContents): string {
  const fields = renderFields([
    ["Platform", image.platform],
    ["Manifest", image.digest],
    ["Created", image.createdAt],
    ["Size", readableBytes(image.sizeBytes)],
    ["Boot", bootText(image.labels)],
    ["Labels", pairs(image.labels)],
    ["SBOM", sbomText(image.sbom)],
    ["Provenance", provenanceText(image.provenance)],
  ]);
  const layers = renderTable(image.layers, [
    { header: "LAYER", value: (layer) => layer.name ?? "-" },
    { header: "SIZE", value: (layer) => readableBytes(layer.sizeBytes) },
    { header: "DIGEST", value: (layer) => layer.digest.replace(/^(sha256:.{12}).*$/, "$1") },
    { header: "MEDIA TYPE", value: (layer) => layer.mediaType },
  ]);
  return `${fields}${layers}`;
}

const pairs = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([key, value]) => `${key}=${value}`)
    .join("\n");

/** What its labels say of how it boots, in a sentence; empty for images that do not. */
function bootText(labels: Readonly<Record<string, string>>): string {
  const of = (name: string): string | undefined => labels[`dev.liquidmetal.${name}`];
  const parts: readonly (readonly [string, string | undefined])[] = [
    ["kernel", of("kernel.elf.path") ?? of("kernel.path")],
    ["initrd", of("initrd.path")],
    ["arguments", of("boot.args")],
    ["devices", of("devices")],
    ["vCPU", of("recommended.vcpu")],
    ["memory", mebibytes(of("recommended.memory-mib"))],
    ["at least", mebibytes(of("memory.minimum-mib"))],
    ["disk of at least", mebibytes(of("disk.minimum-mib"))],
  ];
  return parts.flatMap(([what, value]) => (value === undefined ? [] : [`${what} ${value}`])).join(", ");
}

const mebibytes = (value: string | undefined): string | undefined => (value === undefined ? undefined : `${value} MiB`);

function sbomText(attached: AttachedDocument | undefined): string {
  if (attached === undefined) return "";
  const packages = listIn(attached.document, "packages");
  return `${attached.mediaType}, ${packages} packages (--sbom shows it)`;
}

function provenanceText(attached: AttachedDocument | undefined): string {
  if (attached === undefined) return "";
  const predicate = fieldOf(attached.document, "predicate");
  const inputs = listIn(fieldOf(predicate, "buildDefinition"), "resolvedDependencies");
  return `${attached.mediaType}, ${inputs} inputs (--provenance shows it)`;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}

function listIn(value: unknown, name: string): number {
  const list = fieldOf(value, name);
  return Array.isArray(list) ? list.length : 0;
}
