/**
 * A tree as an ext4 file system in a file, in one pass and without root, loop devices or a copy of the tree: owners, devices, attributes, hard links and
 * times are written as the tree says them. The same tree, date and key give the same bytes.
 *
 * It is made the way `mke2fs` makes it, so that any kernel from 4.14 on mounts it and `e2fsck` and `resize2fs` take it; with a journal, without
 * checksums of metadata. Runs of zeros in files become holes.
 */
import { createHash } from "node:crypto";
import { PlatformError } from "@liquidmetal/foundation";
import { ContentReader, chunkBytes, contentSize, turn } from "../tree/content.ts";
import type { Content, FileTree, TreeEntry } from "../tree/file-tree.ts";
import { bytesOfText } from "../tree/path-bytes.ts";
import { attributeBlock, setReferences, shareMax } from "./attributes.ts";
import { BlockAllocation } from "./block-allocation.ts";
import { directoryBlocks } from "./directory.ts";
import { addRun, type Extent, extentTree } from "./extents.ts";
import { blockBytes, blocksOf, type Geometry, inodeBytes } from "./geometry.ts";
import { deviceContent, encodeInode, entryTypes, type Inode } from "./inode.ts";
import { journalInode, writeSummary } from "./superblock.ts";
import { VolumeFile } from "./volume-file.ts";
import { chooseGeometry, journalBytes, shortTargetMax, VolumePlan } from "./volume-plan.ts";

export interface FileSystemOptions {
  /** Seconds since 1970: no file is younger. */
  readonly dateSeconds: number;
  /** Identifiers are derived from it. */
  readonly key: string;
  /** Default: what is in it and at least 256 MiB more, in steps of 512 MiB. */
  readonly sizeMiB?: number | undefined;
  /** At most 16 characters. Default `liquidmetal`. */
  readonly label?: string;
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const entriesBetweenTurns = 500;
/** Zeros in files of at least this size become holes. */
const holesFromBytes = 1024 * 1024;
const zeros = Buffer.alloc(chunkBytes);

/** Writes the new file `path`. REQUEST_INVALID when `sizeMiB` is too small, IMAGE_BUILD_FAILED for what ext4 cannot hold. */
export async function writeFileSystem(
  tree: FileTree,
  path: string,
  options: FileSystemOptions,
): Promise<{ readonly sizeBytes: number }> {
  const plan = new VolumePlan(tree);
  const geometry = chooseGeometry(plan, options.sizeMiB);
  const sizeBytes = geometry.blocks * blockBytes;
  using volume = new VolumeFile(path, sizeBytes);
  using reader = new ContentReader();
  const writing = new Writing(plan, geometry, volume, reader, options);
  await writing.run();
  volume.finish();
  return { sizeBytes };
}

interface Placed {
  readonly content: Uint8Array;
  readonly usesExtents: boolean;
  readonly blocks: number;
}

class Writing {
  readonly #plan: VolumePlan;
  readonly #geometry: Geometry;
  readonly #volume: VolumeFile;
  readonly #reader: ContentReader;
  readonly #options: FileSystemOptions;
  readonly #allocation: BlockAllocation;
  readonly #table: Buffer;
  readonly #directories: number[];
  /** Attribute blocks by their bytes. */
  readonly #attributes: Map<string, { readonly place: number; readonly block: Buffer; references: number }> = new Map();
  readonly #fullAttributes: { readonly place: number; readonly block: Buffer }[] = [];
  readonly #chunk: Buffer = Buffer.alloc(chunkBytes);
  #doneBytes = 0;

  constructor(
    plan: VolumePlan,
    geometry: Geometry,
    volume: VolumeFile,
    reader: ContentReader,
    options: FileSystemOptions,
  ) {
    this.#plan = plan;
    this.#geometry = geometry;
    this.#volume = volume;
    this.#reader = reader;
    this.#options = options;
    this.#allocation = new BlockAllocation(geometry);
    this.#table = Buffer.alloc(plan.lastInode * inodeBytes);
    this.#directories = Array.from({ length: geometry.groups }, () => 0);
  }

  async run(): Promise<void> {
    const { groups, tableBlocksPerGroup } = this.#geometry;
    const each = (length: number): number[] =>
      Array.from({ length: groups }, () => this.#allocation.contiguous(length).start);
    const [blockBitmaps, inodeBitmaps, inodeTables] = [each(1), each(1), each(tableBlocksPerGroup)];
    const journal = this.#writeJournal();
    this.#writeDirectory("", { kind: "directory", mode: 0o755, uid: 0, gid: 0 });
    let count = 0;
    for (const [path, entry] of this.#plan.inodes) {
      if (++count % entriesBetweenTurns === 0) await turn(this.#options.signal);
      if (entry.kind === "directory") this.#writeDirectory(path, entry);
      else await this.#writeEntry(path, entry);
    }
    for (const { place, block, references } of this.#attributes.values()) {
      setReferences(block, references);
      this.#volume.write(place, block);
    }
    for (const { place, block } of this.#fullAttributes) this.#volume.write(place, block);
    this.#writeTables(inodeTables);
    const id = createHash("sha256").update(this.#options.key).digest();
    writeSummary(this.#volume, {
      ...{ geometry: this.#geometry, allocation: this.#allocation, blockBitmaps, inodeBitmaps, inodeTables },
      usedInodes: this.#plan.lastInode,
      directories: this.#directories,
      uuid: uuidOf(id),
      hashSeed: uuidOf(id.subarray(16)),
      label: this.#options.label ?? "liquidmetal",
      madeSeconds: this.#options.dateSeconds,
      journal,
    });
  }

  /** An empty journal (jbd2): its own superblock, and zeros. */
  #writeJournal(): { readonly content: Uint8Array; readonly sizeBytes: number } {
    const sizeBytes = journalBytes(this.#geometry.blocks * blockBytes);
    const superblock = Buffer.alloc(blockBytes);
    const words: readonly (readonly [number, number])[] = [
      [0x00, 0xc03b3998],
      [0x04, 4],
      [0x0c, blockBytes],
      [0x10, sizeBytes / blockBytes],
      [0x14, 1],
      [0x18, 1],
      [0x40, 1],
    ];
    for (const [at, value] of words) superblock.writeUInt32BE(value, at);
    const extents: Extent[] = [];
    for (let logical = 0; logical < sizeBytes / blockBytes; ) {
      const run = this.#allocation.some(sizeBytes / blockBytes - logical);
      if (logical === 0) this.#volume.write(run.start, superblock);
      addRun(extents, logical, run);
      logical += run.length;
    }
    const placed = this.#placed(extents);
    const own: TreeEntry = { kind: "file", mode: 0o600, uid: 0, gid: 0, content: { bytes: Buffer.alloc(0) } };
    this.#putInode(journalInode, "the journal", own, { ...placed, sizeBytes, links: 1 });
    return { content: placed.content, sizeBytes };
  }

  #writeDirectory(path: string, entry: TreeEntry & { kind: "directory" }): void {
    const number = this.#number(path);
    const slash = path.lastIndexOf("/");
    const parent = this.#number(slash < 0 ? "" : path.slice(0, slash));
    const children = this.#plan.children.get(path) ?? [];
    const bytes = directoryBlocks(number, path === "" ? number : parent, children);
    const links = 2 + children.reduce((sum, { type }) => sum + (type === entryTypes.directory ? 1 : 0), 0);
    this.#putInode(number, path, entry, { ...this.#writeBytes(bytes), sizeBytes: bytes.length, links });
    const group = Math.floor((number - 1) / this.#geometry.inodesPerGroup);
    this.#directories[group] = (this.#directories[group] ?? 0) + 1;
  }

  async #writeEntry(path: string, entry: TreeEntry): Promise<void> {
    const links = this.#plan.links.get(path) ?? 1;
    const number = this.#number(path);
    switch (entry.kind) {
      case "file": {
        const placed = await this.#writeContent(entry.content);
        this.#putInode(number, path, entry, { ...placed, sizeBytes: contentSize(entry.content), links });
        return;
      }
      case "symlink": {
        const target = bytesOfText(entry.target);
        if (target.length >= blockBytes)
          throw new PlatformError("IMAGE_BUILD_FAILED", `the target of ${JSON.stringify(path)} is too long`);
        const placed = target.length > shortTargetMax ? this.#writeBytes(target) : inInode(target);
        this.#putInode(number, path, entry, { ...placed, sizeBytes: target.length, links });
        return;
      }
      case "character-device":
      case "block-device":
        this.#putInode(number, path, entry, {
          ...inInode(deviceContent(entry.major, entry.minor)),
          sizeBytes: 0,
          links,
        });
        return;
      default:
        this.#putInode(number, path, entry, { ...inInode(Buffer.alloc(0)), sizeBytes: 0, links });
    }
  }

  async #writeContent(content: Content): Promise<Placed> {
    const size = contentSize(content);
    const extents: Extent[] = [];
    for (let at = 0; at < size; at += chunkBytes) {
      const length = Math.min(chunkBytes, size - at);
      if (size < holesFromBytes) {
        this.#writeRuns(extents, at / blockBytes, length, (from, into) => this.#reader.read(content, at + from, into));
      } else {
        const chunk = this.#chunk.subarray(0, length);
        this.#reader.read(content, at, chunk);
        if (!chunk.equals(zeros.subarray(0, length))) {
          this.#writeRuns(extents, at / blockBytes, length, (from, into) =>
            into.set(chunk.subarray(from, from + into.length)),
          );
        }
      }
      this.#doneBytes += length;
      if (at > 0) {
        this.#options.onProgress?.(this.#doneBytes, this.#plan.contentBytes);
        await turn(this.#options.signal);
      }
    }
    return this.#placed(extents);
  }

  #writeBytes(bytes: Uint8Array): Placed {
    const extents: Extent[] = [];
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      const part = bytes.subarray(at, at + chunkBytes);
      this.#writeRuns(extents, at / blockBytes, part.length, (from, into) =>
        into.set(part.subarray(from, from + into.length)),
      );
    }
    return this.#placed(extents);
  }

  /** At most `chunkBytes` of a file, from its block `logical` on. `read` gets where in these bytes it begins. */
  #writeRuns(extents: Extent[], logical: number, length: number, read: (from: number, into: Buffer) => void): void {
    const blocks = blocksOf(length);
    for (let done = 0; done < blocks; ) {
      const run = this.#allocation.some(blocks - done);
      const from = done * blockBytes;
      this.#volume.fill(run.start, Math.min(run.length * blockBytes, length - from), (into) => read(from, into));
      addRun(extents, logical + done, run);
      done += run.length;
    }
  }

  #placed(extents: readonly Extent[]): Placed {
    let blocks = extents.reduce((sum, { length }) => sum + length, 0);
    const content = extentTree(extents, (block) => {
      const { start } = this.#allocation.some(1);
      this.#volume.write(start, block);
      blocks += 1;
      return start;
    });
    return { content, usesExtents: true, blocks };
  }

  #putInode(number: number, path: string, entry: TreeEntry, made: Placed & Pick<Inode, "sizeBytes" | "links">): void {
    const { dateSeconds } = this.#options;
    const { kind, mode, uid, gid, mtimeSeconds = dateSeconds, xattrs } = entry;
    if (kind === "hardlink" || kind === "whiteout") throw new TypeError(`${kind} has no inode`);
    const attributes = xattrs === undefined || Object.keys(xattrs).length === 0 ? 0 : this.#attributesOf(path, xattrs);
    const inode: Inode = {
      ...{ kind, mode, uid, gid, attributeBlock: attributes, ...made },
      mtimeSeconds: Math.min(Math.floor(mtimeSeconds), dateSeconds),
      madeSeconds: dateSeconds,
      blocks: made.blocks + (attributes === 0 ? 0 : 1),
    };
    this.#table.set(encodeInode(inode), (number - 1) * inodeBytes);
  }

  #attributesOf(path: string, xattrs: Readonly<Record<string, Uint8Array>>): number {
    const block = attributeBlock(path, xattrs);
    const key = block.toString("latin1");
    const known = this.#attributes.get(key);
    if (known !== undefined && known.references < shareMax) {
      known.references += 1;
      return known.place;
    }
    if (known !== undefined) {
      setReferences(known.block, known.references);
      this.#fullAttributes.push(known);
    }
    const place = this.#allocation.some(1).start;
    this.#attributes.set(key, { place, block, references: 1 });
    return place;
  }

  #writeTables(inodeTables: readonly number[]): void {
    const groupBytes = this.#geometry.inodesPerGroup * inodeBytes;
    for (const [group, start] of inodeTables.entries()) {
      const part = this.#table.subarray(group * groupBytes, (group + 1) * groupBytes);
      if (part.length > 0) this.#volume.write(start, part);
    }
  }

  #number(path: string): number {
    const number = this.#plan.numbers.get(path);
    if (number === undefined) throw new TypeError(`${path} has no inode`);
    return number;
  }
}

function inInode(content: Uint8Array): Placed {
  const bytes = Buffer.alloc(60);
  bytes.set(content);
  return { content: bytes, usesExtents: false, blocks: 0 };
}

/** A UUID (version 8: own making) out of a hash. */
function uuidOf(hash: Uint8Array): Buffer {
  const bytes = Buffer.from(hash.subarray(0, 16));
  bytes.writeUInt8(((bytes[6] ?? 0) & 0x0f) | 0x80, 6);
  bytes.writeUInt8(((bytes[8] ?? 0) & 0x3f) | 0x80, 8);
  return bytes;
}
