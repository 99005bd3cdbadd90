/** An image as an OCI layout of the user's own: a folder, or a tar of one. Blobs are copies: nothing that is done to them touches the cache. */
import { createHash, randomBytes } from "node:crypto";
import { constants, createReadStream, createWriteStream } from "node:fs";
import { chmod, copyFile, lstat, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { PlatformError } from "@liquidmetal/foundation";
import { check, type Descriptor, documentMaxBytes, mediaTypes, parseJson } from "@liquidmetal/registry";
import { z } from "zod";
import { syncFile } from "../cache/durable.ts";
import { blobPath, type StoredLayout } from "../oci/stored-layout.ts";
import { tarOf } from "../oci/tar-archive.ts";
import { FileTree } from "../tree/file-tree.ts";
import type { Existing } from "./output-target.ts";
import { diskFull, staged } from "./staged-file.ts";
import type { OutputOptions, WrittenOutput } from "./write-output.ts";

const marker = JSON.stringify({ imageLayoutVersion: "1.0.0" });

/** Times in archives: there is nothing that they could say. */
const archiveSeconds = 0;

export async function writeLayoutOutput(
  stored: StoredLayout,
  directory: string,
  existing: Existing,
  options: OutputOptions,
): Promise<WrittenOutput> {
  const entries = indexEntries(stored, options);
  const blobs = await reachable(stored);
  const copy = new BlobCopy(stored, blobs, options);
  if (existing === "nothing") {
    await staged(directory, async (temporary) => {
      await mkdir(join(temporary, "blobs/sha256"), { recursive: true });
      for (const blob of blobs) await copy.into(temporary, blob);
      await writeFile(join(temporary, "oci-layout"), marker);
      await writeFile(join(temporary, "index.json"), indexOf(entries));
    });
  } else {
    await addTo(resolve(directory), blobs, copy, entries).catch((error: unknown) => {
      throw diskFull(error, directory);
    });
  }
  return { digest: stored.image.descriptor.digest };
}

export async function writeArchiveOutput(
  stored: StoredLayout,
  file: string,
  options: OutputOptions,
): Promise<WrittenOutput> {
  const tree = new FileTree().file("oci-layout", marker).file("index.json", indexOf(indexEntries(stored, options)));
  const blobs = await reachable(stored);
  for (const blob of blobs) tree.file(blobPath(blob.digest), await checkedBlob(stored, blob));
  const total = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const { signal, onProgress } = options;
  const cancel = signal === undefined ? {} : { signal };
  await staged(file, (temporary) => {
    let done = 0;
    async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        yield chunk;
        done += chunk.length;
        onProgress?.(Math.min(done, total), total);
      }
    }
    const archive = tarOf(tree, { epochSeconds: archiveSeconds, ...cancel });
    return pipeline(archive, counted, createWriteStream(temporary, { flags: "wx" }), cancel);
  });
  return { digest: stored.image.descriptor.digest };
}

const reachable = (stored: StoredLayout): Promise<readonly Descriptor[]> =>
  stored.reachable([...stored.images, ...stored.referrers]);

/** Read once, to be sure that it is what its name says: what leaves the cache is right. */
async function checkedBlob(stored: StoredLayout, blob: Descriptor): ReturnType<StoredLayout["blob"]> {
  for await (const _ of stored.open(blob, 0)) {
    // Its digest is checked at its end.
  }
  return await stored.blob(blob);
}

class BlobCopy {
  readonly #stored: StoredLayout;
  readonly #options: OutputOptions;
  readonly #totalBytes: number;
  #doneBytes = 0;

  constructor(stored: StoredLayout, blobs: readonly Descriptor[], options: OutputOptions) {
    this.#stored = stored;
    this.#options = options;
    this.#totalBytes = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** What is there in the right size stays: its name is its digest. */
  async into(layout: string, blob: Descriptor): Promise<void> {
    const { signal, onProgress } = this.#options;
    signal?.throwIfAborted();
    const file = join(layout, blobPath(blob.digest));
    const there = await lstat(file).catch(() => undefined);
    if (there?.isFile() !== true || there.size !== blob.sizeBytes) await this.#copy(blob, file);
    this.#doneBytes += blob.sizeBytes;
    onProgress?.(this.#doneBytes, this.#totalBytes);
  }

  async #copy(blob: Descriptor, file: string): Promise<void> {
    const { signal } = this.#options;
    const source = await this.#stored.blob(blob);
    const temporary = `${file}.${randomBytes(6).toString("hex")}`;
    try {
      if (source.offsetBytes === undefined) await copyFile(source.file, temporary, constants.COPYFILE_FICLONE);
      else
        await pipeline(
          this.#stored.open(blob, 0),
          createWriteStream(temporary),
          signal === undefined ? {} : { signal },
        );
      await checkDigest(temporary, blob);
      await chmod(temporary, 0o644);
      await syncFile(temporary);
      await rename(temporary, file);
    } finally {
      await rm(temporary, { force: true });
    }
  }
}

async function checkDigest(file: string, { digest }: Descriptor): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>)
    hash.update(chunk);
  if (`sha256:${hash.digest("hex")}` !== digest)
    throw new PlatformError("IMAGE_CORRUPT", `the blob ${digest} holds something else`);
}

/** Into a folder that is there: blobs first, index.json in one step at the end. */
async function addTo(
  directory: string,
  blobs: readonly Descriptor[],
  copy: BlobCopy,
  entries: readonly RawDescriptor[],
): Promise<void> {
  await mkdir(join(directory, "blobs/sha256"), { recursive: true });
  for (const blob of blobs) await copy.into(directory, blob);
  const path = join(directory, "index.json");
  const before = await readIndex(path);
  const names = new Set(entries.map(nameOf).filter((name) => name !== undefined));
  const digests = new Set(entries.map(({ digest }) => digest));
  // A name leads to one image: the new one. What has no name and is the same is there once.
  const kept = before.filter((one) => {
    const name = nameOf(one);
    return name === undefined ? !digests.has(one.digest) : !names.has(name);
  });
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeFile(temporary, indexOf([...kept, ...entries]));
    await syncFile(temporary);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  await writeFile(join(directory, "oci-layout"), marker);
  await syncFile(dirname(path));
}

const rawDescriptor = z.looseObject({
  mediaType: z.string(),
  digest: z.string(),
  size: z.number(),
  annotations: z.record(z.string(), z.string()).optional(),
});
type RawDescriptor = z.output<typeof rawDescriptor>;
const rawIndex = z.object({ manifests: z.array(rawDescriptor).max(4096) });

async function readIndex(path: string): Promise<readonly RawDescriptor[]> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return [];
  if (!stats.isFile() || stats.size > documentMaxBytes)
    throw new PlatformError("IMAGE_CORRUPT", `${path} is no index of images`);
  return check(rawIndex, parseJson(await readFile(path), path), path).manifests;
}

const nameOf = ({ annotations }: RawDescriptor): string | undefined =>
  annotations?.["io.containerd.image.name"] ?? annotations?.["org.opencontainers.image.ref.name"];

/** One entry for each name of each image, then what is attached. */
function indexEntries(stored: StoredLayout, { references = [] }: OutputOptions): readonly RawDescriptor[] {
  const names = references.length > 0 ? references : stored.references;
  const { image } = stored;
  const top = raw(image.descriptor);
  const named = names.map((name) => ({
    ...top,
    annotations: { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name },
  }));
  const attached = stored.referrers.map(({ descriptor, document }) => ({
    ...raw(descriptor),
    artifactType: descriptor.artifactType ?? document.artifactType,
    ...(descriptor.annotations !== undefined && { annotations: descriptor.annotations }),
  }));
  return [...(named.length > 0 ? named : [top]), ...attached];
}

const raw = ({ mediaType, digest, sizeBytes, platform }: Descriptor): RawDescriptor => ({
  mediaType,
  digest,
  size: sizeBytes,
  ...(platform !== undefined && { platform }),
});

const indexOf = (manifests: readonly RawDescriptor[]): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
