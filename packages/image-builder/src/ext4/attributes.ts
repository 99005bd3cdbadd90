/**
 * Extended attributes, in a block of their own; inodes with the same attributes share one.
 *
 * Source: Linux, fs/ext4/xattr.c, acl.c: names without their prefix, sorted; values from the block's end; access control lists in a form of their own.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { blockBytes } from "./geometry.ts";

/** The kernel shares a block between at most so many inodes. */
export const shareMax = 1024;
const magic = 0xea020000;
const headerBytes = 32;

const prefixes: readonly (readonly [string, number])[] = [
  ["system.posix_acl_access", 2],
  ["system.posix_acl_default", 3],
  ["user.", 1],
  ["trusted.", 4],
  ["security.", 6],
  ["system.", 7],
];

interface Attribute {
  readonly index: number;
  readonly name: Buffer;
  readonly value: Buffer;
}

/** The block, its reference count still 0. IMAGE_BUILD_FAILED where they do not fit into one, or are of an unknown kind. */
export function attributeBlock(path: string, attributes: Readonly<Record<string, Uint8Array>>): Buffer {
  const sorted = Object.entries(attributes)
    .map(([name, value]) => attributeOf(path, name, value))
    .sort((a, b) => a.index - b.index || a.name.length - b.name.length || Buffer.compare(a.name, b.name));
  const block = Buffer.alloc(blockBytes);
  block.writeUInt32LE(magic, 0);
  block.writeUInt32LE(1, 8);
  let entry = headerBytes;
  let end = blockBytes;
  let hash = 0;
  for (const { index, name, value } of sorted) {
    const entrySize = 16 + pad(name.length);
    end -= pad(value.length);
    // Four bytes of zeros end the list of entries.
    if (entry + entrySize + 4 > end) throw refused(path, "its extended attributes take more than a block");
    const entryHash = hashOf(name, value);
    block.writeUInt8(name.length, entry);
    block.writeUInt8(index, entry + 1);
    block.writeUInt16LE(value.length === 0 ? 0 : end, entry + 2);
    block.writeUInt32LE(value.length, entry + 8);
    block.writeUInt32LE(entryHash, entry + 12);
    block.set(name, entry + 16);
    block.set(value, end);
    hash = rotated(hash, 16) ^ entryHash;
    entry += entrySize;
  }
  block.writeUInt32LE(hash >>> 0, 12);
  return block;
}

export const setReferences = (block: Buffer, references: number): void => {
  block.writeUInt32LE(references, 4);
};

function attributeOf(path: string, fullName: string, value: Uint8Array): Attribute {
  const found = prefixes.find(
    ([prefix]) => fullName === prefix || (prefix.endsWith(".") && fullName.startsWith(prefix)),
  );
  if (found === undefined) throw refused(path, `the attribute ${fullName} is of no kind that ext4 has`);
  const [prefix, index] = found;
  const name = Buffer.from(fullName.slice(prefix.length));
  if (name.length > 255)
    throw refused(path, `the attribute ${fullName.slice(0, 40)}… has a name of more than 255 bytes`);
  const isAcl = index === 2 || index === 3;
  return { index, name, value: isAcl ? storedAcl(path, value) : Buffer.from(value) };
}

/** From the form of system calls (version 2, eight bytes an entry) to that of the disk (version 1, ids only where there are some). */
function storedAcl(path: string, value: Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length < 4 || (bytes.length - 4) % 8 !== 0 || bytes.readUInt32LE(0) !== 2)
    throw refused(path, "its access control list is not understood");
  const parts = [Buffer.from([1, 0, 0, 0])];
  for (let at = 4; at < bytes.length; at += 8) {
    const tag = bytes.readUInt16LE(at);
    const named = tag === 0x02 || tag === 0x08;
    parts.push(bytes.subarray(at, at + (named ? 8 : 4)));
  }
  return Buffer.concat(parts);
}

/** As the kernel hashes them; checked when a file system is checked. */
function hashOf(name: Buffer, value: Buffer): number {
  let hash = 0;
  for (const byte of name) hash = rotated(hash, 5) ^ byte;
  const padded = Buffer.alloc(pad(value.length));
  padded.set(value);
  for (let at = 0; at < padded.length; at += 4) hash = rotated(hash, 16) ^ padded.readUInt32LE(at);
  return hash >>> 0;
}

const rotated = (hash: number, bits: number): number => (hash << bits) | (hash >>> (32 - bits));
const pad = (length: number): number => Math.ceil(length / 4) * 4;
const refused = (path: string, why: string): PlatformError =>
  new PlatformError("IMAGE_BUILD_FAILED", `${JSON.stringify(path)} cannot be in a root volume: ${why}`);
