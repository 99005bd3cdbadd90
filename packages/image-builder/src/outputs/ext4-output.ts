/** An image as a raw root volume: all layers of one platform, one over the other, in an ext4 file system. */
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { PlatformError } from "@liquidmetal/foundation";
import {
  check,
  choosePlatform,
  type Descriptor,
  hostPlatform,
  parseConfig,
  parseDocument,
  parseJson,
} from "@liquidmetal/registry";
import { z } from "zod";
import { writeFileSystem } from "../ext4/file-system.ts";
import { unpackLayer } from "../oci/layer.ts";
import { treeOfTar } from "../oci/layer-tree.ts";
import type { StoredLayout } from "../oci/stored-layout.ts";
import type { FileTree } from "../tree/file-tree.ts";
import { mergeAll } from "../tree/merge.ts";
import { diskFull, staged } from "./staged-file.ts";
import type { OutputOptions, WrittenOutput } from "./write-output.ts";

const dateSchema = z.object({ created: z.iso.datetime({ offset: true }).optional() });

export async function writeExt4Output(
  stored: StoredLayout,
  file: string,
  options: OutputOptions,
): Promise<WrittenOutput> {
  const { signal, sizeMiB, onProgress, platform = hostPlatform() } = options;
  const { descriptor: top } = stored.image;
  let descriptor = top;
  let document = parseDocument(await stored.read(descriptor), top.digest);
  if (document.kind === "index") {
    descriptor = choosePlatform(document, platform, stored.path);
    document = parseDocument(await stored.read(descriptor), descriptor.digest);
  }
  if (document.kind === "index") throw new PlatformError("IMAGE_CORRUPT", `${stored.path}: indexes within indexes`);
  const bytes = await stored.read(document.config);
  const { diffIds } = parseConfig(bytes, document.config.digest);
  const { created } = check(dateSchema, parseJson(bytes, document.config.digest), document.config.digest);
  if (diffIds.length !== document.layers.length)
    throw new PlatformError("IMAGE_CORRUPT", `${descriptor.digest} does not describe all of its layers`);
  const target = resolve(file);
  // Beside the target: the same disk has to hold both.
  const work = await mkdtemp(join(dirname(target), `.${basename(target)}.layers-`));
  try {
    const layers: FileTree[] = [];
    for (const [number, layer] of document.layers.entries()) {
      const blob = await blobFile(stored, layer, join(work, `${number}.blob`));
      const tar = join(work, `${number}.tar`);
      const diffId = diffIds[number];
      await unpackLayer(blob, tar, { signal, ...(diffId !== undefined && { diffId }) });
      layers.push(await treeOfTar(tar, { signal }));
    }
    const dateSeconds = created === undefined ? 0 : Math.floor(Date.parse(created) / 1000);
    await staged(target, (temporary) =>
      writeFileSystem(mergeAll(layers), temporary, {
        dateSeconds,
        key: descriptor.digest,
        sizeMiB,
        onProgress,
        signal,
      }),
    );
  } catch (error) {
    throw diskFull(error, file);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return { digest: descriptor.digest };
}

/** A blob as a file of its own: in an archive it is only a part of one. */
async function blobFile(stored: StoredLayout, layer: Descriptor, copy: string): Promise<string> {
  const { file, offsetBytes } = await stored.blob(layer);
  if (offsetBytes === undefined) return file;
  await pipeline(stored.open(layer, 0), createWriteStream(copy, { flags: "wx" }));
  return copy;
}
