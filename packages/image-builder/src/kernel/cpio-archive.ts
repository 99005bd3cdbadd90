/**
 * A tree as a cpio archive of the kind that Linux unpacks as its initrd ("newc": Documentation/driver-api/early-userspace/buffer-format.rst).
 *
 * Uncompressed: under emulation the kernel takes longer to expand it than the hypervisor takes to load the bytes, and as part of an image it is
 * compressed anyway. All in memory; meant for initrds of a few MiB.
 */
import { readFile } from "node:fs/promises";
import type { FileTree, TreeEntry } from "../tree/file-tree.ts";

const fileTypes: Readonly<Record<Exclude<TreeEntry["kind"], "hardlink" | "whiteout">, number>> = {
  directory: 0o040000,
  file: 0o100000,
  symlink: 0o120000,
  "character-device": 0o020000,
  "block-device": 0o060000,
  fifo: 0o010000,
};

export async function cpioOf(tree: FileTree, epochSeconds: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let inode = 0;
  for (const [path, entry] of tree.entries()) {
    // There is nothing below an initrd that could be taken away.
    if (entry.kind === "whiteout") continue;
    inode += 1;
    parts.push(...record(path, entry, await data(tree, entry), inode, epochSeconds));
  }
  parts.push(...record("TRAILER!!!", undefined, Buffer.alloc(0), 0, 0));
  return Buffer.concat(parts);
}

async function data(tree: FileTree, entry: TreeEntry): Promise<Buffer> {
  if (entry.kind === "symlink") return Buffer.from(entry.target);
  // A hard link becomes a copy: an initrd has no use for the difference.
  const source = entry.kind === "hardlink" ? tree.get(entry.target) : entry;
  if (source?.kind !== "file") return Buffer.alloc(0);
  if ("bytes" in source.content) return Buffer.from(source.content.bytes);
  const { file, sizeBytes, offsetBytes = 0 } = source.content;
  return (await readFile(file)).subarray(offsetBytes, offsetBytes + sizeBytes);
}

function record(
  name: string,
  entry: Exclude<TreeEntry, { kind: "whiteout" }> | undefined,
  body: Buffer,
  inode: number,
  mtime: number,
): Buffer[] {
  const nameBytes = Buffer.from(`${name}\0`);
  const kind = entry?.kind === "hardlink" ? "file" : entry?.kind;
  const device = entry?.kind === "character-device" || entry?.kind === "block-device" ? entry : { major: 0, minor: 0 };
  const fields = [
    inode,
    kind === undefined || entry === undefined ? 0 : fileTypes[kind] | entry.mode,
    entry?.uid ?? 0,
    entry?.gid ?? 0,
    1,
    mtime,
    body.length,
    0,
    0,
    device.major,
    device.minor,
    nameBytes.length,
    0,
  ];
  const head = Buffer.from(
    `070701${fields.map((field) => field.toString(16).toUpperCase().padStart(8, "0")).join("")}`,
  );
  return [head, nameBytes, padding(head.length + nameBytes.length), body, padding(body.length)];
}

/** Header with name, and data, are each filled up to a multiple of four. */
const padding = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4);
