/** What is attached to each platform's manifest of a built image: the bill of materials and the provenance, as OCI referrers. */
import { type Attachment, type DescribedImage, inTotoMediaType, rfc3339, spdxMediaType } from "./described-image.ts";
import { provenanceStatement, provenanceType } from "./provenance.ts";
import { spdxDocument } from "./spdx-document.ts";

/** Of `liquidmetal`, unless the program was built with a version of its own. */
const programVersion = (): string => process.env["LIQUIDMETAL_VERSION"] ?? "0.1.0-dev";

/** The documents of one platform's image; the same image and program give the same bytes. */
export function describeSupplyChain(image: DescribedImage): Attachment[] {
  const created = { "org.opencontainers.image.created": rfc3339(image.dateSeconds) };
  const sbom = spdxDocument(image, `liquidmetal-${programVersion()}`);
  // The compressors decide the bytes of a layer; Node brings them.
  const { zlib = "none", zstd = "none" } = process.versions;
  const provenance = provenanceStatement(image, { liquidmetal: programVersion(), zlib, zstd });
  return [
    {
      artifactType: spdxMediaType,
      annotations: { ...created, "org.opencontainers.image.title": "sbom.spdx.json" },
      blob: json(sbom),
    },
    {
      artifactType: inTotoMediaType,
      annotations: {
        "in-toto.io/predicate-type": provenanceType,
        ...created,
        "org.opencontainers.image.title": "provenance.intoto.json",
      },
      blob: json(provenance),
    },
  ];
}

const json = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value, undefined, 1)}\n`);
