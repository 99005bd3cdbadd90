/** containerd as we use it: images, content, leases, snapshots, diff, version. Works with 1.6 and 2.x alike. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Diff } from "@liquidmetal/api/containerd/services/diff/v1/diff_pb.js";
import { type Image, Images } from "@liquidmetal/api/containerd/services/images/v1/images_pb.js";
import { Namespaces } from "@liquidmetal/api/containerd/services/namespaces/v1/namespace_pb.js";
import { Version } from "@liquidmetal/api/containerd/services/version/v1/version_pb.js";
import type { Descriptor } from "@liquidmetal/registry";
import { type ConnectionOptions, type ContainerdCallOptions, ContainerdConnection } from "./connection.ts";
import { ContentStore } from "./content.ts";
import { isAlreadyExists, isNotFound } from "./failure.ts";
import { LeaseStore } from "./leases.ts";
import { type SnapshotMount, SnapshotStore } from "./snapshots.ts";

export interface ImageRecord {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
}

export class Containerd {
  readonly connection: ContainerdConnection;
  readonly content: ContentStore;
  readonly leases: LeaseStore;

  constructor(options: ConnectionOptions) {
    this.connection = new ContainerdConnection(options);
    this.content = new ContentStore(this.connection);
    this.leases = new LeaseStore(this.connection);
  }

  close(): void {
    this.connection.close();
  }

  snapshots(snapshotter: string): SnapshotStore {
    return new SnapshotStore(this.connection, snapshotter);
  }

  /** The daemon's version. Its default deadline is short: it is the liveness check. */
  async version(options?: ContainerdCallOptions): Promise<string> {
    return (await this.connection.unary(Version.method.version, {}, { timeoutMs: 3_000, ...options })).version;
  }

  /** Makes our namespace known; succeeds when it is. */
  async ensureNamespace(options?: ContainerdCallOptions): Promise<void> {
    try {
      await this.connection.unary(
        Namespaces.method.create,
        { namespace: { name: this.connection.namespace } },
        options,
      );
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }

  /** Undefined = no such image. */
  async image(name: string, options?: ContainerdCallOptions): Promise<ImageRecord | undefined> {
    try {
      const { image } = await this.connection.unary(Images.method.get, { name }, options);
      return image === undefined ? undefined : recordOf(image);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async images(options?: ContainerdCallOptions): Promise<readonly ImageRecord[]> {
    const { images } = await this.connection.unary(Images.method.list, { filters: [] }, options);
    return images.map(recordOf);
  }

  /** Creates the image record, or points it at another target. */
  async putImage(name: string, target: Descriptor, options?: ContainerdCallOptions): Promise<void> {
    const image = {
      name,
      labels: {},
      target: { mediaType: target.mediaType, digest: target.digest, size: BigInt(target.sizeBytes), annotations: {} },
    };
    try {
      await this.connection.unary(Images.method.create, { image }, options);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      await this.connection.unary(Images.method.update, { image, updateMask: { paths: ["target"] } }, options);
    }
  }

  /** Removes the record and collects what nothing holds any more, before it returns. False = there was none. */
  async removeImage(name: string, options?: ContainerdCallOptions): Promise<boolean> {
    try {
      await this.connection.unary(Images.method.delete, { name, sync: true }, { timeoutMs: 60_000, ...options });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** Unpacks one layer onto mounts. Returns the digest of what was in it, uncompressed. */
  async apply(layer: Descriptor, mounts: readonly SnapshotMount[], options?: ContainerdCallOptions): Promise<string> {
    const request = {
      diff: { mediaType: layer.mediaType, digest: layer.digest, size: BigInt(layer.sizeBytes), annotations: {} },
      mounts: mounts.map(({ type, source, options: flags }) => ({ type, source, options: [...flags] })),
    };
    const { applied } = await this.connection.unary(Diff.method.apply, request, { timeoutMs: 1_800_000, ...options });
    return applied?.digest ?? "";
  }
}

function recordOf(image: Image): ImageRecord {
  const { target } = image;
  return {
    name: image.name,
    target: { mediaType: target?.mediaType ?? "", digest: target?.digest ?? "", sizeBytes: Number(target?.size ?? 0n) },
    labels: image.labels,
    createdAtMs: image.createdAt === undefined ? 0 : timestampMs(image.createdAt),
  };
}
