/** From layers to an image: configuration, manifest, index, what describes it; one layout for all architectures. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { syncTree } from "../cache/durable.ts";
import { blobName, type ImageRecord, imageEntry, type LayerRecord, layoutName } from "../cache/records.ts";
import { removeTree } from "../cache/removal.ts";
import { attachDocuments } from "./attachments.ts";
import type { BuildSession } from "./build-session.ts";
import { keyOf } from "./canonical.ts";
import { describeImage, type ImageText, referencesOf } from "./image-description.ts";
import { type Descriptor, ImageLayout, mediaTypes } from "./image-layout.ts";
import { ensureLayer } from "./layer-making.ts";
import { checkLinks } from "./link-check.ts";
import type { PlannedImage } from "./planned-image.ts";

/** The key of an image for these architectures: for one it is the plan's own. */
export const imageKey = (images: readonly PlannedImage[]): string => together(images.map(({ key }) => key));

/** Under which it is kept, with what is attached to it. */
export const imageEntryKey = (images: readonly PlannedImage[]): string =>
  together(images.map(({ entryKey }) => entryKey));

const together = (keys: readonly string[]): string => (keys.length === 1 ? (keys[0] ?? "") : keyOf(keys));

export interface BuiltImages {
  readonly record: ImageRecord;
  /** It was there, whole. */
  readonly cached: boolean;
}

/** One recipe for one or more architectures, from the cache or made now. */
export async function buildImages(session: BuildSession, images: readonly PlannedImage[]): Promise<BuiltImages> {
  const entryKey = imageEntryKey(images);
  const known = session.building.get(entryKey) ?? build(session, images, entryKey);
  session.building.set(entryKey, known);
  return await known;
}

async function build(session: BuildSession, images: readonly PlannedImage[], entryKey: string): Promise<BuiltImages> {
  const record = session.rebuild ? undefined : await session.images.find(entryKey);
  if (record !== undefined && (await session.images.verify(entryKey, record, session.signal))) {
    for (const { layers } of images) for (const layer of layers) await session.layers.touch(layer.key);
    return { record, cached: true };
  }
  const built: BuiltPlatform[] = [];
  for (const image of images) built.push({ image, layers: await makeLayers(session, image) });
  for (const { layers } of built) await checkLinks(session, layers);
  return { record: await assemble(session, built, imageKey(images), entryKey), cached: false };
}

interface BuiltPlatform {
  readonly image: PlannedImage;
  readonly layers: readonly LayerRecord[];
}

async function makeLayers(session: BuildSession, image: PlannedImage): Promise<readonly LayerRecord[]> {
  const layers: LayerRecord[] = [];
  for (const layer of image.layers) {
    session.signal.throwIfAborted();
    layers.push(await ensureLayer(session, image.recipe.document.name, layer, [...layers]));
  }
  return layers;
}

async function assemble(
  session: BuildSession,
  built: readonly BuiltPlatform[],
  key: string,
  entryKey: string,
): Promise<ImageRecord> {
  const name = built[0]?.image.recipe.document.name ?? "";
  session.emit({ image: name, stage: "assemble", text: "writing the image" });
  const staged = await session.lease.newDirectory();
  try {
    const layout = await ImageLayout.create(join(staged, layoutName));
    const platforms: Platform[] = [];
    for (const one of built) platforms.push(await putPlatform(session, layout, one, key));
    const [first] = platforms;
    if (first === undefined) throw new TypeError("an image has at least one platform");
    const references = referencesOf(name, first.text.version);
    const top = platforms.length === 1 ? first.manifest : await putIndex(layout, platforms, first.text);
    const named = references.map((reference) => ({
      ...top,
      annotations: { "io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference },
    }));
    await layout.finish([...named, ...platforms.flatMap(({ attached }) => attached)]);
    const record: ImageRecord = {
      key: entryKey,
      recipe: name,
      references,
      digest: top.digest,
      sizeBytes: layout.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      manifests: platforms.map(({ manifest, text, built: { image, layers } }) => ({
        architecture: image.architecture,
        digest: manifest.digest,
        labels: text.configuration.labels,
        layerKeys: layers.map((layer) => layer.key),
      })),
      software: unique(built.flatMap(({ layers }) => layers.flatMap(({ software }) => software))),
      inputs: unique(built.flatMap(({ image }) => image.inputs)),
      blobs: layout.blobs,
    };
    await writeFile(join(staged, imageEntry.recordName), JSON.stringify(record));
    await mkdir(session.lease.folders.images, { recursive: true });
    await syncTree(staged);
    session.signal.throwIfAborted();
    return await session.images.publish(staged, entryKey, { replace: session.rebuild });
  } finally {
    await removeTree(staged);
  }
}

interface Platform {
  readonly built: BuiltPlatform;
  readonly manifest: Descriptor;
  readonly text: ImageText;
  readonly attached: readonly Descriptor[];
}

async function putPlatform(
  session: BuildSession,
  layout: ImageLayout,
  built: BuiltPlatform,
  key: string,
): Promise<Platform> {
  const { image, layers } = built;
  const text = describeImage(image, layers, key);
  const config = await layout.put(mediaTypes.config, text.config);
  const blobs: Descriptor[] = [];
  for (const layer of layers) {
    blobs.push(await layout.link(join(session.layers.directory(layer.key), blobName), layer));
  }
  const platform = { architecture: image.architecture, os: "linux" };
  const manifest = await layout.put(mediaTypes.manifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config,
    layers: blobs.map((blob, index) => ({ ...blob, annotations: text.layerAnnotations[index] ?? {} })),
    annotations: text.annotations,
  });
  const attached = await attachDocuments(layout, image, layers, { manifest, text });
  return { built, manifest: { ...manifest, platform }, text, attached };
}

async function putIndex(layout: ImageLayout, platforms: readonly Platform[], text: ImageText): Promise<Descriptor> {
  return await layout.put(mediaTypes.index, {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: platforms.map(({ manifest }) => manifest),
    annotations: text.annotations,
  });
}

/** Each thing once, in the order of its first coming. */
function unique<T>(things: readonly T[]): readonly T[] {
  return [...new Map(things.map((thing) => [JSON.stringify(thing), thing])).values()];
}
