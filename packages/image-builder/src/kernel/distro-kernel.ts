/**
 * The distribution's own kernel for virtual machines, repacked so that every hypervisor boots it, with an initrd of the modules it needs.
 *
 * `boot/vmlinuz` (bzImage), `boot/vmlinux` (the ELF file inside it: Firecracker wants this one, and QEMU boots it by PVH), `boot/initrd.img`,
 * `boot/config`.
 */
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { findFile, type UnpackedPackage } from "../debian/unpacking.ts";
import { FileTree } from "../tree/file-tree.ts";
import { extractVmlinux } from "./bzimage.ts";
import { cpioOf } from "./cpio-archive.ts";
import { initrdTree } from "./initrd.ts";
import { indexModules, type ModuleCondition, moduleClosure, type WantedModule } from "./modules.ts";

/** Sets of packages, the first that apt knows is taken: Debian's cloud kernel, Ubuntu's for virtual machines, then whatever is there. */
export const kernelPackages: readonly (readonly string[])[] = [
  ["linux-image-cloud-amd64"],
  ["linux-image-virtual"],
  ["linux-image-kvm"],
  ["linux-image-amd64"],
  ["linux-image-generic"],
];

/** What /init and `insmod` come from. */
export const shellPackage = "busybox-static";

const required = (...names: string[]): WantedModule[] => names.map((name) => ({ name, required: true }));
const optional = (...names: string[]): WantedModule[] => names.map((name) => ({ name }));
const forDevice = (condition: ModuleCondition, name: string): WantedModule => ({ name, condition });

/** What the initrd loads, in this order. Built-in ones are skipped: Ubuntu's kernels have most of them built in. */
export const initrdModules: readonly WantedModule[] = [
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

/** The package with the kernel itself; its version is the version of what is built from it. */
export const isKernelPackage = (name: string): boolean => /^linux-image-(unsigned-)?\d/.test(name);

/** Packages whose files are used: the others that apt names are for installed systems (scripts, firmware, initramfs tools). */
export const isUsedPackage = (name: string): boolean =>
  isKernelPackage(name) || /^linux-modules-\d/.test(name) || name === shellPackage;

export interface KernelFiles {
  /** As `uname -r` says. */
  readonly release: string;
  readonly vmlinuz: string;
  readonly config: string;
  /** The directory `lib/modules/<release>`. */
  readonly modules: string;
}

/** Where the unpacked packages have the kernel's files, on this machine. Errors: IMAGE_BUILD_FAILED where one is not there. */
export async function kernelFiles(packages: readonly UnpackedPackage[]): Promise<KernelFiles> {
  const vmlinuz = await findFile(packages, /^boot\/vmlinuz-/);
  const config = await findFile(packages, /^boot\/config-/);
  const builtin = await findFile(packages, /^(usr\/)?lib\/modules\/[^/]+\/modules\.builtin$/);
  return {
    release: vmlinuz.path.slice("boot/vmlinuz-".length),
    vmlinuz: vmlinuz.hostPath,
    config: config.hostPath,
    modules: dirname(builtin.hostPath),
  };
}

export interface BootOptions {
  /** The text of the initrd's /init. */
  readonly init: string;
  /** Seconds since 1970: the time of everything in the initrd. */
  readonly dateSeconds: number;
  readonly signal?: AbortSignal;
}

/** The tree with kernel and initrd below `boot/`. Errors: KERNEL_INVALID, IMAGE_BUILD_FAILED, TOOL_MISSING. */
export async function distroBootTree(packages: readonly UnpackedPackage[], options: BootOptions): Promise<FileTree> {
  const { init, dateSeconds, signal } = options;
  const files = await kernelFiles(packages);
  const busybox = await findFile(packages, /^(usr\/)?bin\/busybox$/);
  const initrd = initrdTree({
    release: files.release,
    busybox: { file: busybox.hostPath, sizeBytes: busybox.stats.size },
    init,
    modules: await moduleClosure(await indexModules(files.modules), initrdModules),
  });
  const bzImage = await readFile(files.vmlinuz);
  return new FileTree()
    .file("boot/vmlinuz", { bytes: bzImage })
    .file("boot/vmlinux", { bytes: await extractVmlinux(bzImage, signal === undefined ? {} : { signal }) })
    .file("boot/initrd.img", { bytes: await cpioOf(initrd, dateSeconds) })
    .file("boot/config", { bytes: await readFile(files.config) });
}
