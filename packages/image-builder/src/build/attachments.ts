/** Bill of materials and provenance as OCI referrers: artifacts whose `subject` is the platform's manifest, listed in the layout's index. */
import { createHash } from "node:crypto";
import type { LayerRecord } from "../cache/records.ts";
import type { Recipe } from "../recipe-language/recipe.ts";
import type { Input } from "../steps/input.ts";
import { describeSupplyChain } from "../supply-chain/attachments.ts";
import type { ImageText } from "./image-description.ts";
import { referencesOf } from "./image-description.ts";
import { type Descriptor, type ImageLayout, mediaTypes } from "./image-layout.ts";
import type { PlannedImage } from "./planned-image.ts";

/** Changes whenever the same image gets other documents. */
export const documentsRevision = (): string => `2 ${process.env["LIQUIDMETAL_VERSION"] ?? ""}`;

/** Descriptors of the attached artifacts, for the index. */
export async function attachDocuments(
  layout: ImageLayout,
  image: PlannedImage,
  layers: readonly LayerRecord[],
  platform: { readonly manifest: Descriptor; readonly text: ImageText },
): Promise<readonly Descriptor[]> {
  const { recipe, document, architecture, dateSeconds, parameters, inputs } = image;
  const { manifest, text } = platform;
  const documents = describeSupplyChain({
    reference: referencesOf(document.name, text.version)[0] ?? "",
    version: text.version,
    architecture,
    dateSeconds,
    manifestDigest: manifest.digest,
    recipe: { name: document.name, digest: digestOf(recipe) },
    parameters,
    ...(document.licenses !== undefined && { licenses: document.licenses }),
    layers: layers.map(({ digest, name }) => ({ digest, name })),
    software: layers.flatMap(({ software }) => software),
    inputs: [...recipesBelow(image), ...inputs],
  });
  const attached: Descriptor[] = [];
  for (const { artifactType, annotations, blob } of documents) {
    const artifact = await layout.put(mediaTypes.manifest, {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType,
      config: await layout.put("application/vnd.oci.empty.v1+json", {}),
      layers: [await layout.put(artifactType, blob)],
      subject: manifest,
      annotations,
    });
    attached.push({ ...artifact, artifactType, annotations });
  }
  return attached;
}

const digestOf = ({ source }: Recipe): string => `sha256:${createHash("sha256").update(source.text).digest("hex")}`;

/** What the recipes of the images below say is as much a part of the image as what this one says. */
function recipesBelow({ below }: PlannedImage): readonly Input[] {
  if (below === undefined || !("recipe" in below)) return [];
  const name = `recipe ${below.document.name}`;
  return [...recipesBelow(below), { kind: "file", name, digest: digestOf(below.recipe) }];
}
