/** An image that was built elsewhere, as what another is made of: its layers come into the cache as they are, its configuration is inherited. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import {
  check,
  choosePlatform,
  type Descriptor,
  digestOf,
  type ImageManifest,
  parseConfig,
  parseDocument,
  parseJson,
} from "@liquidmetal/registry";
import { z } from "zod";
import { syncTree } from "../cache/durable.ts";
import { blobName, type LayerRecord, layerEntry } from "../cache/records.ts";
import { removeTree } from "../cache/removal.ts";
import type { Architecture } from "../steps/step-kind.ts";
import type { BuildSession } from "./build-session.ts";
import { keyOf } from "./canonical.ts";
import type { ImageConfiguration } from "./image-labels.ts";
import type { ImageSource } from "./image-source.ts";
import type { ForeignImage, PlannedLayer } from "./planned-image.ts";

/** In place of a recipe's name: where the image lay on this machine must not get into what is built. */
const recipe = "image";
/** Indexes in indexes. */
const deepestIndex = 4;

/** Errors: IMAGE_NOT_FOUND, IMAGE_CORRUPT, IMAGE_WRONG_PLATFORM, and those of a registry. */
export async function foreignImage(
  session: BuildSession,
  source: ImageSource,
  architecture: Architecture,
): Promise<ForeignImage> {
  const { signal } = session;
  const { manifest, digest } = await findManifest(source, architecture, signal);
  const bytes = await source.document(manifest.config, signal);
  const config = parseConfig(bytes, source.name);
  if (config.platform !== undefined && config.platform.architecture !== architecture) {
    const { platform } = config;
    throw new PlatformError(
      "IMAGE_WRONG_PLATFORM",
      `${source.name} is for ${platform.architecture}, not ${architecture}`,
    );
  }
  if (config.diffIds.length !== manifest.layers.length) {
    const counts = `${manifest.layers.length} layers and ${config.diffIds.length} digests of them`;
    throw new PlatformError("IMAGE_CORRUPT", `${source.name} has ${counts}`);
  }
  const layers: PlannedLayer[] = [];
  for (const [index, descriptor] of manifest.layers.entries()) {
    const layer = { descriptor, diffId: config.diffIds[index] ?? "", name: `layer ${index + 1}` };
    layers.push(await takeLayer(session, source, layer));
  }
  const input = { kind: "image", name: source.name, digest } as const;
  return { key: digest, configuration: configurationOf(bytes, source.name), layers, inputs: [input] };
}

async function findManifest(
  source: ImageSource,
  architecture: Architecture,
  signal: AbortSignal,
): Promise<{ readonly manifest: ImageManifest; readonly digest: string }> {
  let bytes = await source.top(signal);
  for (let depth = 0; depth < deepestIndex; depth += 1) {
    const document = parseDocument(bytes, source.name);
    if (document.kind === "manifest") return { manifest: document, digest: digestOf(bytes) };
    const [first] = document.manifests;
    if (first === undefined) throw new PlatformError("IMAGE_NOT_FOUND", `${source.name}: there is no image in it`);
    // The index of a layout lists names; only what says its platform can be chosen by it.
    const byPlatform = document.manifests.some(({ platform }) => platform !== undefined);
    const wanted = byPlatform ? choosePlatform(document, { os: "linux", architecture }, source.name) : first;
    bytes = await source.document(wanted, signal);
  }
  throw new PlatformError("IMAGE_CORRUPT", `${source.name}: its indexes are nested more than ${deepestIndex} deep`);
}

interface ForeignLayer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
  readonly name: string;
}

/** A layer as an entry of the cache, keyed by what it is. */
async function takeLayer(session: BuildSession, source: ImageSource, layer: ForeignLayer): Promise<PlannedLayer> {
  const { descriptor, diffId, name } = layer;
  const mediaType = ociLayerType(descriptor.mediaType, source.name);
  const key = keyOf(["foreign layer", descriptor.digest, diffId, mediaType]);
  const cached = (await session.layers.find(key)) ?? (await store());
  return { key, recipe, name, kind: recipe, inputs: [], cached };

  async function store(): Promise<LayerRecord> {
    session.emit({
      image: source.name,
      layer: name,
      stage: "resolve",
      text: "fetching",
      sizeBytes: descriptor.sizeBytes,
    });
    const staged = await session.lease.newDirectory();
    try {
      await source.blob(descriptor, join(staged, blobName), session.signal);
      const { digest, sizeBytes } = descriptor;
      const about = { recipe, name, kind: recipe, software: [], inputs: [], facts: {}, links: [], implied: [] };
      const record: LayerRecord = { key, mediaType, digest, diffId, sizeBytes, ...about };
      await writeFile(join(staged, layerEntry.recordName), JSON.stringify(record));
      await syncTree(staged);
      return await session.layers.publish(staged, key);
    } finally {
      await removeTree(staged);
    }
  }
}

const layerType =
  /^application\/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1|docker\.image\.rootfs\.diff)\.tar(?:[+.](gzip|zstd))?$/;

/** Docker's names for what OCI calls otherwise. */
function ociLayerType(mediaType: string, image: string): string {
  const known = layerType.exec(mediaType);
  if (known === null) {
    throw new PlatformError(
      "IMAGE_CORRUPT",
      `${image} has a layer of type ${JSON.stringify(mediaType)}: that is no tar`,
    );
  }
  return `application/vnd.oci.image.layer.v1.tar${known[1] === undefined ? "" : `+${known[1]}`}`;
}

const texts = z.array(z.string()).nullish();
const configSchema = z.object({
  config: z
    .object({
      User: z.string().nullish(),
      Env: texts,
      Entrypoint: texts,
      Cmd: texts,
      WorkingDir: z.string().nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
    })
    .nullish(),
});

function configurationOf(bytes: Uint8Array, name: string): ImageConfiguration {
  const said = check(configSchema, parseJson(bytes, name), name).config ?? {};
  return {
    labels: said.Labels ?? {},
    ...(said.Env && { environment: said.Env }),
    ...(said.Entrypoint && { entrypoint: said.Entrypoint }),
    ...(said.Cmd && { command: said.Cmd }),
    ...(said.User && { user: said.User }),
    ...(said.WorkingDir && { workingDirectory: said.WorkingDir }),
  };
}
