/**
 * An OCI image layout to read from: a folder, or a tar of one (which is not unpacked). Nothing of it is trusted: documents are bounded and checked
 * against size and digest, blobs against their size when they are opened and their digest at their end.
 *
 * Source: OCI image-spec 1.1, image-layout.md.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import {
  type ContentSource,
  type Descriptor,
  digestOf,
  documentMaxBytes,
  parseStoredDocument,
  type StoredDocument,
} from "@liquidmetal/registry";
import { chunkBytes, readContent } from "../tree/content.ts";
import type { Content } from "../tree/file-tree.ts";
import { treeOfTar } from "./layer-tree.ts";

export interface StoredManifest {
  readonly descriptor: Descriptor;
  readonly document: StoredDocument;
}

type Slice = Extract<Content, { readonly file: string }>;
type Find = (path: string) => Promise<Slice | undefined>;

const depthMax = 4;
const manifestsMax = 4096;
const archiveEntriesMax = 100_000;

export class StoredLayout implements ContentSource {
  /** As the caller named it. */
  readonly path: string;
  /** What index.json names that is attached to nothing: images, each digest once. */
  readonly images: readonly StoredManifest[];
  /** Names of the images, as they are in index.json. */
  readonly references: readonly string[];
  /** Manifests of index.json with a subject. */
  readonly referrers: readonly StoredManifest[];
  readonly #find: Find;

  private constructor(path: string, find: Find, listed: readonly StoredManifest[]) {
    this.path = path;
    this.#find = find;
    const once = [...new Map(listed.map((one) => [one.descriptor.digest, one])).values()];
    this.images = once.filter(({ document }) => document.subject === undefined);
    this.referrers = once.filter(({ document }) => document.subject !== undefined);
    this.references = [...new Set(listed.flatMap(({ descriptor }) => referenceOf(descriptor) ?? []))];
  }

  /** Errors: IMAGE_NOT_FOUND (no layout there), IMAGE_CORRUPT. */
  static async open(path: string, signal?: AbortSignal): Promise<StoredLayout> {
    const find = await finder(path, signal);
    const index = await find("index.json");
    if (index === undefined) throw notThere(path);
    const { manifests } = parseStoredDocument(readBounded(index, path), `${path}: index.json`);
    const listed: StoredManifest[] = [];
    for (const descriptor of manifests) {
      signal?.throwIfAborted();
      listed.push({
        descriptor,
        document: parseStoredDocument(await readBlob(find, path, descriptor), descriptor.digest),
      });
    }
    return new StoredLayout(path, find, listed);
  }

  /** The one image of it. REQUEST_INVALID where there are several. */
  get image(): StoredManifest {
    const [first, ...more] = this.images;
    if (first === undefined) throw new PlatformError("IMAGE_NOT_FOUND", `${this.path} is a layout without an image`);
    if (more.length === 0) return first;
    throw new PlatformError(
      "REQUEST_INVALID",
      `${this.path} holds ${more.length + 1} images: ${this.references.join(", ")}`,
      {
        remedy: "use a layout with one image",
      },
    );
  }

  read(descriptor: Descriptor): Promise<Uint8Array> {
    return readBlob(this.#find, this.path, descriptor);
  }

  async *open(descriptor: Descriptor, offset: number): AsyncGenerator<Uint8Array> {
    const { file, offsetBytes = 0, sizeBytes } = await this.blob(descriptor);
    if (sizeBytes === offset) return;
    const hash = createHash("sha256");
    const range = { start: offsetBytes + offset, end: offsetBytes + sizeBytes - 1, highWaterMark: chunkBytes };
    // The last chunk is held back until the digest is known: who gets less than all of it does not take it for whole.
    let held: Buffer | undefined;
    for await (const chunk of createReadStream(file, range) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      if (held !== undefined) yield held;
      held = chunk;
    }
    if (offset === 0 && `sha256:${hash.digest("hex")}` !== descriptor.digest)
      throw corrupt(this.path, descriptor, "holds something else");
    if (held !== undefined) yield held;
  }

  /** Where a blob lies. IMAGE_CORRUPT when it is not there, or of another size. */
  blob(descriptor: Descriptor): Promise<Slice> {
    return findBlob(this.#find, this.path, descriptor);
  }

  /** Everything that these lead to, themselves included: manifests, configurations, layers; each once. */
  async reachable(from: readonly StoredManifest[]): Promise<readonly Descriptor[]> {
    const found = new Map<string, Descriptor>();
    let level = from;
    for (let depth = 0; level.length > 0; depth += 1) {
      if (depth > depthMax) throw new PlatformError("IMAGE_CORRUPT", `${this.path}: indexes within indexes`);
      const next: StoredManifest[] = [];
      for (const { descriptor, document } of level) {
        if (found.has(descriptor.digest)) continue;
        for (const one of [descriptor, ...document.blobs]) found.set(one.digest, one);
        for (const one of document.manifests) {
          next.push({ descriptor: one, document: parseStoredDocument(await this.read(one), one.digest) });
        }
      }
      if (found.size > manifestsMax)
        throw new PlatformError("IMAGE_CORRUPT", `${this.path} has more than ${manifestsMax} blobs`);
      level = next;
    }
    return [...found.values()];
  }
}

export const blobPath = (digest: string): string => `blobs/${digest.replace(":", "/")}`;

/** The image's full name, as containerd and others annotate it. */
export const referenceOf = ({ annotations }: Descriptor): string | undefined =>
  annotations?.["io.containerd.image.name"] ?? annotations?.["org.opencontainers.image.ref.name"];

async function finder(path: string, signal: AbortSignal | undefined): Promise<Find> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isDirectory() === true) {
    return async (name) => {
      const file = join(path, name);
      const found = await lstat(file).catch(() => undefined);
      return found?.isFile() === true ? { file, sizeBytes: found.size } : undefined;
    };
  }
  if (stats?.isFile() !== true) throw notThere(path);
  const tree = await treeOfTar(path, { layer: false, entriesMax: archiveEntriesMax, signal });
  return async (name) => {
    const entry = tree.get(name);
    return entry?.kind === "file" && "file" in entry.content ? entry.content : undefined;
  };
}

async function findBlob(find: Find, layout: string, descriptor: Descriptor): Promise<Slice> {
  const slice = await find(blobPath(descriptor.digest));
  if (slice === undefined) throw corrupt(layout, descriptor, "is missing");
  if (slice.sizeBytes !== descriptor.sizeBytes) {
    throw corrupt(layout, descriptor, `has ${slice.sizeBytes} bytes and not ${descriptor.sizeBytes}`);
  }
  return slice;
}

async function readBlob(find: Find, layout: string, descriptor: Descriptor): Promise<Uint8Array> {
  const bytes = readBounded(await findBlob(find, layout, descriptor), layout);
  if (digestOf(bytes) !== descriptor.digest) throw corrupt(layout, descriptor, "holds something else");
  return bytes;
}

function readBounded(slice: Slice, layout: string): Buffer {
  if (slice.sizeBytes <= documentMaxBytes) return readContent(slice, documentMaxBytes);
  throw new PlatformError("IMAGE_CORRUPT", `${layout}: a document of ${slice.sizeBytes} bytes`);
}

const corrupt = (layout: string, { digest }: Descriptor, why: string): PlatformError =>
  new PlatformError("IMAGE_CORRUPT", `${layout}: the blob ${digest} ${why}`);

const notThere = (path: string): PlatformError =>
  new PlatformError("IMAGE_NOT_FOUND", `${path} is no OCI image layout, and no tar of one`, {
    remedy: "name a folder that has oci-layout and index.json, or a tar of such a folder",
  });
