/**
 * Making ext4 file systems out of trees, and growing them.
 *
 * Everything that could differ between two runs is fixed (identifiers from the key, features named one by one rather than taken from the host's mke2fs.conf), so
 * that any kernel from 4.14 on can mount the result. Nothing is left for the guest's kernel to initialise later.
 */
import { createHash } from "node:crypto";
import { PlatformError, unwrap } from "@liquidmetal/foundation";
import type { ImageTree, RunResult, Spawner } from "@liquidmetal/microvm";
import { runOnTree } from "./mounted-command.ts";

export interface TreeSize {
  /** Blocks that the files take, bytes. */
  readonly dataBytes: number;
  readonly inodes: number;
}

export interface TreeSource {
  readonly tree: ImageTree;
  readonly mountPoint: string;
  readonly signal?: AbortSignal | undefined;
}

export interface FileSystemRequest extends TreeSource {
  readonly path: string;
  readonly sizeBytes: number;
  /** Identifiers are derived from it. */
  readonly key: string;
  readonly treeSize: TreeSize;
}

const MiB = 1024 * 1024;
const blockBytes = 4096;
const inodeBytes = 256;
const features =
  "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";

/** Measures a tree. */
export async function measureTree(spawner: Spawner, source: TreeSource): Promise<TreeSize> {
  const count = async (args: readonly string[]): Promise<number> => {
    const result = await runOnTree(spawner, {
      ...source,
      program: "du",
      args: (directory) => ["-s", ...args, directory],
    });
    const number = Number.parseInt(result.stdout, 10);
    if (result.code !== 0 || !Number.isSafeInteger(number)) throw toolFailed("du", result);
    return number;
  };
  // One after the other: both want the same directory entries.
  const dataBytes = await count(["--block-size=1"]);
  return { dataBytes, inodes: await count(["--inodes"]) };
}

/** The smallest file system, in bytes, that this tree fits into, with what ext4 needs for itself. */
export function leastBytes(tree: TreeSize): number {
  const own = inodesFor(tree) * inodeBytes + 4 * MiB + 2 * MiB;
  return roundUp(Math.ceil((tree.dataBytes + own) * 1.03), MiB);
}

/** What a volume gets that asks for nothing: the next multiple of 512 MiB that leaves at least 256 MiB free. */
export function defaultBytes(tree: TreeSize): number {
  return roundUp(leastBytes(tree) + 256 * MiB, 512 * MiB);
}

/** Makes the file system. Throws DISK_FULL, VOLUME_FAILED; whoever calls removes the file then. */
export async function makeExt4(spawner: Spawner, request: FileSystemRequest): Promise<void> {
  const { path, sizeBytes, key, treeSize } = request;
  const id = uuidOf(key);
  const inodes = Math.max(inodesFor(treeSize), Math.ceil(sizeBytes / 16_384));
  const journalMiB = sizeBytes < 128 * MiB ? 4 : sizeBytes < 2_048 * MiB ? 16 : 64;
  const result = await runOnTree(spawner, {
    ...request,
    program: "mke2fs",
    env: { E2FSPROGS_FAKE_TIME: "1700000000" },
    args: (directory) => [
      ...[
        "-q",
        "-F",
        "-t",
        "ext4",
        "-O",
        features,
        "-b",
        String(blockBytes),
        "-I",
        String(inodeBytes),
        "-N",
        String(inodes),
      ],
      ...["-m", "1", "-J", `size=${journalMiB}`, "-U", id, "-L", "liquidmetal"],
      ...["-E", `hash_seed=${id},lazy_itable_init=0,lazy_journal_init=1,root_owner=0:0`],
      ...["-d", directory, path, `${Math.floor(sizeBytes / 1024)}k`],
    ],
  });
  if (result.code !== 0) throw toolFailed("mke2fs", result);
}

/** Grows the file system in a file to the file's size. Throws DISK_FULL, VOLUME_FAILED. */
export async function growExt4(spawner: Spawner, path: string, signal?: AbortSignal): Promise<void> {
  const call = { timeoutMs: 600_000, ...(signal === undefined ? {} : { signal }) };
  const checked = unwrap(await spawner.run({ ...call, program: "e2fsck", args: ["-f", "-p", path] }));
  // 1: errors were corrected; after an unclean end that is what it is for.
  if (checked.code > 1) throw toolFailed("e2fsck", checked);
  const grown = unwrap(await spawner.run({ ...call, program: "resize2fs", args: [path] }));
  if (grown.code !== 0) throw toolFailed("resize2fs", grown);
}

/** The error of a tool that ended badly; a full disk is told apart. */
export function toolFailed(program: string, result: RunResult): PlatformError {
  const text = `${result.stderr.trim()} ${result.stdout.trim()}`.trim().slice(-600);
  const full = /no space left|ENOSPC|Could not allocate block|disk full/i.test(text);
  return new PlatformError(full ? "DISK_FULL" : "VOLUME_FAILED", `${program} ended with ${result.code}: ${text}`);
}

function inodesFor(tree: TreeSize): number {
  return Math.ceil(tree.inodes * 1.25) + 1_024;
}

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}

/** A UUID (version 8: own making) out of a key. */
function uuidOf(key: string): string {
  const hex = createHash("sha256").update(key).digest("hex");
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
