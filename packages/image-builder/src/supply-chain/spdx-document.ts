/**
 * The bill of materials of an image: SPDX 2.3 as JSON (specification chapters 6, 7, 10 and 11).
 *
 * The image is the package that the document describes; it CONTAINS each piece of software, and it is GENERATED_FROM those inputs that left no
 * software of their own (kernel source, archives). The same image gives the same bytes: the creation time is the image's date, the namespace
 * holds the manifest's digest, and identifiers follow from package URLs.
 */
import { createHash } from "node:crypto";
import type { Input, Software } from "../steps/input.ts";
import { type DescribedImage, digestHex, distinct, rfc3339 } from "./described-image.ts";
import { licenseReferences, readLicense } from "./license-expression.ts";

export interface SpdxDocument {
  readonly spdxVersion: "SPDX-2.3";
  readonly dataLicense: "CC0-1.0";
  readonly SPDXID: "SPDXRef-DOCUMENT";
  readonly name: string;
  readonly documentNamespace: string;
  readonly creationInfo: { readonly created: string; readonly creators: readonly string[] };
  readonly packages: readonly SpdxPackage[];
  readonly hasExtractedLicensingInfos?: readonly ExtractedLicense[];
  readonly relationships: readonly SpdxRelationship[];
}

export interface SpdxPackage {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo?: string;
  readonly supplier: string;
  readonly downloadLocation: string;
  readonly filesAnalyzed: false;
  readonly primaryPackagePurpose?: "CONTAINER" | "SOURCE" | "ARCHIVE";
  readonly checksums?: readonly { readonly algorithm: "SHA256"; readonly checksumValue: string }[];
  readonly sourceInfo?: string;
  readonly licenseConcluded: string;
  readonly licenseDeclared: string;
  readonly licenseComments?: string;
  readonly copyrightText: string;
  readonly externalRefs?: readonly {
    readonly referenceCategory: "PACKAGE-MANAGER";
    readonly referenceType: "purl";
    readonly referenceLocator: string;
  }[];
}

interface ExtractedLicense {
  readonly licenseId: string;
  readonly name: string;
  readonly extractedText: string;
}

interface SpdxRelationship {
  readonly spdxElementId: string;
  readonly relationshipType: "DESCRIBES" | "CONTAINS" | "GENERATED_FROM";
  readonly relatedSpdxElement: string;
}

const imageId = "SPDXRef-Image";
const unknown = "NOASSERTION";

/** Where the document's names live: the manifest's digest makes it one of its kind, and no server stands behind it. */
export const documentNamespace = (manifestDigest: string): string => `urn:liquidmetal:spdx:${manifestDigest}`;

/** `creator`: name and version of the program, as in `liquidmetal-0.1.0`. */
export function spdxDocument(image: DescribedImage, creator: string): SpdxDocument {
  const contained = distinct(image.software, (one) => `${one.purl} ${one.digest ?? ""}`).map(softwarePackage);
  const there = new Set(image.software.map((one) => one.purl));
  const sources = distinct(
    image.inputs.filter((input) => isMaterial(input) && !(input.purl !== undefined && there.has(input.purl))),
    (one) => `${one.purl ?? `${one.kind}:${one.name}`} ${one.digest}`,
  ).map(inputPackage);
  const packages = [imagePackage(image), ...contained, ...sources];
  const licenses = licenseReferences(packages.map((one) => one.licenseDeclared));
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `${image.reference} (${image.architecture})`,
    documentNamespace: documentNamespace(image.manifestDigest),
    creationInfo: { created: rfc3339(image.dateSeconds), creators: [`Tool: ${creator}`] },
    packages,
    ...(licenses.length > 0 && { hasExtractedLicensingInfos: licenses.map(extractedLicense) }),
    relationships: [
      { spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: imageId },
      ...contained.map((one) => related("CONTAINS", one)),
      ...sources.map((one) => related("GENERATED_FROM", one)),
    ],
  };
}

const related = (relationshipType: SpdxRelationship["relationshipType"], one: SpdxPackage): SpdxRelationship => ({
  spdxElementId: imageId,
  relationshipType,
  relatedSpdxElement: one.SPDXID,
});

/** Files of the recipe and programs of this machine are told by the provenance: no software that someone else publishes. */
const isMaterial = (input: Input): boolean => input.kind !== "file" && input.kind !== "tool";

function imagePackage(image: DescribedImage): SpdxPackage {
  const name = image.reference.replace(/:[^:/]*$/, "");
  const repository = name.split("/");
  const purl = `pkg:oci/${encodeURIComponent(repository.at(-1) ?? name)}@${encodeURIComponent(image.manifestDigest)}?arch=${image.architecture}&repository_url=${encodeURIComponent(name)}`;
  return {
    SPDXID: imageId,
    name,
    versionInfo: image.version,
    supplier: unknown,
    downloadLocation: unknown,
    filesAnalyzed: false,
    primaryPackagePurpose: "CONTAINER",
    ...checksums(image.manifestDigest),
    sourceInfo: `built from the recipe ${image.recipe.name} (${image.recipe.digest})`,
    ...licensing(image.licenses),
    externalRefs: [purlReference(purl)],
  };
}

function softwarePackage(software: Software): SpdxPackage {
  return {
    SPDXID: identifier(software.name, `${software.purl} ${software.digest ?? ""}`),
    name: software.name,
    versionInfo: software.version,
    supplier: supplierOf(software.purl),
    downloadLocation: unknown,
    filesAnalyzed: false,
    ...checksums(software.digest),
    ...sourceInfo(software),
    ...licensing(software.license, debianCopyrightPath(software)),
    externalRefs: [purlReference(software.purl)],
  };
}

function inputPackage(input: Input): SpdxPackage {
  return {
    SPDXID: identifier(input.name, `${input.purl ?? `${input.kind}:${input.name}`} ${input.digest}`),
    name: withoutCredentials(input.name),
    ...(input.version !== undefined && { versionInfo: input.version }),
    supplier: supplierOf(input.purl),
    downloadLocation: /^https?:\/\//.test(input.name) ? withoutCredentials(input.name) : unknown,
    filesAnalyzed: false,
    ...(input.kind === "archive" && { primaryPackagePurpose: "ARCHIVE" as const }),
    ...(input.kind === "image" && { primaryPackagePurpose: "CONTAINER" as const }),
    ...checksums(input.digest),
    ...(input.digest.startsWith("h1:") && { sourceInfo: `Go checksum ${input.digest}` }),
    ...licensing(undefined),
    ...(input.purl !== undefined && { externalRefs: [purlReference(input.purl)] }),
  };
}

/** An `h1:` is the digest of a list of digests and of no file: it stands in `sourceInfo`, where nobody compares it with an archive. */
function checksums(digest: string | undefined): Pick<SpdxPackage, "checksums"> {
  const read = digest === undefined ? undefined : digestHex(digest);
  return read?.algorithm === "sha256" ? { checksums: [{ algorithm: "SHA256", checksumValue: read.hex }] } : {};
}

function sourceInfo({ source, digest }: Software): Pick<SpdxPackage, "sourceInfo"> {
  const said = [
    ...(source === undefined ? [] : [`built from the source package ${source}`]),
    ...(digest?.startsWith("h1:") === true ? [`Go checksum ${digest}`] : []),
  ];
  return said.length === 0 ? {} : { sourceInfo: said.join("; ") };
}

function licensing(
  license: string | undefined,
  copyrightFile?: string,
): Pick<SpdxPackage, "licenseConcluded" | "licenseDeclared" | "licenseComments" | "copyrightText"> {
  const read = license === undefined ? undefined : readLicense(license);
  const comments = [
    ...(license !== undefined && read === undefined ? [`declared as ${JSON.stringify(license)}`] : []),
    ...(copyrightFile === undefined ? [] : [`see ${copyrightFile}`]),
  ];
  return {
    licenseConcluded: unknown,
    licenseDeclared: read ?? unknown,
    ...(comments.length > 0 && { licenseComments: comments.join("; ") }),
    copyrightText: unknown,
  };
}

const debianCopyrightPath = ({ purl, name }: Software): string | undefined =>
  purl.startsWith("pkg:deb/") ? `usr/share/doc/${name}/copyright of the package` : undefined;

function extractedLicense(licenseId: string): ExtractedLicense {
  const name = licenseId.replace(/^LicenseRef-(debian-)?/, "");
  return {
    licenseId,
    name,
    extractedText: `The text that the packages' own copyright files give for ${JSON.stringify(name)}: usr/share/doc/*/copyright.`,
  };
}

function supplierOf(purl: string | undefined): string {
  const distribution = /^pkg:deb\/([a-z]+)\//.exec(purl ?? "")?.[1];
  if (distribution === "debian") return "Organization: Debian";
  return distribution === "ubuntu" ? "Organization: Ubuntu" : unknown;
}

const purlReference = (
  purl: string,
): { referenceCategory: "PACKAGE-MANAGER"; referenceType: "purl"; referenceLocator: string } => ({
  referenceCategory: "PACKAGE-MANAGER",
  referenceType: "purl",
  referenceLocator: purl,
});

/** Letters, digits, dots and hyphens only: the readable name, and what makes it one of its kind. */
function identifier(name: string, whole: string): string {
  const readable = withoutCredentials(name)
    .replace(/[^A-Za-z0-9.]+/g, "-")
    .slice(-60);
  return `SPDXRef-Package-${readable}-${createHash("sha256").update(whole).digest("hex").slice(0, 12)}`;
}

/** A name and password in a URL are nobody's business. */
export const withoutCredentials = (url: string): string => url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, "$1");
