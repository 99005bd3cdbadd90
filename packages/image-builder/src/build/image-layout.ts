/** Images as an OCI image layout in a folder: the layers' blobs are hard links to those of the cache. */

import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { chmod, copyFile, link, mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
} as const;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly platform?: { readonly architecture: string; readonly os: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A layout that is being written into the new folder `directory`. */
export class ImageLayout {
  readonly directory: string;
  readonly #blobs = new Map<string, number>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(directory: string): Promise<ImageLayout> {
    await mkdir(join(directory, "blobs/sha256"), { recursive: true });
    await writeFile(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
    return new ImageLayout(directory);
  }

  /** Every blob that is in it. */
  get blobs(): readonly { readonly digest: string; readonly sizeBytes: number }[] {
    return [...this.#blobs]
      .map(([digest, sizeBytes]) => ({ digest, sizeBytes }))
      .sort((a, b) => (a.digest < b.digest ? -1 : 1));
  }

  /** A document, or bytes, as a blob. */
  async put(mediaType: string, content: unknown): Promise<Descriptor> {
    const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (!this.#blobs.has(digest)) {
      await writeFile(this.#path(digest), bytes, { mode: 0o444, flag: "wx" });
      this.#blobs.set(digest, bytes.length);
    }
    return { mediaType, digest, size: bytes.length };
  }

  /** A file of the cache, whose digest and size are known. */
  async link(
    file: string,
    blob: { readonly mediaType: string; readonly digest: string; readonly sizeBytes: number },
  ): Promise<Descriptor> {
    if (!this.#blobs.has(blob.digest)) {
      await linkOrCopy(file, this.#path(blob.digest));
      this.#blobs.set(blob.digest, blob.sizeBytes);
    }
    return { mediaType: blob.mediaType, digest: blob.digest, size: blob.sizeBytes };
  }

  async finish(manifests: readonly Descriptor[]): Promise<void> {
    const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
    await writeFile(join(this.directory, "index.json"), JSON.stringify(index));
  }

  #path(digest: string): string {
    return join(this.directory, "blobs", digest.replace(":", "/"));
  }
}

/** Another name for all files of a layout, in the new folder `to`. */
export async function linkLayout(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const source = join(entry.parentPath, entry.name);
    const target = join(to, source.slice(from.length));
    await mkdir(dirname(target), { recursive: true });
    await linkOrCopy(source, target);
  }
}

/** Hard links cost nothing; file systems without them, and files with too many names already, get a copy. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (!["EXDEV", "EMLINK", "EPERM", "ENOTSUP", "EOPNOTSUPP"].includes(String(code))) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(to, 0o444);
  }
}
