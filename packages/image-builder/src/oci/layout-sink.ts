/** An OCI layout folder to write into: blobs under their digests when they are whole and right, what came of others kept for the next attempt. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { lstat, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { PlatformError } from "@liquidmetal/foundation";
import { type ContentSink, type Descriptor, mediaTypes } from "@liquidmetal/registry";
import { blobPath } from "./stored-layout.ts";

export class LayoutSink implements ContentSink {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** In a new or empty folder. */
  static async create(directory: string): Promise<LayoutSink> {
    await mkdir(join(directory, "blobs/sha256"), { recursive: true });
    await writeFile(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
    return new LayoutSink(directory);
  }

  async has(descriptor: Descriptor): Promise<number> {
    const whole = await sizeOf(this.#path(descriptor));
    return whole ?? (await sizeOf(this.#partial(descriptor))) ?? 0;
  }

  async write(descriptor: Descriptor, offset: number, content: AsyncIterable<Uint8Array>): Promise<void> {
    const { digest, sizeBytes } = descriptor;
    const file = this.#partial(descriptor);
    const hash = createHash("sha256");
    let size = offset;
    if (offset > 0) {
      const came = createReadStream(file, { end: offset - 1, highWaterMark: 1024 * 1024 });
      for await (const chunk of came as AsyncIterable<Buffer>) hash.update(chunk);
    }
    async function* counted(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunks) {
        size += chunk.length;
        if (size > sizeBytes) throw corrupt(`the blob ${digest} is longer than ${sizeBytes} bytes`);
        hash.update(chunk);
        yield chunk;
      }
    }
    const target = createWriteStream(file, offset > 0 ? { flags: "r+", start: offset } : {});
    try {
      await pipeline(content, counted, target);
      const actual = `sha256:${hash.digest("hex")}`;
      if (size !== sizeBytes || actual !== digest) {
        throw corrupt(`the blob ${digest} came as ${actual} with ${size} of ${sizeBytes} bytes`);
      }
    } catch (error) {
      // What is wrong would stay wrong; what is only short is gone on with.
      if (error instanceof PlatformError && error.code === "IMAGE_CORRUPT") await rm(file, { force: true });
      throw error;
    }
    await rename(file, this.#path(descriptor));
  }

  /** Names the image, and what is attached to it: from now on it is a layout. */
  async finish(target: Descriptor, referrers: readonly Descriptor[], reference: string): Promise<void> {
    const raw = ({ sizeBytes, ...descriptor }: Descriptor): object => ({ ...descriptor, size: sizeBytes });
    const annotations = { "io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference };
    const manifests = [raw({ ...target, annotations }), ...referrers.map(raw)];
    const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
    await writeFile(join(this.#directory, "index.json"), JSON.stringify(index));
  }

  #path({ digest }: Descriptor): string {
    return join(this.#directory, blobPath(digest));
  }

  #partial(descriptor: Descriptor): string {
    return `${this.#path(descriptor)}.partial`;
  }
}

const sizeOf = async (path: string): Promise<number | undefined> => (await lstat(path).catch(() => undefined))?.size;

const corrupt = (why: string): PlatformError => new PlatformError("IMAGE_CORRUPT", why);
