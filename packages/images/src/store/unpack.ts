/**
 * From layers in the content store to file trees in a snapshotter.
 *
 * Every layer becomes a committed snapshot named by its chain id; what is there already is not unpacked again. containerd applies the layers itself, so
 * nothing in them can reach outside their snapshot. The uncompressed digest must be the one that the image's configuration promises.
 */
import { randomUUID } from "node:crypto";
import { PlatformError } from "@liquidmetal/foundation";
import { chainIds, type Descriptor } from "@liquidmetal/registry";
import type { Containerd } from "../containerd/containerd.ts";
import { ContainerdFailure, isAlreadyExists } from "../containerd/failure.ts";
import type { SnapshotStore } from "../containerd/snapshots.ts";
import type { OpenedImage } from "./opened-image.ts";

export interface UnpackOptions {
  /** Holds the snapshots while they are made. */
  readonly lease: string;
  readonly signal?: AbortSignal | undefined;
}

/** Unpacks an image into a snapshotter. Returns the chain id of its file tree. Idempotent; concurrent calls may race and agree. */
export async function unpack(
  containerd: Containerd,
  image: OpenedImage,
  snapshotter: string,
  options: UnpackOptions,
): Promise<string> {
  const snapshots = containerd.snapshots(snapshotter);
  const chain = chainIds(image.config.diffIds);
  const top = chain.at(-1);
  if (top === undefined || chain.length !== image.manifest.layers.length) {
    throw new PlatformError(
      "IMAGE_CORRUPT",
      `${image.name}: ${image.manifest.layers.length} layers, but ${chain.length} in its configuration`,
    );
  }
  if (!(await snapshots.exists(top, options))) {
    for (const [index, layer] of image.manifest.layers.entries()) {
      const step = {
        name: chain[index] ?? "",
        parent: chain[index - 1] ?? "",
        diffId: image.config.diffIds[index] ?? "",
      };
      if (!(await snapshots.exists(step.name, options)))
        await unpackLayer(containerd, snapshots, layer, step, image.name, options);
    }
  }
  // From here on the configuration keeps the tree alive, as long as it is alive itself.
  await containerd.content.label(
    image.manifest.config.digest,
    { [`containerd.io/gc.ref.snapshot.${snapshotter}`]: top },
    options,
  );
  return top;
}

async function unpackLayer(
  containerd: Containerd,
  snapshots: SnapshotStore,
  layer: Descriptor,
  step: { readonly name: string; readonly parent: string; readonly diffId: string },
  image: string,
  options: UnpackOptions,
): Promise<void> {
  const key = `extract-${randomUUID()} ${step.name}`;
  const mounts = await snapshots.prepare({ key, parent: step.parent }, options);
  try {
    const applied = await containerd.apply(layer, mounts, options);
    if (applied !== step.diffId) {
      throw new PlatformError(
        "IMAGE_CORRUPT",
        `${image}: layer ${layer.digest} holds ${applied}, its configuration promises ${step.diffId}`,
      );
    }
    await snapshots.commit(step.name, key, {}, options);
  } catch (error) {
    await snapshots.remove(key).catch(() => undefined);
    if (isAlreadyExists(error)) return;
    if (error instanceof ContainerdFailure && error.code === "INTERNAL") {
      throw new PlatformError("IMAGE_CORRUPT", `${image}: layer ${layer.digest} cannot be unpacked: ${error.message}`, {
        cause: error,
      });
    }
    throw error;
  }
}
