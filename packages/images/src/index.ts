/** Images and volumes: containerd, registries, files out of images, block volumes. */

export type { RegistryOptions } from "@liquidmetal/registry";
export { type ImageReference, parseReference } from "@liquidmetal/registry";
export type { ConnectionOptions } from "./containerd/connection.ts";
export { Containerd } from "./containerd/containerd.ts";
export { type ContainerdConfigOptions, containerdSocket, renderContainerdConfig } from "./containerd/daemon-config.ts";
export { ImageFileStore, type ImageFileStoreOptions } from "./files/image-file-store.ts";
export { ContainerdImageStore, type ContainerdImageStoreOptions } from "./store/containerd-image-store.ts";
export { type BlockStoreChoice, type BlockStorePreference, chooseBlockStore } from "./volumes/choose-block-store.ts";
export { FileBlockStore, type FileBlockStoreOptions, fileBlockStoreName } from "./volumes/file-block-store.ts";
export {
  SnapshotBlockStore,
  type SnapshotBlockStoreOptions,
  snapshotBlockStoreName,
} from "./volumes/snapshot-block-store.ts";
export {
  type VirtiofsRequest,
  VirtiofsStore,
  type VirtiofsStoreOptions,
  virtiofsStoreName,
} from "./volumes/virtiofs-store.ts";
