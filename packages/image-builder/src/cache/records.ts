/** What the cache knows of a layer and of an image, beside their bytes. */
import { z } from "zod";
import type { Input, Software } from "../steps/input.ts";
import type { EntryKind } from "./entry-store.ts";

export const blobName = "blob";
export const layoutName = "layout";

export interface LayerRecord {
  readonly key: string;
  /** The recipe that it was made for first. */
  readonly recipe: string;
  readonly name: string;
  readonly kind: string;
  readonly mediaType: string;
  /** Of the compressed blob. */
  readonly digest: string;
  /** Of the tar in it. */
  readonly diffId: string;
  /** Of the compressed blob. */
  readonly sizeBytes: number;
  readonly software: readonly Software[];
  readonly inputs: readonly Input[];
  readonly facts: Readonly<Record<string, string>>;
  /** Paths of its symlinks, and of the directories that it only puts something into: no layer may do that to a symlink of one below. */
  readonly links: readonly string[];
  readonly implied: readonly string[];
}

export interface ManifestRecord {
  readonly architecture: "amd64" | "arm64";
  readonly digest: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly layerKeys: readonly string[];
}

export interface ImageRecord {
  readonly key: string;
  readonly recipe: string;
  readonly references: readonly string[];
  /** Of the index where there are several manifests, else of the manifest. */
  readonly digest: string;
  /** Of all blobs. */
  readonly sizeBytes: number;
  readonly manifests: readonly ManifestRecord[];
  readonly software: readonly Software[];
  readonly inputs: readonly Input[];
  readonly blobs: readonly { readonly digest: string; readonly sizeBytes: number }[];
}

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const texts = z.record(z.string(), z.string());
const input = z.looseObject({ kind: z.string(), name: z.string(), digest: z.string() });
const software = z.looseObject({ name: z.string(), version: z.string(), purl: z.string() });

// What we wrote ourselves is checked for being ours and whole; the fields inside inputs and software are their owners'.
export const layerEntry: EntryKind<LayerRecord> = {
  category: "layers",
  olderMs: 0,
  recordName: "layer.json",
  schema: z.strictObject({
    key: z.string(),
    recipe: z.string(),
    name: z.string(),
    kind: z.string(),
    mediaType: z.string(),
    digest,
    diffId: digest,
    sizeBytes: z.number().int().positive(),
    software: z.array(software),
    inputs: z.array(input),
    facts: texts,
    links: z.array(z.string()),
    implied: z.array(z.string()),
  }) as unknown as z.ZodType<LayerRecord>,
  files: ({ sizeBytes, digest: content }) => [{ path: blobName, sizeBytes, digest: content }],
};

export const imageEntry: EntryKind<ImageRecord> = {
  category: "images",
  // An image goes before its layers: they hold the bytes, and it is soon put together again.
  olderMs: 10_000,
  recordName: "image.json",
  schema: z.strictObject({
    key: z.string(),
    recipe: z.string(),
    references: z.array(z.string()).min(1),
    digest,
    sizeBytes: z.number().int().positive(),
    manifests: z
      .array(
        z.strictObject({
          architecture: z.enum(["amd64", "arm64"]),
          digest,
          labels: texts,
          layerKeys: z.array(z.string()),
        }),
      )
      .min(1),
    software: z.array(software),
    inputs: z.array(input),
    blobs: z.array(z.strictObject({ digest, sizeBytes: z.number().int().positive() })),
  }) as unknown as z.ZodType<ImageRecord>,
  files: ({ blobs }) =>
    blobs.map((blob) => ({ ...blob, path: `${layoutName}/blobs/${blob.digest.replace(":", "/")}` })),
};
