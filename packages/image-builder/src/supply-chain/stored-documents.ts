/** The bill of materials and the provenance that are attached to an image in a layout, read back: what `lm image inspect` shows. */
import { z } from "zod";
import { inTotoMediaType, spdxMediaType } from "./described-image.ts";
import { corrupt, mostDocumentBytes, readBlob, readStoredManifests, type StoredManifest } from "./stored-image.ts";

export interface SupplyChainSummary {
  /** Of the platform's manifest. */
  readonly manifestDigest: string;
  readonly sbom?: SbomSummary;
  readonly provenance?: ProvenanceSummary;
}

export interface SbomSummary {
  /** `sha256:<hex>` of the document; its blob in the layout. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly packages: readonly SbomPackage[];
  /** Packages by the type of their URL, as in `{deb: 92, golang: 211}`. */
  readonly counts: Readonly<Record<string, number>>;
}

export interface SbomPackage {
  readonly name: string;
  readonly version: string;
  /** Absent where the document gives none. */
  readonly purl?: string;
  /** `NOASSERTION` where it is not known. */
  readonly license: string;
}

export interface ProvenanceSummary {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly builder: string;
  readonly recipe: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** Inputs by kind, as in `{"debian-package": 92, tool: 1}`. */
  readonly inputs: Readonly<Record<string, number>>;
}

/** One summary for each platform's manifest, also where nothing is attached to it. Errors: IMAGE_CORRUPT, IMAGE_NOT_FOUND. */
export async function readSupplyChain(layout: string): Promise<readonly SupplyChainSummary[]> {
  const { images, referrers } = await readStoredManifests(layout);
  const summaries: SupplyChainSummary[] = [];
  for (const { descriptor } of images) {
    const attached = referrers.filter(({ subject }) => subject?.digest === descriptor.digest);
    const sbom = await documentOf(layout, attached, spdxMediaType);
    const provenance = await documentOf(layout, attached, inTotoMediaType);
    summaries.push({
      manifestDigest: descriptor.digest,
      ...(sbom !== undefined && { sbom: { ...sbom.about, ...summarizeSbom(sbom.bytes) } }),
      ...(provenance !== undefined && {
        provenance: { ...provenance.about, ...summarizeProvenance(provenance.bytes) },
      }),
    });
  }
  return summaries;
}

interface StoredDocument {
  readonly about: { readonly digest: string; readonly sizeBytes: number };
  readonly bytes: Buffer;
}

async function documentOf(
  layout: string,
  attached: readonly StoredManifest[],
  kind: string,
): Promise<StoredDocument | undefined> {
  const layer = attached.find((one) => one.artifactType === kind)?.layers[0];
  if (layer === undefined) return undefined;
  const bytes = await readBlob(layout, layer, mostDocumentBytes);
  return { about: { digest: layer.digest, sizeBytes: layer.size }, bytes };
}

const spdxSchema = z.object({
  documentNamespace: z.string(),
  packages: z.array(
    z.object({
      SPDXID: z.string(),
      name: z.string(),
      versionInfo: z.string().default(""),
      licenseDeclared: z.string().default("NOASSERTION"),
      externalRefs: z.array(z.object({ referenceType: z.string(), referenceLocator: z.string() })).default([]),
    }),
  ),
});

function summarizeSbom(bytes: Buffer): Pick<SbomSummary, "packages" | "counts"> {
  const counts: Record<string, number> = {};
  const packages = parse(spdxSchema, bytes, "the bill of materials")
    .packages.filter(({ SPDXID }) => SPDXID !== "SPDXRef-Image")
    .map((one): SbomPackage => {
      const purl = one.externalRefs.find(({ referenceType }) => referenceType === "purl")?.referenceLocator;
      const type = /^pkg:([a-z0-9.+-]+)\//i.exec(purl ?? "")?.[1] ?? "other";
      counts[type] = (counts[type] ?? 0) + 1;
      const { name, versionInfo: version, licenseDeclared: license } = one;
      return { name, version, license, ...(purl !== undefined && { purl }) };
    });
  return { packages, counts };
}

/** The namespace of an SPDX document. Errors: IMAGE_CORRUPT. */
export const spdxNamespace = (bytes: Buffer): string =>
  parse(spdxSchema, bytes, "the bill of materials").documentNamespace;

const statementSchema = z.object({
  subject: z.array(z.object({ digest: z.record(z.string(), z.string()) })).min(1),
  predicate: z.object({
    buildDefinition: z.object({
      externalParameters: z.object({
        recipe: z.object({ name: z.string() }).optional(),
        parameters: z.record(z.string(), z.string()).default({}),
      }),
      resolvedDependencies: z
        .array(z.object({ annotations: z.record(z.string(), z.string()).default({}) }))
        .default([]),
    }),
    runDetails: z.object({ builder: z.object({ id: z.string() }) }),
  }),
});

function summarizeProvenance(bytes: Buffer): Omit<ProvenanceSummary, "digest" | "sizeBytes"> {
  const { buildDefinition, runDetails } = parse(statementSchema, bytes, "the provenance").predicate;
  const inputs: Record<string, number> = {};
  for (const { annotations } of buildDefinition.resolvedDependencies) {
    const kind = annotations["kind"] ?? "other";
    inputs[kind] = (inputs[kind] ?? 0) + 1;
  }
  const { recipe, parameters } = buildDefinition.externalParameters;
  return { builder: runDetails.builder.id, recipe: recipe?.name ?? "", parameters, inputs };
}

/** `sha256:<hex>` of everything that an in-toto statement is about. Errors: IMAGE_CORRUPT. */
export const provenanceSubjects = (bytes: Buffer): readonly string[] =>
  parse(statementSchema.pick({ subject: true }), bytes, "the provenance").subject.map(
    ({ digest }) => `sha256:${digest["sha256"] ?? ""}`,
  );

function parse<T>(schema: z.ZodType<T>, bytes: Buffer, what: string): T {
  try {
    return schema.parse(JSON.parse(String(bytes)));
  } catch (error) {
    throw corrupt(`${what} is not what it should be (${error instanceof Error ? error.message.slice(0, 200) : ""})`);
  }
}
