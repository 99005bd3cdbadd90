/**
 * Where the documents and blobs of a foreign image come from: a layout folder, a layout in a tar, a registry. All of it is checked against its digest.
 *
 * Source: OCI image-spec 1.1, image-layout.md. Of a layout that holds several images the one that index.json says first is meant.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { PlatformError } from "@liquidmetal/foundation";
import { type Descriptor, digestOf, documentMaxBytes, parseReference, RegistryClient } from "@liquidmetal/registry";
import { treeOfTar } from "../oci/layer-tree.ts";

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

/** What `from` means, where it names no recipe; paths are relative to `folder`. Undefined = it is a recipe. */
export function imageSource(from: string, path: (written: string) => string): ImageSource | undefined {
  if (from.startsWith("oci:")) return layoutSource(from, path(from.slice("oci:".length)));
  if (from.startsWith("oci-archive:")) return archiveSource(from, path(from.slice("oci-archive:".length)));
  return /@sha256:[0-9a-f]{64}$/.test(from) ? registrySource(from) : undefined;
}

/** A part of a file of this machine. */
interface Slice {
  readonly file: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

function layoutSource(name: string, directory: string): ImageSource {
  return slicedSource(name, async (path) => {
    const file = join(directory, path);
    const stats = await stat(file).catch(() => undefined);
    return stats?.isFile() ? { file, offsetBytes: 0, sizeBytes: stats.size } : undefined;
  });
}

function archiveSource(name: string, archive: string): ImageSource {
  let tree: ReturnType<typeof treeOfTar> | undefined;
  return slicedSource(name, async (path, signal) => {
    if (!(await stat(archive).catch(() => undefined))?.isFile()) return undefined;
    tree ??= treeOfTar(archive, { layer: false, entriesMax: 100_000, signal });
    const entry = (await tree).get(path);
    if (entry?.kind !== "file" || !("file" in entry.content)) return undefined;
    const { file, sizeBytes, offsetBytes = 0 } = entry.content;
    return { file, sizeBytes, offsetBytes };
  });
}

function slicedSource(
  name: string,
  find: (path: string, signal: AbortSignal) => Promise<Slice | undefined>,
): ImageSource {
  const blob = async ({ digest, sizeBytes }: Descriptor, signal: AbortSignal): Promise<Slice> => {
    const slice = await find(`blobs/${digest.replace(":", "/")}`, signal);
    if (slice === undefined) throw corrupt(name, `it has no blob ${digest}`);
    if (slice.sizeBytes === sizeBytes) return slice;
    throw corrupt(name, `the blob ${digest} has ${slice.sizeBytes} bytes, not ${sizeBytes}`);
  };
  return {
    name,
    async top(signal) {
      const index = await find("index.json", signal);
      if (index !== undefined) return await readSlice(name, index);
      throw new PlatformError("IMAGE_NOT_FOUND", `${name} is no OCI image layout: it has no index.json`, {
        remedy: "name a folder (oci:) or a tar (oci-archive:) in the OCI image layout",
      });
    },
    document: async (wanted, signal) => checked(name, wanted, await readSlice(name, await blob(wanted, signal))),
    async blob(wanted, file, signal) {
      const { file: source, offsetBytes, sizeBytes } = await blob(wanted, signal);
      const end = offsetBytes + sizeBytes - 1;
      await writeChecked(name, wanted, createReadStream(source, { start: offsetBytes, end }), file, signal);
    },
  };
}

function registrySource(name: string): ImageSource {
  const reference = parseReference(name);
  const client = new RegistryClient();
  return {
    name,
    top: async (signal) => (await client.manifest(reference, undefined, { signal })).bytes,
    async document(wanted, signal) {
      const isManifest = /manifest|index/.test(wanted.mediaType);
      if (isManifest) return (await client.manifest(reference, wanted.digest, { signal })).bytes;
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of await client.blob(reference, wanted.digest, 0, { signal })) {
        size += chunk.length;
        if (size > documentMaxBytes) throw corrupt(name, `${wanted.digest} is larger than ${documentMaxBytes} bytes`);
        chunks.push(chunk);
      }
      return checked(name, wanted, Buffer.concat(chunks));
    },
    blob: async (wanted, file, signal) =>
      await writeChecked(name, wanted, await client.blob(reference, wanted.digest, 0, { signal }), file, signal),
  };
}

async function readSlice(name: string, { file, offsetBytes, sizeBytes }: Slice): Promise<Uint8Array> {
  if (sizeBytes > documentMaxBytes) throw corrupt(name, `a document has more than ${documentMaxBytes} bytes`);
  const handle = await open(file, "r");
  try {
    const buffer = Buffer.alloc(sizeBytes);
    await handle.read(buffer, 0, sizeBytes, offsetBytes);
    return buffer;
  } finally {
    await handle.close();
  }
}

function checked(name: string, { digest }: Descriptor, bytes: Uint8Array): Uint8Array {
  const actual = digestOf(bytes);
  if (actual !== digest) throw corrupt(name, `a document is ${actual}, and should be ${digest}`);
  return bytes;
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
      if (size > wanted.sizeBytes)
        throw corrupt(name, `the blob ${wanted.digest} is longer than ${wanted.sizeBytes} bytes`);
      hash.update(chunk);
      yield chunk;
    }
  }
  await pipeline(source, hashed, createWriteStream(file, { flags: "wx", mode: 0o444 }), { signal });
  const digest = `sha256:${hash.digest("hex")}`;
  if (digest !== wanted.digest || size !== wanted.sizeBytes) {
    throw corrupt(
      name,
      `a blob is ${digest} with ${size} bytes, and should be ${wanted.digest} with ${wanted.sizeBytes}`,
    );
  }
}

const corrupt = (name: string, why: string): PlatformError => new PlatformError("IMAGE_CORRUPT", `${name}: ${why}`);
