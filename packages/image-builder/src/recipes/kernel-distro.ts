/**
 * `kernel/distro`: the distribution's own kernel for virtual machines, repacked, with an initrd of the modules it needs.
 *
 * `boot/vmlinuz` (bzImage), `boot/vmlinux` (the ELF file inside it: Firecracker wants this one, and QEMU boots it by PVH), `boot/initrd.img`,
 * `boot/config`. Ready in seconds; for impatience and for CI.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { findFile, packageNamed } from "../debian/unpacking.ts";
import { extractVmlinux } from "../kernel/bzimage.ts";
import { cpioOf } from "../kernel/cpio-archive.ts";
import { initrdTree } from "../kernel/initrd.ts";
import { indexModules, type ModuleCondition, moduleClosure, type WantedModule } from "../kernel/modules.ts";
import type { AssembleContext, AssembledImage, Recipe } from "../recipe.ts";
import { FileTree } from "../tree/file-tree.ts";

const required = (...names: string[]): WantedModule[] => names.map((name) => ({ name, required: true }));
const optional = (...names: string[]): WantedModule[] => names.map((name) => ({ name }));
const forDevice = (condition: ModuleCondition, name: string): WantedModule => ({ name, condition });

/** What the initrd loads, in this order. Built-in ones are skipped: Ubuntu's kernels have most of them built in. */
const modules: readonly WantedModule[] = [
  ...required("virtio_mmio"),
  forDevice("pci", "virtio_pci"),
  ...required("virtio_blk", "ext4"),
  // The metadata disk: vfat (code page and character set are separate modules) or iso9660.
  ...required("vfat", "nls_cp437"),
  ...optional("nls_ascii", "nls_iso8859-1", "isofs", "overlay"),
  // The ACPI power button, and how user space hears of it.
  ...optional("button", "evdev"),
  forDevice("virtio:0x0001", "virtio_net"),
  forDevice("virtio:0x0003", "virtio_console"),
  forDevice("virtio:0x0004", "virtio_rng"),
  forDevice("virtio:0x0005", "virtio_balloon"),
  forDevice("virtio:0x0013", "vmw_vsock_virtio_transport"),
  forDevice("virtio:0x001a", "virtiofs"),
];

const kernelPackage = /^linux-image(-unsigned)?-\d/;

export const kernelDistro: Recipe = {
  name: "kernel/distro",
  title: "Distribution kernel for microVMs",
  revision: 1,
  settings: { modules },
  architectures: ["amd64"],
  packages: [
    ["linux-image-cloud-amd64", "busybox-static"],
    ["linux-image-virtual", "busybox-static"],
    ["linux-image-kvm", "busybox-static"],
    ["linux-image-amd64", "busybox-static"],
    ["linux-image-generic", "busybox-static"],
  ],
  needs: (name) => kernelPackage.test(name) || /^linux-modules-\d/.test(name) || name === "busybox-static",
  guestFiles: ["initrd"],
  assemble,
};

async function assemble(context: AssembleContext): Promise<AssembledImage> {
  const { packages, epochSeconds, signal } = context;
  const image = packageNamed(packages, kernelPackage);
  const vmlinuz = await findFile(packages, /^boot\/vmlinuz-/);
  const config = await findFile(packages, /^boot\/config-/);
  const busybox = await findFile(packages, /^(usr\/)?bin\/busybox$/);
  const release = vmlinuz.path.slice("boot/vmlinuz-".length);
  const builtin = await findFile(packages, /^(usr\/)?lib\/modules\/[^/]+\/modules\.builtin$/);
  const index = await indexModules(join(builtin.hostPath, ".."));
  const initrd = initrdTree({
    release,
    busybox: { file: busybox.hostPath, sizeBytes: busybox.stats.size },
    init: await readFile(join(context.guestDirectory, "initrd/init"), "utf8"),
    modules: await moduleClosure(index, modules),
  });
  const bzImage = await readFile(vmlinuz.hostPath);
  const tree = new FileTree()
    .file("boot/vmlinuz", { bytes: bzImage })
    .file("boot/vmlinux", { bytes: await extractVmlinux(bzImage, signal === undefined ? {} : { signal }) })
    .file("boot/initrd.img", { bytes: await cpioOf(initrd, epochSeconds) })
    .file("boot/config", { file: config.hostPath, sizeBytes: config.stats.size });
  return {
    tree,
    version: image.version,
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
