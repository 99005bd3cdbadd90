/** The conformance suite over the fake and over the file store on a plain directory tree; needs mke2fs and qemu-img, no containerd, no root. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attempt } from "@liquidmetal/foundation";
import { FileBlockStore } from "@liquidmetal/images";
import { FakeBlockStore } from "@liquidmetal/images/fake";
import type { ImageStore, ResolvedImage } from "@liquidmetal/microvm";
import { ChildSpawner } from "../integration/images-spawner.ts";
import { blockStoreConformance } from "./images-block-store-suite.ts";

const image: ResolvedImage = {
  reference: "example.org/tree:1",
  digest: `sha256:${"a".repeat(64)}`,
  chainId: `sha256:${"b".repeat(64)}`,
  labels: {},
};

blockStoreConformance("fake", async () => ({
  store: new FakeBlockStore(),
  image,
  directory: async (owner) => `/fake/vm/${owner}`,
  close: async () => undefined,
}));

for (const prefer of ["qcow2", "raw"] as const) {
  blockStoreConformance(`file-store, ${prefer} first`, async () => {
    const root = await mkdtemp(join(tmpdir(), "lm-images-volumes-"));
    await mkdir(join(root, "tree", "etc"), { recursive: true });
    await writeFile(join(root, "tree", "etc", "hello"), "hello");
    const images: Pick<ImageStore, "withTree"> = {
      withTree: (_image, work) =>
        attempt(() => work({ mounts: [{ type: "bind", source: join(root, "tree"), options: ["ro", "rbind"] }] })),
    };
    const directory = join(root, "volumes");
    await mkdir(directory);
    const store = await FileBlockStore.open({
      directory,
      images,
      spawner: new ChildSpawner(),
      prefer,
      overcommitFactor: 100,
      idleBasesBytes: 0,
    });
    return {
      store,
      image,
      crowd: prefer === "qcow2" ? 200 : 20,
      directory: async (owner) => {
        const path = join(root, "vm", owner);
        await mkdir(path, { recursive: true });
        return path;
      },
      close: () => rm(root, { recursive: true, force: true }),
    };
  });
}
