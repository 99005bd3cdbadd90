/**
 * Takes the ELF kernel (vmlinux) out of a bzImage.
 *
 * Layout: Linux x86 boot protocol 2.08 or later (Documentation/arch/x86/boot.rst). The payload begins `payload_offset` bytes after the real-mode
 * sectors; all compressions but gzip are followed by the uncompressed size, four bytes, little endian, which is checked here.
 */
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { PlatformError } from "@liquidmetal/foundation";
import { isElf } from "../elf-file.ts";
import { runTool } from "../system-tool.ts";

/** The largest vmlinux that is believed: distributions' are around 60 MiB. */
export const maxKernelBytes: number = 512 * 1024 * 1024;

interface Compression {
  readonly name: string;
  readonly magic: readonly number[];
  /** Whether the payload ends with the uncompressed size. */
  readonly sizeAppended: boolean;
  readonly expand: (payload: Buffer, signal: AbortSignal | undefined) => Promise<Buffer> | Buffer;
}

const byTool =
  (tool: string): Compression["expand"] =>
  (payload, signal) =>
    runTool(tool, ["-d", "-c"], { input: payload, maxOutputBytes: maxKernelBytes, ...(signal && { signal }) });

const compressions: readonly Compression[] = [
  {
    name: "gzip",
    magic: [0x1f, 0x8b],
    sizeAppended: false,
    expand: (payload) => gunzipSync(payload, { maxOutputLength: maxKernelBytes }),
  },
  { name: "lz4", magic: [0x02, 0x21, 0x4c, 0x18], sizeAppended: true, expand: byTool("lz4") },
  { name: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], sizeAppended: true, expand: byTool("xz") },
  {
    name: "zstd",
    magic: [0x28, 0xb5, 0x2f, 0xfd],
    sizeAppended: true,
    expand: (payload) => zstdDecompressSync(payload, { maxOutputLength: maxKernelBytes }),
  },
  // An uncompressed kernel (CONFIG_KERNEL_UNCOMPRESSED).
  { name: "none", magic: [0x7f, 0x45, 0x4c, 0x46], sizeAppended: false, expand: (payload) => payload },
];

/** Errors: KERNEL_INVALID for what is no bzImage or has a payload that does not expand to an ELF file; TOOL_MISSING for lz4 and xz. */
export async function extractVmlinux(
  bzImage: Buffer,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Buffer> {
  const payload = kernelPayload(bzImage);
  const compression = compressions.find(({ magic }) => magic.every((byte, index) => payload[index] === byte));
  if (compression === undefined) {
    throw invalid(`its payload has an unknown compression (${payload.subarray(0, 6).toString("hex")})`);
  }
  const body = compression.sizeAppended ? payload.subarray(0, -4) : payload;
  const kernel = await expand(compression, body, options.signal);
  if (compression.sizeAppended && payload.readUInt32LE(payload.length - 4) !== kernel.length) {
    throw invalid("its payload expands to another size than it says");
  }
  if (!isElf(kernel)) throw invalid("its payload is no ELF file");
  return kernel;
}

async function expand(compression: Compression, body: Buffer, signal: AbortSignal | undefined): Promise<Buffer> {
  try {
    return await compression.expand(body, signal);
  } catch (error) {
    if (error instanceof PlatformError && error.code !== "IMAGE_BUILD_FAILED") throw error;
    throw new PlatformError("KERNEL_INVALID", `the bzImage's ${compression.name} payload cannot be expanded`, {
      cause: error,
    });
  }
}

function kernelPayload(bzImage: Buffer): Buffer {
  const isBzImage = bzImage.length > 0x260 && bzImage.toString("latin1", 0x202, 0x206) === "HdrS";
  if (!isBzImage) throw invalid("it has no boot header");
  if (bzImage.readUInt16LE(0x206) < 0x0208) throw invalid("its boot protocol is older than 2.08");
  // Zero means four, for very old boot loaders' sake.
  const setupSectors = bzImage.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + bzImage.readUInt32LE(0x248);
  const length = bzImage.readUInt32LE(0x24c);
  if (length < 8 || start + length > bzImage.length) throw invalid("its payload reaches beyond the end of the file");
  return bzImage.subarray(start, start + length);
}

const invalid = (why: string): PlatformError =>
  new PlatformError("KERNEL_INVALID", `this is no bzImage that can be used: ${why}`);
