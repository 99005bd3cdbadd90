/** The trees of cached layers, each unpacked once for each session, and only when a step asks. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { blobName, type LayerRecord } from "../cache/records.ts";
import { unpackLayer } from "../oci/layer.ts";
import { treeOfTar } from "../oci/layer-tree.ts";
import { FileTree } from "../tree/file-tree.ts";
import { merge } from "../tree/merge.ts";
import type { BuildSession } from "./build-session.ts";

/** The merged tree of `layers`, from the bottom up. Do not change it: every asker gets the same one. */
export function treeOfLayers(session: BuildSession, layers: readonly LayerRecord[]): Promise<FileTree> {
  const top = layers.at(-1);
  if (top === undefined) return Promise.resolve(new FileTree());
  return once(session, layers.map(({ digest }) => digest).join(" "), async () =>
    merge(await treeOfLayers(session, layers.slice(0, -1)), await treeOfLayer(session, top)),
  );
}

/** What one layer says, whiteouts included. Its tar stays in the session's work directory: it holds the contents. */
export function treeOfLayer(session: BuildSession, layer: LayerRecord): Promise<FileTree> {
  return once(session, `only ${layer.digest}`, async () => {
    const { signal } = session;
    const folder = join(session.lease.workDirectory, "trees");
    await mkdir(folder, { recursive: true });
    const tar = join(folder, `${layer.digest.slice("sha256:".length)}.tar`);
    // The digest of what comes out is checked on the way: a damaged blob of the right size does not get into another layer.
    await unpackLayer(join(session.layers.directory(layer.key), blobName), tar, { diffId: layer.diffId, signal });
    return await treeOfTar(tar, { signal });
  });
}

function once(session: BuildSession, name: string, make: () => Promise<FileTree>): Promise<FileTree> {
  const known = session.trees.get(name) ?? make();
  session.trees.set(name, known);
  return known;
}
