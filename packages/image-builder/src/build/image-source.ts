/**
 * Where the documents and blobs of a foreign image come from: a layout in a folder or a tar, or a registry. All of it is checked against its digest.
 *
 * Of a layout that holds several images the one that index.json says first is meant.
 */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { PlatformError } from "@liquidmetal/foundation";
import {
  type Descriptor,
  digestOf,
  documentMaxBytes,
  parseReference,
  RegistryClient,
  readBlob,
  readManifest,
} from "@liquidmetal/registry";
import { StoredLayout } from "../oci/stored-layout.ts";
import { defaultRegistryOptions } from "../outputs/write-output.ts";

export interface ImageSource {
  /** As the recipe names it. */
  readonly name: string;
  /** The top index or manifest. */
  top(signal: AbortSignal): Promise<Uint8Array>;
  /** A document that a descriptor names, whole and checked. */
  document(wanted: Descriptor, signal: AbortSignal): Promise<Uint8Array>;
  /** Writes a blob, checked, into the new file. */
  blob(wanted: Descriptor, file: string, signal: AbortSignal): Promise<void>;
}

/** What `from` means, where it names no recipe; `path` makes paths absolute. Undefined = it is a recipe. */
export function imageSource(from: string, path: (written: string) => string): ImageSource | undefined {
  const [, kind, where] = /^(oci|oci-archive):(.+)$/.exec(from) ?? [];
  if (kind !== undefined && where !== undefined) return layoutSource(from, path(where));
  return /@sha256:[0-9a-f]{64}$/.test(from) ? registrySource(from) : undefined;
}

function layoutSource(name: string, path: string): ImageSource {
  let opened: Promise<StoredLayout> | undefined;
  const layout = (signal: AbortSignal): Promise<StoredLayout> => {
    opened ??= StoredLayout.open(path, signal);
    return opened;
  };
  return {
    name,
    async top(signal) {
      const stored = await layout(signal);
      const [first] = stored.images;
      if (first !== undefined) return await stored.read(first.descriptor);
      throw new PlatformError("IMAGE_NOT_FOUND", `${name} is a layout without an image`);
    },
    document: async (wanted, signal) => (await layout(signal)).read(wanted),
    blob: async (wanted, file, signal) =>
      await writeChecked(name, wanted, (await layout(signal)).open(wanted, 0), file, signal),
  };
}

function registrySource(name: string): ImageSource {
  const reference = parseReference(name);
  const client = new RegistryClient(defaultRegistryOptions());
  return {
    name,
    top: async (signal) => (await readManifest(client, reference, undefined, { signal })).bytes,
    async document(wanted, signal) {
      const isManifest = /manifest|index/.test(wanted.mediaType);
      if (isManifest) return (await readManifest(client, reference, wanted.digest, { signal })).bytes;
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of readBlob(client, reference, wanted.digest, { signal })) {
        size += chunk.length;
        if (size > documentMaxBytes) throw corrupt(name, `${wanted.digest} is larger than ${documentMaxBytes} bytes`);
        chunks.push(chunk);
      }
      const bytes = Buffer.concat(chunks);
      if (digestOf(bytes) === wanted.digest) return bytes;
      throw corrupt(name, `a document is ${digestOf(bytes)}, and should be ${wanted.digest}`);
    },
    blob: async (wanted, file, signal) =>
      await writeChecked(name, wanted, readBlob(client, reference, wanted.digest, { signal }), file, signal),
  };
}

async function writeChecked(
  name: string,
  wanted: Descriptor,
  source: AsyncIterable<Uint8Array>,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  const hash = createHash("sha256");
  let size = 0;
  async function* hashed(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > wanted.sizeBytes) throw corrupt(name, `${wanted.digest} is longer than ${wanted.sizeBytes} bytes`);
      hash.update(chunk);
      yield chunk;
    }
  }
  await pipeline(source, hashed, createWriteStream(file, { flags: "wx", mode: 0o444 }), { signal });
  const digest = `sha256:${hash.digest("hex")}`;
  if (digest === wanted.digest && size === wanted.sizeBytes) return;
  throw corrupt(name, `a blob is ${digest} of ${size} bytes, and should be ${wanted.digest} of ${wanted.sizeBytes}`);
}

const corrupt = (name: string, why: string): PlatformError => new PlatformError("IMAGE_CORRUPT", `${name}: ${why}`);
