/** `kernel/distro` as a recipe of the first builder; what it makes is in kernel/distro-kernel.ts. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { packageNamed } from "../debian/unpacking.ts";
import {
  distroBootTree,
  initrdModules,
  isKernelPackage,
  isUsedPackage,
  kernelFiles,
  kernelPackages,
  shellPackage,
} from "../kernel/distro-kernel.ts";
import type { AssembleContext, AssembledImage, Recipe } from "../recipe.ts";

export const kernelDistro: Recipe = {
  name: "kernel/distro",
  title: "Distribution kernel for microVMs",
  revision: 1,
  settings: { modules: initrdModules },
  architectures: ["amd64"],
  packages: kernelPackages.map((names) => [...names, shellPackage]),
  needs: isUsedPackage,
  guestFiles: ["initrd"],
  assemble,
};

async function assemble(context: AssembleContext): Promise<AssembledImage> {
  const { packages, epochSeconds, signal } = context;
  const { release } = await kernelFiles(packages);
  const name = packages.find((entry) => isKernelPackage(entry.name))?.name ?? "linux-image";
  const init = await readFile(join(context.guestDirectory, "initrd/init"), "utf8");
  const tree = await distroBootTree(packages, { init, dateSeconds: epochSeconds, ...(signal && { signal }) });
  return {
    tree,
    version: packageNamed(packages, name).version,
    labels: {
      "dev.liquidmetal.kernel.path": "boot/vmlinuz",
      "dev.liquidmetal.kernel.elf.path": "boot/vmlinux",
      "dev.liquidmetal.initrd.path": "boot/initrd.img",
      "dev.liquidmetal.kernel.version": release,
      "dev.liquidmetal.boot.args": "console=ttyS0 root=/dev/vda",
      // Under emulation the kernel may fail to calibrate its clock: the hypervisor driver fills in the host's kHz.
      "dev.liquidmetal.boot.args.emulated": "tsc_early_khz",
    },
  };
}
