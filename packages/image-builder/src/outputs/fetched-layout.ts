/** An image out of a registry as an OCI layout folder: with all its layers, or only with what describes it. */
import { fetchImage, type Platform, parseReference, RegistryClient, type RegistryOptions } from "@liquidmetal/registry";
import { LayoutSink } from "../oci/layout-sink.ts";
import { checkOutput } from "./output-target.ts";
import { staged } from "./staged-file.ts";
import { defaultRegistryOptions, type WrittenOutput } from "./write-output.ts";

export interface FetchLayoutOptions {
  /** Only these platforms of an index. Default: all. */
  readonly platforms?: readonly Platform[];
  /** Manifests, configurations, bills of materials and provenance; no layers. Default false. */
  readonly documentsOnly?: boolean;
  /** Default: docker's credentials with their helpers, and the mirrors and certificates of /etc/containerd/certs.d. */
  readonly registry?: RegistryOptions;
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes the image that `reference` names, and what is attached to it, into the new folder `directory`. It is there whole or not at all.
 *
 * Errors: IMAGE_NOT_FOUND, IMAGE_UNAUTHORIZED, IMAGE_PULL_FAILED, IMAGE_CORRUPT, IMAGE_WRONG_PLATFORM, REQUEST_INVALID (the folder is there), DISK_FULL.
 */
export async function fetchLayout(
  reference: string,
  directory: string,
  options: FetchLayoutOptions = {},
): Promise<WrittenOutput> {
  const { platforms, documentsOnly, onProgress, signal } = options;
  const name = parseReference(reference);
  await checkOutput({ kind: "oci-archive", path: directory }, false);
  const client = new RegistryClient(options.registry ?? defaultRegistryOptions());
  return await staged(directory, async (temporary) => {
    const sink = await LayoutSink.create(temporary);
    const { target, referrers } = await fetchImage(client, name, sink, {
      ...(platforms !== undefined && { platforms }),
      ...(documentsOnly !== undefined && { documentsOnly }),
      referrers: true,
      onProgress: onProgress && (({ doneBytes, totalBytes }) => onProgress(doneBytes, totalBytes)),
      signal,
    });
    await sink.finish(target, referrers, name.name);
    return { digest: target.digest };
  });
}
