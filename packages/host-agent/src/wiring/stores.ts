/** Images, files out of images, block volumes and shared folders, over containerd. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { unwrap } from "@liquidmetal/foundation";
import { ContainerdImageStore, chooseBlockStore, FileBlockStore, ImageFileStore } from "@liquidmetal/images";
import type { BlockStore, FileStore, ImageStore, Spawner } from "@liquidmetal/microvm";
import type { AgentConfig } from "../config/index.ts";

export interface Stores {
  readonly images: ImageStore;
  readonly files: FileStore;
  readonly blockStores: readonly BlockStore[];
}

/** `usersOf`: which microVMs use an image; asked before one is removed. */
export async function openStores(
  config: AgentConfig,
  spawner: Spawner,
  usersOf: (reference: string) => readonly string[],
): Promise<Stores> {
  const { containerd, stateDir } = config;
  const images = new ContainerdImageStore({
    address: containerd.socket,
    namespace: containerd.namespace,
    usersOf,
    registry: {
      ...(containerd.registryAuthFile === "" ? {} : { credentialsPath: containerd.registryAuthFile }),
      ...(containerd.registryHostsDir === "" ? {} : { hostsDirectory: containerd.registryHostsDir }),
    },
  });
  const files = await ImageFileStore.open({ directory: join(stateDir, "files"), images, spawner });
  return { images, files, blockStores: await openBlockStores(config, images, spawner) };
}

/** The one that makes new volumes first; the file store is always there, for volumes of before the configuration changed. */
async function openBlockStores(
  config: AgentConfig,
  images: ContainerdImageStore,
  spawner: Spawner,
): Promise<readonly BlockStore[]> {
  const { capacity, volumes, containerd, stateDir } = config;
  const directory = join(stateDir, "volumes");
  await mkdir(directory, { recursive: true, mode: 0o711 });
  const disk = { reserveBytes: capacity.reserveDiskBytes, overcommitFactor: capacity.overcommitDisk };
  if (volumes.store === "snapshotter") {
    const snapshotter = containerd.snapshotter === "" ? "devmapper" : containerd.snapshotter;
    const preference = `snapshot-store:${snapshotter}`;
    const snapshots = unwrap(
      await chooseBlockStore({
        preference,
        directory: join(stateDir, "snapshots"),
        images,
        spawner,
        formats: ["raw"],
        disk,
      }),
    );
    return [snapshots, await FileBlockStore.open({ ...disk, directory, images, spawner })];
  }
  if (volumes.store === "auto") {
    // QEMU reads qcow2; the drivers for raw-only VMMs ask for raw per volume.
    return [
      unwrap(
        await chooseBlockStore({ preference: "auto", directory, images, spawner, formats: ["qcow2", "raw"], disk }),
      ),
    ];
  }
  const prefer = volumes.store === "qcow2" ? "qcow2" : "raw";
  return [await FileBlockStore.open({ ...disk, directory, images, spawner, prefer })];
}
