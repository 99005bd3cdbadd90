/** An image as the command line shows it; the object of `-o json` is described in docs/cli-output.md. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Image } from "../client/messages.ts";
import { type Presentation, renderFields } from "../output/print.ts";
import { age } from "../program/duration.ts";
import { readableBytes } from "../program/size.ts";

export function imagePresentation(nowMs: number): Presentation<Image> {
  const created = (image: Image): number | undefined =>
    image.createdAt === undefined ? undefined : timestampMs(image.createdAt);
  return {
    columns: [
      { header: "REFERENCE", value: (image) => image.reference, elastic: true },
      { header: "DIGEST", value: (image) => image.digest.replace(/^(sha256:.{12}).*$/, "$1") },
      { header: "SIZE", value: (image) => readableBytes(Number(image.sizeBytes)) },
      { header: "PLATFORMS", value: (image) => image.platforms.join(",") || "-", elastic: true },
      { header: "AGE", value: (image) => ((at) => (at === undefined ? "-" : age(nowMs - at)))(created(image)) },
      { header: "MEDIA TYPE", value: (image) => image.mediaType, wide: true },
    ],
    json: (image) => ({
      reference: image.reference,
      digest: image.digest,
      mediaType: image.mediaType,
      platforms: image.platforms,
      sizeBytes: Number(image.sizeBytes),
      createdAt: ((at) => (at === undefined ? null : new Date(at).toISOString()))(created(image)),
      labels: image.labels,
    }),
    name: (image) => image.reference,
  };
}

export function describeImage(image: Image): string {
  return renderFields([
    ["Reference", image.reference],
    ["Digest", image.digest],
    ["Media type", image.mediaType],
    ["Platforms", image.platforms.join(", ")],
    ["Size", readableBytes(Number(image.sizeBytes))],
    ["Created", image.createdAt === undefined ? "" : new Date(timestampMs(image.createdAt)).toISOString()],
    [
      "Labels",
      Object.entries(image.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join("\n"),
    ],
  ]);
}
