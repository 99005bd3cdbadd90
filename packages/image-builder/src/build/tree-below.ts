/** The merged tree of cached layers, unpacked once for each session, and only when a step asks. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { blobName, type LayerRecord } from "../cache/records.ts";
import { unpackLayer } from "../oci/layer.ts";
import { treeOfTar } from "../oci/layer-tree.ts";
import { FileTree } from "../tree/file-tree.ts";
import { merge } from "../tree/merge.ts";
import type { BuildSession } from "./build-session.ts";

/** The tree of `layers`, from the bottom up. Do not change it: every asker gets the same one. */
export function treeOfLayers(session: BuildSession, layers: readonly LayerRecord[]): Promise<FileTree> {
  const top = layers.at(-1);
  if (top === undefined) return Promise.resolve(new FileTree());
  const name = layers.map(({ digest }) => digest).join(" ");
  const known = session.trees.get(name) ?? merged(session, layers.slice(0, -1), top);
  session.trees.set(name, known);
  return known;
}

async function merged(session: BuildSession, below: readonly LayerRecord[], top: LayerRecord): Promise<FileTree> {
  const lower = await treeOfLayers(session, below);
  const name = `own ${top.digest}`;
  const known = session.trees.get(name) ?? treeOfLayer(session, top);
  session.trees.set(name, known);
  return merge(lower, await known);
}

/** The tar of a layer stays in the session's work directory: it holds the contents of its tree. */
async function treeOfLayer(session: BuildSession, layer: LayerRecord): Promise<FileTree> {
  const folder = join(session.lease.workDirectory, "trees");
  await mkdir(folder, { recursive: true });
  const tar = join(folder, `${layer.digest.slice("sha256:".length)}.tar`);
  const { signal } = session;
  const blob = join(session.layers.directory(layer.key), blobName);
  // The digest of what comes out is checked on the way: a damaged blob of the right size does not get into another layer.
  await unpackLayer(blob, tar, { diffId: layer.diffId, signal });
  return await treeOfTar(tar, { signal });
}
