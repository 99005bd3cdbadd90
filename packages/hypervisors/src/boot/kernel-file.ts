/**
 * What kind of kernel a file is, by its magic numbers.
 *
 * ELF: `\x7fELF` (vmlinux; booted by its PVH note). bzImage: `HdrS` at 0x202 and the boot sector's 0xAA55 (Linux Documentation/arch/x86/boot.rst).
 */
import { open } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";

export type KernelFormat = "elf" | "bzimage";

/** Reads the head of `path`. Throws KERNEL_INVALID when it cannot be read or is no kernel. */
export async function kernelFormat(path: string): Promise<KernelFormat> {
  const head = Buffer.alloc(0x206);
  try {
    await using file = await open(path, "r");
    await file.read(head, 0, head.length, 0);
  } catch (error) {
    throw PlatformError.from(error, "KERNEL_INVALID", `kernel ${path} cannot be read`);
  }
  if (head.readUInt32BE(0) === 0x7f454c46) return "elf";
  if (head.toString("latin1", 0x202, 0x206) === "HdrS" && head.readUInt16LE(0x1fe) === 0xaa55) return "bzimage";
  throw new PlatformError("KERNEL_INVALID", `${path} is neither an ELF vmlinux nor a bzImage`);
}
