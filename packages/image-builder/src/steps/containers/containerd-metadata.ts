/**
 * The two databases of a containerd store that already holds images: `meta.db` (what containerd knows) and the overlayfs snapshotter's `metadata.db`
 * (where it lies), as containerd 2.x writes them (core/metadata/buckets.go, core/snapshots/storage/bolt.go; schema v1, version 4; 1.x reads them too).
 *
 * All images are in the namespace `k8s.io` with the labels that the CRI plug-in gives its own, so it takes them over at its start and writes nothing.
 * No leases, one fixed time: the same images give the same bytes.
 */
import { BoltBucket, boltFile } from "./bolt-file.ts";

export interface StoredBlob {
  /** `sha256:<hex>`. */
  readonly digest: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
}

export interface StoredImage {
  /** As in pod specs. */
  readonly name: string;
  /** Never collected by the kubelet: the sandbox image. */
  readonly pinned: boolean;
  readonly manifest: StoredBlob;
  readonly config: StoredBlob;
  /** Of all layers, which are unpacked and not kept as blobs: the name of the topmost snapshot. */
  readonly chainId: string;
}

export interface StoredSnapshot {
  /** Of the layers up to this one (image-spec, "Layer ChainID"). */
  readonly chainId: string;
  /** Number of the folder that has the files. */
  readonly id: number;
  /** Of the layers below; absent for the lowest. */
  readonly parent?: string;
  /** False = the folder holds the layers below too, and none is laid under it. */
  readonly stacked: boolean;
  readonly usage: { readonly inodes: number; readonly sizeBytes: number };
}

export interface Stored {
  readonly images: readonly StoredImage[];
  /** One a chain id. */
  readonly snapshots: readonly StoredSnapshot[];
}

const namespace = "k8s.io";
const snapshotter = "overlayfs";
const databaseVersion = 4;
const committed = Buffer.of(3);
const yearOneToUnixSeconds = 62_135_596_800n;

/** Where the parts lie, relative to containerd's root. */
export const storePaths: {
  readonly metadata: string;
  readonly ingest: string;
  readonly snapshotter: string;
  readonly snapshotMetadata: string;
  blob(digest: string): string;
  snapshotFiles(id: number): string;
} = {
  metadata: "io.containerd.metadata.v1.bolt/meta.db",
  ingest: "io.containerd.content.v1.content/ingest",
  snapshotter: `io.containerd.snapshotter.v1.${snapshotter}`,
  snapshotMetadata: `io.containerd.snapshotter.v1.${snapshotter}/metadata.db`,
  blob: (digest) => `io.containerd.content.v1.content/blobs/${digest.replace(":", "/")}`,
  snapshotFiles: (id) => `io.containerd.snapshotter.v1.${snapshotter}/snapshots/${id}/fs`,
};

/** Contents of `meta.db`. Several images may share a manifest, a configuration or snapshots. */
export function metadataDatabase({ images, snapshots }: Stored, dateSeconds: number): Buffer {
  const root = new BoltBucket();
  const schema = root.bucket("v1").put("version", varint(databaseVersion));
  const space = schema.bucket(namespace);
  for (const { manifest, config } of distinctBy(images, ({ manifest }) => manifest.digest)) {
    putBlob(space, manifest, dateSeconds, { "containerd.io/gc.ref.content.config": config.digest });
  }
  const configurations = distinctBy(images, ({ config }) => config.digest);
  for (const { config, chainId } of configurations) {
    putBlob(space, config, dateSeconds, { [`containerd.io/gc.ref.snapshot.${snapshotter}`]: chainId });
  }
  for (const image of images) putImage(space, image.name, image, dateSeconds);
  // The CRI plug-in knows every image also by the digest of its configuration.
  for (const image of configurations) {
    const pinned = images.some((other) => other.pinned && other.config.digest === image.config.digest);
    putImage(space, image.config.digest, { ...image, pinned }, dateSeconds);
  }
  const bucket = space.bucket("snapshots").bucket(snapshotter);
  for (const { chainId, id, parent } of snapshots) {
    const entry = putTimes(bucket.bucket(chainId), dateSeconds).put("name", backendName(chainId, id));
    if (parent === undefined) continue;
    // Also where the files do not need what is below: it stays as long as this does, and whoever looks for every layer finds it.
    entry.put("parent", parent);
    bucket.bucket(parent).bucket("children").put(chainId, "");
  }
  bucket.sequence = highestId(snapshots);
  return boltFile(root);
}

/** Contents of the overlayfs snapshotter's `metadata.db`. */
export function snapshotDatabase(snapshots: readonly StoredSnapshot[], dateSeconds: number): Buffer {
  const root = new BoltBucket();
  const schema = root.bucket("v1");
  const parents = schema.bucket("parents");
  const bucket = schema.bucket("snapshots");
  const ids = new Map(snapshots.map(({ chainId, id }) => [chainId, id]));
  for (const { chainId, id, parent, stacked, usage } of snapshots) {
    const name = backendName(chainId, id);
    const entry = putTimes(bucket.bucket(name), dateSeconds)
      .put("id", unsignedVarint(BigInt(id)))
      .put("kind", committed)
      .put("inodes", varint(usage.inodes))
      .put("size", varint(usage.sizeBytes));
    const below = parent === undefined ? undefined : ids.get(parent);
    if (!stacked || parent === undefined || below === undefined) continue;
    entry.put("parent", backendName(parent, below));
    parents.put(Buffer.concat([unsignedVarint(BigInt(below)), Buffer.of(0), unsignedVarint(BigInt(id))]), name);
  }
  bucket.sequence = highestId(snapshots);
  return boltFile(root);
}

function distinctBy(images: readonly StoredImage[], key: (image: StoredImage) => string): readonly StoredImage[] {
  return [...new Map(images.map((image) => [key(image), image])).values()];
}

const backendName = (chainId: string, id: number): string => `${namespace}/${id}/${chainId}`;

const highestId = (snapshots: readonly StoredSnapshot[]): bigint =>
  BigInt(snapshots.reduce((highest, { id }) => Math.max(highest, id), 0));

function putImage(
  space: BoltBucket,
  name: string,
  image: Pick<StoredImage, "manifest" | "pinned">,
  dateSeconds: number,
): void {
  const bucket = putTimes(space.bucket("images").bucket(name), dateSeconds);
  const labels = bucket.bucket("labels").put("io.cri-containerd.image", "managed");
  if (image.pinned) labels.put("io.cri-containerd.pinned", "pinned");
  bucket
    .bucket("target")
    .put("digest", image.manifest.digest)
    .put("mediatype", image.manifest.mediaType)
    .put("size", varint(image.manifest.sizeBytes));
}

function putBlob(
  space: BoltBucket,
  blob: StoredBlob,
  dateSeconds: number,
  labels: Readonly<Record<string, string>>,
): void {
  const bucket = putTimes(space.bucket("content").bucket("blob").bucket(blob.digest), dateSeconds);
  bucket.put("size", varint(blob.sizeBytes));
  for (const [name, value] of Object.entries(labels)) bucket.bucket("labels").put(name, value);
}

function putTimes(bucket: BoltBucket, dateSeconds: number): BoltBucket {
  const time = goTime(dateSeconds);
  return bucket.put("createdat", time).put("updatedat", time);
}

/** As Go's `time.Time.MarshalBinary` writes a whole second in UTC. */
export function goTime(unixSeconds: number): Buffer {
  const bytes = Buffer.alloc(15);
  bytes.writeUInt8(1, 0);
  bytes.writeBigInt64BE(BigInt(unixSeconds) + yearOneToUnixSeconds, 1);
  bytes.writeInt16BE(-1, 13);
  return bytes;
}

/** As Go's `binary.PutVarint`: zigzag. */
export function varint(value: number): Buffer {
  const wide = BigInt(value);
  return unsignedVarint(wide < 0n ? -2n * wide - 1n : 2n * wide);
}

function unsignedVarint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
