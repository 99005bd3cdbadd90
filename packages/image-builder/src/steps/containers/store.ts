/**
 * A containerd store with images in it, as files: nothing is pulled and nothing is unpacked when the machine starts.
 *
 * Made by hand instead of by a containerd that runs at build time: no daemon, no mount, no privilege, and the same bytes every time. What is in it is
 * what containerd itself leaves behind with `discard_unpacked_layers`: manifests and configurations as blobs, layers only unpacked, each as a snapshot
 * of overlayfs that images share.
 */
import { contentSize } from "../../tree/content.ts";
import { FileTree } from "../../tree/file-tree.ts";
import type { BuiltImage } from "./built-image.ts";
import {
  metadataDatabase,
  type StoredImage,
  type StoredSnapshot,
  snapshotDatabase,
  storePaths,
} from "./containerd-metadata.ts";

export interface NamedImage {
  readonly name: string;
  readonly pinned: boolean;
  readonly image: BuiltImage;
}

/** The tree of a store at `root` (a path of the image). The order of the images does not matter. */
export function containerdStore(root: string, images: readonly NamedImage[], dateSeconds: number): FileTree {
  const tree = new FileTree();
  const at = (path: string): string => `${root}/${path}`;
  tree.directory(root, { mode: 0o711 });
  tree.directory(at(storePaths.ingest));
  tree.directory(at(storePaths.snapshotter), { mode: 0o700 });
  tree.directory(at(`${storePaths.snapshotter}/snapshots`), { mode: 0o700 });
  const stored: StoredImage[] = [];
  const snapshots = new Map<string, StoredSnapshot>();
  for (const { name, pinned, image } of images.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const { manifest, config, layers } = image;
    let parent: string | undefined;
    for (const { chainId, files, stacked } of layers) {
      if (!snapshots.has(chainId)) {
        const id = snapshots.size + 1;
        snapshots.set(chainId, {
          chainId,
          id,
          stacked,
          usage: usageOf(files),
          ...(parent !== undefined && { parent }),
        });
        putFiles(tree, at(storePaths.snapshotFiles(id)), files);
      }
      parent = chainId;
    }
    for (const document of [manifest, config]) {
      tree.file(at(storePaths.blob(document.digest)), { bytes: document.bytes }, { mode: 0o444 });
    }
    stored.push({ name, pinned, manifest, config, chainId: parent ?? "" });
  }
  const databases = { images: stored, snapshots: [...snapshots.values()] };
  tree.directory(at(storePaths.metadata.replace(/\/[^/]*$/, "")), { mode: 0o711 });
  tree.file(at(storePaths.metadata), { bytes: metadataDatabase(databases, dateSeconds) });
  tree.file(
    at(storePaths.snapshotMetadata),
    { bytes: snapshotDatabase(databases.snapshots, dateSeconds) },
    { mode: 0o600 },
  );
  return tree;
}

function putFiles(tree: FileTree, folder: string, files: FileTree): void {
  // containerd makes the snapshot's own folder for root alone, and what is in it as the image says.
  tree.directory(folder.replace(/\/fs$/, ""), { mode: 0o700 });
  tree.directory(folder);
  for (const [path, entry] of files.entries()) {
    tree.put(
      `${folder}/${path}`,
      entry.kind === "hardlink" ? { ...entry, target: `${folder}/${entry.target}` } : entry,
    );
  }
}

/** As containerd counts: whole blocks of 4 KiB. */
function usageOf(files: FileTree): StoredSnapshot["usage"] {
  let inodes = 1;
  let sizeBytes = 4096;
  for (const [, entry] of files.entries()) {
    if (entry.kind === "hardlink") continue;
    inodes += 1;
    if (entry.kind === "directory") sizeBytes += 4096;
    else if (entry.kind === "file") sizeBytes += Math.ceil(contentSize(entry.content) / 4096) * 4096;
  }
  return { inodes, sizeBytes };
}
