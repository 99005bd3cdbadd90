/** An image in the content store, opened down to its configuration for one platform. */

import { PlatformError } from "@liquidmetal/foundation";
import {
  choosePlatform,
  type Descriptor,
  documentMaxBytes,
  type ImageConfig,
  type ImageIndex,
  type ImageManifest,
  matches,
  type Platform,
  parseConfig,
  parseDocument,
  platformText,
  wrongPlatform,
} from "@liquidmetal/registry";
import type { ContainerdCallOptions } from "../containerd/connection.ts";
import type { Containerd } from "../containerd/containerd.ts";

export interface OpenedImage {
  readonly name: string;
  /** What the reference names: an index, or the manifest itself. */
  readonly target: Descriptor;
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
}

/** Indexes within indexes are followed this deep. */
export const indexDepthMax = 3;

/** Opens an image; IMAGE_CORRUPT when something of it is missing or wrong, IMAGE_WRONG_PLATFORM when it is for others only. */
export async function openImage(
  containerd: Containerd,
  name: string,
  target: Descriptor,
  platform: Platform,
  options?: ContainerdCallOptions,
): Promise<OpenedImage> {
  let descriptor = target;
  for (let depth = 0; depth <= indexDepthMax; depth++) {
    const document = parseDocument(
      await containerd.content.read(descriptor.digest, documentMaxBytes, options),
      descriptor.digest,
    );
    if (document.kind === "index") {
      descriptor = choosePlatform(document, platform, name);
      continue;
    }
    const config = parseConfig(
      await containerd.content.read(document.config.digest, documentMaxBytes, options),
      document.config.digest,
    );
    checkPlatform(name, platform, config);
    return { name, target, descriptor, manifest: document, config };
  }
  throw new PlatformError("IMAGE_CORRUPT", `${name}: indexes within indexes, more than ${indexDepthMax} deep`);
}

/** A configuration that names no platform is taken at its image's word. */
export function checkPlatform(name: string, platform: Platform, config: ImageConfig): void {
  if (config.platform === undefined || matches(platform, config.platform)) return;
  throw wrongPlatform(name, platform, [platformText(config.platform)]);
}

/** Labels by which containerd's garbage collector finds what a manifest or index needs. */
export function collectorLabels(document: ImageIndex | ImageManifest): Readonly<Record<string, string>> {
  const children =
    document.kind === "index"
      ? document.manifests.map((child, index) => [`m.${index}`, child.digest] as const)
      : [
          ["config", document.config.digest] as const,
          ...document.layers.map((layer, index) => [`l.${index}`, layer.digest] as const),
        ];
  return Object.fromEntries(children.map(([key, digest]) => [`containerd.io/gc.ref.content.${key}`, digest]));
}
