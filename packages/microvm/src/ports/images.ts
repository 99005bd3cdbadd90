/**
 * Ports: images (content), kernels (files out of images) and block stores (bootable volumes out of images).
 *
 * Vocabulary. A *reference* names an image in a registry; a *digest* names its manifest for this platform. A *hold* keeps an image's content from
 * garbage collection on behalf of an owner (a microVM's uid); it is a containerd lease. A *volume* is a block device or file that one microVM writes.
 */
import type { PlatformError, Result } from "@liquidmetal/foundation";
import type { MadeFile, MadeVolume } from "../record.ts";

export interface ImageCallOptions {
  readonly signal?: AbortSignal;
}

export interface ImageInfo {
  readonly reference: string;
  /** Of the manifest or index that the reference names. */
  readonly digest: string;
  readonly mediaType: string;
  readonly platforms: readonly string[];
  /** Compressed size of the content on this host, bytes. */
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  /** From the image's configuration and manifest annotations. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface ResolvedImage {
  readonly reference: string;
  /** Of the manifest for this platform. */
  readonly digest: string;
  /** Key of the unpacked file tree (chain id of the last layer). */
  readonly chainId: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface PullProgress {
  readonly reference: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/**
 * Concurrent `ensure` calls for one reference pull once. A reference already on the host is not asked of its registry again.
 * Errors: IMAGE_NOT_FOUND, IMAGE_UNAUTHORIZED, IMAGE_PULL_FAILED, IMAGE_CORRUPT, IMAGE_WRONG_PLATFORM, CONTAINERD_UNAVAILABLE.
 */
export interface ImageStore {
  /** Pulls unless present, unpacks unless unpacked, and holds it for `owner`. */
  ensure(reference: string, owner: string, options?: ImageCallOptions): Promise<Result<ResolvedImage, PlatformError>>;
  /** Ends every hold of `owner`. */
  release(owner: string, options?: ImageCallOptions): Promise<Result<void, PlatformError>>;
  /** Owners that hold something now: for the orphan sweep. */
  holders(options?: ImageCallOptions): Promise<Result<readonly string[], PlatformError>>;
  list(options?: ImageCallOptions): Promise<Result<readonly ImageInfo[], PlatformError>>;
  inspect(reference: string, options?: ImageCallOptions): Promise<Result<ImageInfo, PlatformError>>;
  pull(
    reference: string,
    options?: ImageCallOptions & { readonly onProgress?: (progress: PullProgress) => void },
  ): Promise<Result<ImageInfo, PlatformError>>;
  /** Imports an OCI layout or docker archive, as a tar stream. Returns what it held. */
  import(
    archive: AsyncIterable<Uint8Array>,
    options?: ImageCallOptions & { readonly reference?: string },
  ): Promise<Result<readonly ImageInfo[], PlatformError>>;
  remove(reference: string, options?: ImageCallOptions): Promise<Result<void, PlatformError>>;
  /** Calls `work` with a directory that shows the image's file tree read-only, for as long as it runs. */
  withTree<T>(
    image: ResolvedImage,
    work: (tree: ImageTree) => Promise<T>,
    options?: ImageCallOptions,
  ): Promise<Result<T, PlatformError>>;
  /** Answers within its deadline: is containerd there, and which version. */
  ping(options?: ImageCallOptions): Promise<Result<{ readonly version: string }, PlatformError>>;
}

/**
 * An image's file tree, as mount instructions (what containerd hands out). A single bind mount can be read in place; an overlay must be mounted by
 * whoever reads it, in a private mount namespace, so that nothing stays mounted when anything dies.
 */
export interface ImageTree {
  readonly mounts: readonly { readonly type: string; readonly source: string; readonly options: readonly string[] }[];
}

/** Files out of images, cached by digest and path. Paths are confined to the image (symlinks resolve inside it). */
export interface FileStore {
  fetch(image: ResolvedImage, filename: string, options?: ImageCallOptions): Promise<Result<MadeFile, PlatformError>>;
  /** Removes cached files of images for which `inUse` says no. */
  prune(inUse: (imageDigest: string) => boolean): Promise<Result<void, PlatformError>>;
}

export interface VolumeRequest {
  readonly owner: string;
  readonly volumeId: string;
  /** Directory that belongs to the microVM, for stores that keep volumes as files. */
  readonly directory: string;
  readonly image: ResolvedImage;
  readonly readOnly: boolean;
  /** Bytes; absent = image's need plus the store's head-room (default: next multiple of 512 MiB at least 256 MiB above the tree). */
  readonly sizeBytes?: number;
  /** Formats that the hypervisor can open, best first. */
  readonly formats: readonly ("raw" | "qcow2")[];
  /** Owner of the files made, for a VMM that runs as its own user. */
  readonly fileOwner?: { readonly uid: number; readonly gid: number };
}

export interface VolumeUsage {
  /** Free and total bytes where volumes live. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Promised to volumes and not yet written, bytes. */
  readonly promisedBytes: number;
}

/**
 * A block store turns an image into a bootable block volume: the base is built once per image and size (content-keyed), clones are cheap.
 * `create` twice for one owner and volume returns the same volume with its content. A base in use is never changed or removed.
 * Errors: DISK_FULL (refused before it fills the disk), VOLUME_FAILED, CONTAINERD_UNAVAILABLE.
 */
export interface BlockStore {
  readonly name: string;
  create(request: VolumeRequest, options?: ImageCallOptions): Promise<Result<MadeVolume, PlatformError>>;
  exists(volume: MadeVolume, options?: ImageCallOptions): Promise<boolean>;
  /** Succeeds when it is gone already. */
  release(volume: MadeVolume, owner: string, options?: ImageCallOptions): Promise<Result<void, PlatformError>>;
  /** Releases whatever `owner` has here, also volumes that were made and never committed (a crash between act and commit). */
  releaseAll?(owner: string, options?: ImageCallOptions): Promise<Result<void, PlatformError>>;
  /** Owners that have volumes outside their own directory (snapshots, devices): for the orphan sweep. Absent = none ever. */
  owners?(options?: ImageCallOptions): Promise<Result<readonly string[], PlatformError>>;
  usage(): Promise<Result<VolumeUsage, PlatformError>>;
  /** Removes bases that no volume needs and for which `inUse` says no, and half-made leftovers; least recently used first, until below the bound. */
  prune(inUse: (imageDigest: string) => boolean): Promise<Result<void, PlatformError>>;
}
