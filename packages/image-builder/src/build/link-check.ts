/**
 * A layer must not put files below a path that is a symlink in the layers under it: unpackers replace the link by a directory. With merged /usr a file
 * `lib/x` takes the whole system away.
 */
import type { LayerRecord } from "../cache/records.ts";
import { merge } from "../tree/merge.ts";
import type { BuildSession } from "./build-session.ts";
import { treeOfLayer, treeOfLayers } from "./tree-below.ts";

/** Errors: IMAGE_BUILD_FAILED with the path, and where the link leads. */
export async function checkLinks(session: BuildSession, layers: readonly LayerRecord[]): Promise<void> {
  const links = new Set<string>();
  for (const [index, layer] of layers.entries()) {
    const suspicious = layer.implied.some((path) => links.has(path));
    // The link may have been removed or replaced meanwhile: only the trees themselves tell.
    if (suspicious) merge(await treeOfLayers(session, layers.slice(0, index)), await treeOfLayer(session, layer));
    for (const path of layer.links) links.add(path);
  }
}
