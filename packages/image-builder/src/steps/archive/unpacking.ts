/**
 * Which kind of file it is, by its first bytes, and the tar inside, uncompressed in a file of its own: a tree then takes its contents as slices of that.
 *
 * A tar that unpacks to more than the bound, or ends too early, is refused: a small archive can hold terabytes of zeros.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { PlatformError } from "@liquidmetal/foundation";
import { contentOf } from "../../oci/layer.ts";
import { runTool } from "../../system-tool.ts";

export type ArchiveFormat = "tar" | "gzip" | "xz" | "zstd" | "zip" | "plain";

export interface UnpackingOptions {
  /** Default 32 GiB. */
  readonly sizeMaxBytes?: number;
  readonly signal?: AbortSignal;
}

const defaultMaxBytes = 32 * 1024 ** 3;
const tarMagicAt = 257;

export async function archiveFormat(file: string): Promise<ArchiveFormat> {
  const head = Buffer.alloc(512);
  await using handle = await open(file);
  await handle.read(head, 0, head.length, 0);
  return formatOf(head);
}

/** Of the first 512 bytes. */
export function formatOf(head: Buffer): ArchiveFormat {
  const hex = head.toString("hex", 0, 6);
  if (hex.startsWith("1f8b")) return "gzip";
  if (hex === "fd377a585a00") return "xz";
  if (hex.startsWith("28b52ffd")) return "zstd";
  if (hex.startsWith("504b0304") || hex.startsWith("504b0506")) return "zip";
  return head.toString("latin1", tarMagicAt, tarMagicAt + 5) === "ustar" ? "tar" : "plain";
}

/** Decompresses `file` to `target`; returns what it then is: a tar, or a plain file. */
export async function decompress(
  file: string,
  format: "gzip" | "xz" | "zstd",
  target: string,
  options: UnpackingOptions = {},
): Promise<ArchiveFormat> {
  const { sizeMaxBytes = defaultMaxBytes, signal } = options;
  try {
    if (format === "xz") await decompressXz(file, target, sizeMaxBytes, signal);
    else {
      const content = contentOf(
        createReadStream(file),
        Buffer.from(format === "gzip" ? "1f8b0800" : "28b52ffd", "hex"),
      );
      await pipeline(content, bounded(sizeMaxBytes), createWriteStream(target), { ...(signal && { signal }) });
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw PlatformError.from(error, "IMAGE_CORRUPT", `the ${format} archive cannot be unpacked`);
  }
  return archiveFormat(target);
}

function bounded(sizeMaxBytes: number): Transform {
  let done = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, next): void {
      done += chunk.length;
      next(done > sizeMaxBytes ? tooLarge(sizeMaxBytes) : null, chunk);
    },
  });
}

/** xz says before it starts how much it will write, and holds itself to it. */
async function decompressXz(file: string, target: string, maxBytes: number, signal?: AbortSignal): Promise<void> {
  const options = { timeoutMs: xzTimeoutMs, ...(signal && { signal }) };
  const totals = (await runTool("xz", ["--list", "--robot", "--", file], options)).toString();
  const size = Number(/^totals\t\d+\t\d+\t\d+\t(\d+)\t/m.exec(totals)?.[1]);
  if (!(size <= maxBytes)) throw tooLarge(maxBytes);
  await runTool("xz", ["--decompress", "--stdout", "--", file], { ...options, outputFile: target });
}

const xzTimeoutMs = 30 * 60_000;

const tooLarge = (maxBytes: number): PlatformError =>
  new PlatformError("IMAGE_CORRUPT", `the archive is refused: it unpacks to more than ${maxBytes} bytes`);
