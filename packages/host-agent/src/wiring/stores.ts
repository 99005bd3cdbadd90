/** Images, files out of images and block volumes, over containerd. */
import { join } from "node:path";
import { ContainerdImageStore, FileBlockStore, ImageFileStore } from "@liquidmetal/images";
import type { BlockStore, FileStore, ImageStore, Spawner } from "@liquidmetal/microvm";
import type { AgentConfig } from "../config/index.ts";

export interface Stores {
  readonly images: ImageStore;
  readonly files: FileStore;
  readonly blockStores: readonly BlockStore[];
}

export async function openStores(config: AgentConfig, spawner: Spawner): Promise<Stores> {
  const { containerd, stateDir, capacity, volumes } = config;
  const images = new ContainerdImageStore({
    address: containerd.socket,
    namespace: containerd.namespace,
    ...(containerd.snapshotter === "" ? {} : { snapshotter: containerd.snapshotter }),
  });
  const files = await ImageFileStore.open({ directory: join(stateDir, "files"), images, spawner });
  const volumeStore = await FileBlockStore.open({
    directory: join(stateDir, "volumes"),
    images,
    spawner,
    reserveBytes: capacity.reserveDiskBytes,
    overcommitFactor: capacity.overcommitDisk,
    prefer: volumes.store === "copy" || volumes.store === "reflink" ? "raw" : "qcow2",
  });
  return { images, files, blockStores: [volumeStore] };
}
