/**
 * Where an image comes from: an in-toto statement v1 with SLSA provenance v1 as its predicate, unsigned.
 *
 * Same image, same bytes: everything that the build was given is there with its digest; when and where it ran is not (the predicate's
 * `metadata.invocationId`, `startedOn` and `finishedOn` are optional, and would make two equal builds differ).
 */
import type { Input } from "../steps/input.ts";
import { type DescribedImage, digestHex, distinct } from "./described-image.ts";
import { withoutCredentials } from "./spdx-document.ts";

export const statementType = "https://in-toto.io/Statement/v1";
export const provenanceType = "https://slsa.dev/provenance/v1";
/** The recipe's language, by its major version: `externalParameters` are read by it. */
export const buildType = "urn:liquidmetal:image-recipe:v1";
export const builderId = "urn:liquidmetal:image-builder";

/** in-toto's ResourceDescriptor: something by name and digest. */
export interface ResourceDescriptor {
  readonly name: string;
  readonly uri?: string;
  readonly digest?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ProvenanceStatement {
  readonly _type: typeof statementType;
  readonly subject: readonly ResourceDescriptor[];
  readonly predicateType: typeof provenanceType;
  readonly predicate: {
    readonly buildDefinition: {
      readonly buildType: typeof buildType;
      /** What the user said. */
      readonly externalParameters: {
        readonly recipe: ResourceDescriptor;
        readonly parameters: Readonly<Record<string, string>>;
        readonly architecture: string;
        readonly sourceDateEpoch: number;
      };
      /** What came of it. */
      readonly internalParameters: { readonly layers: readonly ResourceDescriptor[] };
      readonly resolvedDependencies: readonly ResourceDescriptor[];
    };
    readonly runDetails: {
      readonly builder: { readonly id: typeof builderId; readonly version: Readonly<Record<string, string>> };
    };
  };
}

/** `builderVersion`: versions by program, as in `{liquidmetal: "0.1.0"}`. */
export function provenanceStatement(
  image: DescribedImage,
  builderVersion: Readonly<Record<string, string>>,
): ProvenanceStatement {
  return {
    _type: statementType,
    subject: [{ name: image.reference, digest: digestSet(image.manifestDigest) }],
    predicateType: provenanceType,
    predicate: {
      buildDefinition: {
        buildType,
        externalParameters: {
          recipe: { name: image.recipe.name, digest: digestSet(image.recipe.digest) },
          parameters: Object.fromEntries(Object.entries(image.parameters).sort(([a], [b]) => (a < b ? -1 : 1))),
          architecture: image.architecture,
          sourceDateEpoch: image.dateSeconds,
        },
        internalParameters: {
          layers: image.layers.map(({ name, digest }) => ({ name, digest: digestSet(digest) })),
        },
        resolvedDependencies: distinct(
          image.inputs,
          (one) => `${one.kind} ${one.name} ${one.version ?? ""} ${one.digest}`,
        ).map(dependency),
      },
      runDetails: { builder: { id: builderId, version: builderVersion } },
    },
  };
}

function dependency(input: Input): ResourceDescriptor {
  const name = withoutCredentials(input.name);
  const uri = input.purl ?? (/^https?:\/\//.test(name) ? name : undefined);
  return {
    name,
    ...(uri !== undefined && { uri }),
    digest: digestSet(input.digest),
    annotations: { kind: input.kind, ...(input.version !== undefined && { version: input.version }) },
  };
}

/**
 * By the names of in-toto's digest set: `dirHash` is Go's `h1:`, in hexadecimal. A digest of another kind stands under its own name; one without a name is a
 * key of this builder: of an image that was made by it in the same build, whose own inputs are listed beside it.
 */
function digestSet(digest: string): Record<string, string> {
  const read = digestHex(digest);
  if (read !== undefined) return { [read.algorithm === "h1" ? "dirHash" : "sha256"]: read.hex };
  const colon = digest.indexOf(":");
  return colon > 0 ? { [digest.slice(0, colon)]: digest.slice(colon + 1) } : { liquidmetalKey: digest };
}
