/** Specs of microVMs that boot the quickstart's images. */
import type { SpecInit } from "./microvms.ts";
import type { World } from "./world.ts";

/** A small guest with one volume and one tap that says when it is ready. */
export function guestSpec(world: World, id: string, more: Partial<SpecInit> = {}): SpecInit {
  const { kernel, root } = world;
  return {
    id,
    namespace: "e2e",
    vcpu: 1,
    memoryInMb: 128,
    kernel: { image: kernel.reference, filename: kernel.elfKernelPath },
    initrd: { image: kernel.reference, filename: kernel.initrdPath },
    rootVolume: { id: "root", source: { containerSource: root.reference } },
    interfaces: [{ deviceId: "eth0", type: 1 }],
    ...more,
  };
}
