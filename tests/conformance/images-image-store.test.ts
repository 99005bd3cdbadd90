/** The conformance suite over the fake and, as root, over real containerd daemons. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContainerdImageStore } from "@liquidmetal/images";
import { FakeImageStore } from "@liquidmetal/images/fake";
import { containerd1, containerd2Binary, PrivateContainerd } from "../assets/containerd.ts";
import { image, layoutArchive, streamed } from "../assets/containerd-images.ts";
import { ScriptedRegistry } from "../assets/containerd-registries.ts";
import { type ImageStoreWorld, imageStoreConformance } from "./images-image-store-suite.ts";

const archive = async (): Promise<Buffer> =>
  await layoutArchive(await image([[{ name: "file", content: "imported" }]]));

imageStoreConformance("fake", async () => {
  const bytes = await archive();
  return {
    store: new FakeImageStore([{ reference: "example.org/one:1" }, { reference: "example.org/two:1" }]),
    references: ["example.org/one:1", "example.org/two:1"],
    missing: "example.org/none:1",
    archive: () => streamed(bytes),
    close: async () => undefined,
  };
});

for (const major of [1, 2] as const) {
  const program = await (major === 1 ? containerd1() : containerd2Binary());
  const open = async (): Promise<ImageStoreWorld> => {
    const root = await mkdtemp(join(tmpdir(), "lm-images-suite-"));
    const daemon = new PrivateContainerd({ program: String(program), major, directory: join(root, "containerd") });
    const registry = new ScriptedRegistry();
    const [host, bytes] = await Promise.all([registry.listen(), archive(), daemon.start()]);
    for (const name of ["one", "two"]) registry.serve(name, await image([[{ name: "file", content: name }]]));
    const store = new ContainerdImageStore({ address: daemon.address });
    return {
      store,
      references: [`${host}/one:1`, `${host}/two:1`],
      missing: `${host}/none:1`,
      archive: () => streamed(bytes),
      close: async () => {
        store.close();
        await registry.close();
        await daemon.kill("SIGTERM");
        await rm(root, { recursive: true, force: true });
      },
    };
  };
  imageStoreConformance(`containerd ${major}.x`, open, typeof program === "string" ? false : program.skip);
}
