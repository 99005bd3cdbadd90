/**
 * Checks an image against itself, byte for byte: digest and size of every blob, the digest of what each layer unpacks to, and that the bill of
 * materials and the provenance are about this image. It finds damage and exchanged parts; who made the image it cannot tell: nothing is signed.
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { PlatformError } from "@liquidmetal/foundation";
import { alignedFrames } from "../oci/zstd-frames.ts";
import { inTotoMediaType, spdxMediaType } from "./described-image.ts";
import { documentNamespace } from "./spdx-document.ts";
import { provenanceSubjects, spdxNamespace } from "./stored-documents.ts";
import {
  corrupt,
  type Descriptor,
  mostDocumentBytes,
  readBlob,
  readConfiguration,
  readStoredManifests,
  type StoredManifest,
  streamBlob,
} from "./stored-image.ts";

export interface VerifiedImage {
  readonly manifests: readonly VerifiedManifest[];
}

export interface VerifiedManifest {
  readonly digest: string;
  readonly architecture: string;
  readonly layers: number;
  /** Of configuration, layers and attached documents. */
  readonly sizeBytes: number;
  /** Kinds of the documents that are attached, as in `application/spdx+json`. */
  readonly attached: readonly string[];
}

export interface VerifyOptions {
  /** Called before each blob is read. */
  readonly onBlob?: (digest: string, sizeBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Damage is told in full, up to this many findings. */
const mostFindings = 20;

/** Reads all of the layout `directory`. Errors: IMAGE_CORRUPT with everything that was found, IMAGE_NOT_FOUND where there is no layout. */
export async function verifyImage(directory: string, options: VerifyOptions = {}): Promise<VerifiedImage> {
  const { images, referrers } = await readStoredManifests(directory);
  if (images.length === 0) throw corrupt("there is no image in it");
  const findings = new Findings();
  const known = new Set(images.map(({ descriptor }) => descriptor.digest));
  for (const referrer of referrers) {
    const subject = referrer.subject?.digest ?? "";
    if (!known.has(subject))
      findings.add(`${referrer.descriptor.digest} is attached to ${subject}, which is not there`);
  }
  const manifests: VerifiedManifest[] = [];
  for (const image of images) {
    const attached = referrers.filter(({ subject }) => subject?.digest === image.descriptor.digest);
    for (const referrer of attached) await findings.collect(() => verifyDocument(directory, referrer, image, options));
    manifests.push(await verifyManifest(directory, image, attached, findings, options));
  }
  findings.raise();
  return { manifests };
}

async function verifyManifest(
  directory: string,
  image: StoredManifest,
  attached: readonly StoredManifest[],
  findings: Findings,
  options: VerifyOptions,
): Promise<VerifiedManifest> {
  let architecture = image.descriptor.platform?.architecture ?? "unknown";
  await findings.collect(async () => {
    const { rootfs, ...platform } = await readConfiguration(directory, image);
    const said = image.descriptor.platform;
    if (said !== undefined && (said.architecture !== platform.architecture || said.os !== platform.os)) {
      findings.add(
        `${image.descriptor.digest} is listed for ${said.architecture}, and is for ${platform.architecture}`,
      );
    }
    architecture = platform.architecture;
    if (rootfs.diff_ids.length !== image.layers.length) {
      throw corrupt(
        `${image.descriptor.digest} has ${image.layers.length} layers and ${rootfs.diff_ids.length} diff_ids`,
      );
    }
    for (const [index, layer] of image.layers.entries()) {
      await findings.collect(() => verifyLayer(directory, layer, rootfs.diff_ids[index] ?? "", options));
    }
  });
  const blobs = [image.config, ...image.layers, ...attached.flatMap(({ layers }) => layers)];
  return {
    digest: image.descriptor.digest,
    architecture,
    layers: image.layers.length,
    sizeBytes: blobs.reduce((sum, { size }) => sum + size, 0),
    attached: attached.map(kindOf).sort(),
  };
}

async function verifyLayer(
  directory: string,
  layer: Descriptor,
  diffId: string,
  options: VerifyOptions,
): Promise<void> {
  options.onBlob?.(layer.digest, layer.size);
  const hash = createHash("sha256");
  const blob = Readable.from(streamBlob(directory, layer, options.signal), { objectMode: false });
  const drain = async (content: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of content) hash.update(chunk);
  };
  try {
    const signal = options.signal === undefined ? {} : { signal: options.signal };
    if (layer.mediaType.endsWith("+zstd")) await pipeline(blob, alignedFrames, createZstdDecompress(), drain, signal);
    else if (layer.mediaType.endsWith("gzip")) await pipeline(blob, createGunzip(), drain, signal);
    else await pipeline(blob, drain, signal);
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    if (options.signal?.aborted === true) throw PlatformError.from(options.signal.reason, "CANCELLED", "verification");
    throw corrupt(
      `the layer ${layer.digest} does not unpack (${error instanceof Error ? error.message : String(error)})`,
    );
  }
  if (`sha256:${hash.digest("hex")}` !== diffId)
    throw corrupt(`the layer ${layer.digest} does not unpack to ${diffId}`);
}

async function verifyDocument(
  directory: string,
  referrer: StoredManifest,
  image: StoredManifest,
  options: VerifyOptions,
): Promise<void> {
  const kind = kindOf(referrer);
  await readBlob(directory, referrer.config, mostDocumentBytes);
  for (const layer of referrer.layers) {
    options.signal?.throwIfAborted();
    options.onBlob?.(layer.digest, layer.size);
    const bytes = await readBlob(directory, layer, mostDocumentBytes);
    const { digest } = image.descriptor;
    if (kind === spdxMediaType && spdxNamespace(bytes) !== documentNamespace(digest)) {
      throw corrupt(`the bill of materials ${layer.digest} is of another image than ${digest}`);
    }
    if (kind === inTotoMediaType && !provenanceSubjects(bytes).includes(digest)) {
      throw corrupt(`the provenance ${layer.digest} is of another image than ${digest}`);
    }
  }
}

const kindOf = (referrer: StoredManifest): string => referrer.artifactType ?? referrer.config.mediaType;

class Findings {
  readonly #found: string[] = [];

  add(what: string): void {
    if (this.#found.length < mostFindings) this.#found.push(what);
  }

  /** Damage that `check` throws is a finding; what else it throws ends the verification. */
  async collect(check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== "IMAGE_CORRUPT") throw error;
      this.add(error.message.replace(/^the image is damaged: /, ""));
    }
  }

  raise(): void {
    if (this.#found.length > 0) throw corrupt(this.#found.join("; "));
  }
}
