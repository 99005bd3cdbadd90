/**
 * Whether an ELF kernel has the PVH entry, by which QEMU and Cloud Hypervisor start it: an ELF note of the owner `Xen` with the type
 * XEN_ELFNOTE_PHYS32_ENTRY. (Linux: include/xen/interface/elfnote.h, arch/x86/platform/pvh/head.S; notes: gABI chapter 5)
 */
import { elfSection } from "../elf-file.ts";

const noteTypePhys32Entry = 18;

/** Errors: IMAGE_BUILD_FAILED for what is no ELF file. */
export function hasPvhEntry(kernel: Buffer): boolean {
  const notes = elfSection(kernel, ".notes") ?? Buffer.alloc(0);
  const aligned = (size: number): number => Math.ceil(size / 4) * 4;
  for (let at = 0; at + 12 <= notes.length; ) {
    const nameSize = notes.readUInt32LE(at);
    const owner = notes.toString("latin1", at + 12, at + 12 + nameSize).replace(/\0$/, "");
    if (owner === "Xen" && notes.readUInt32LE(at + 8) === noteTypePhys32Entry) return true;
    at += 12 + aligned(nameSize) + aligned(notes.readUInt32LE(at + 4));
  }
  return false;
}
