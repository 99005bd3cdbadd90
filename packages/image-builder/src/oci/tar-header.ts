/**
 * The headers of one tar entry: POSIX ustar, with pax records before it for what does not fit (POSIX.1-2001, "pax Interchange Format").
 *
 * Written are only records that are needed: long or non-ASCII names (as raw bytes, as every reader takes them), sizes and numbers beyond the octal
 * fields, and extended attributes (`SCHILY.xattr.`, as Go's archive/tar and GNU tar know them). No owner names, no access times.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { bytesOfText } from "../tree/path-bytes.ts";

export const blockBytes = 512;

export type TarType = "file" | "hardlink" | "symlink" | "character-device" | "block-device" | "directory" | "fifo";

/** The one-letter types of ustar. */
export const typeFlags: Readonly<Record<TarType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  "character-device": "3",
  "block-device": "4",
  directory: "5",
  fifo: "6",
};

export interface TarHeader {
  /** Without a slash at the end, also of a directory. */
  readonly path: string;
  readonly type: TarType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly sizeBytes: number;
  readonly target?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
}

/** The entry's blocks up to its content. */
export function encodeHeader(header: TarHeader): Buffer {
  const name = bytesOfText(header.type === "directory" ? `${header.path}/` : header.path);
  const target = bytesOfText(header.target ?? "");
  const place = splitName(name);
  const records: [string, Uint8Array][] = [];
  if (place === undefined) records.push(["path", name]);
  if (target.length > 100 || !isAscii(target)) records.push(["linkpath", target]);
  for (const [key, value, max] of [
    ["uid", header.uid, maxOctal(7)],
    ["gid", header.gid, maxOctal(7)],
    ["size", header.sizeBytes, maxOctal(11)],
    ["mtime", header.mtimeSeconds, maxOctal(11)],
  ] as const) {
    if (value > max || value < 0) records.push([key, Buffer.from(String(value))]);
  }
  for (const key of Object.keys(header.xattrs ?? {}).sort()) {
    records.push([`SCHILY.xattr.${key}`, header.xattrs?.[key] ?? new Uint8Array()]);
  }
  const block = ustar(header, place ?? { name: name.subarray(0, 100), prefix: Buffer.alloc(0) }, target);
  return records.length === 0 ? block : Buffer.concat([...paxBlocks(records), block]);
}

function ustar(header: TarHeader, place: SplitName, target: Buffer): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.set(place.name, 0);
  octal(block, header.mode & 0o7777, 100, 7);
  octal(block, header.uid, 108, 7);
  octal(block, header.gid, 116, 7);
  octal(block, header.sizeBytes, 124, 11);
  octal(block, header.mtimeSeconds, 136, 11);
  block.write(typeFlags[header.type], 156, "latin1");
  block.set(target.subarray(0, 100), 157);
  return finished(block, place.prefix, header.major ?? 0, header.minor ?? 0);
}

function paxBlocks(records: readonly (readonly [string, Uint8Array])[]): Buffer[] {
  const body = Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
  const block = Buffer.alloc(blockBytes);
  block.write("././@PaxHeader", 0, "latin1");
  octal(block, 0o644, 100, 7);
  octal(block, 0, 108, 7);
  octal(block, 0, 116, 7);
  octal(block, body.length, 124, 11);
  octal(block, 0, 136, 11);
  block.write("x", 156, "latin1");
  return [finished(block, Buffer.alloc(0), 0, 0), body, Buffer.alloc(paddingOf(body.length))];
}

/** `<length> <key>=<value>\n`, the length counting its own digits. */
function paxRecord(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([bytesOfText(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length + String(rest.length).length;
  if (rest.length + String(length).length !== length) length += 1;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function finished(block: Buffer, prefix: Buffer, major: number, minor: number): Buffer {
  block.write("ustar\x0000", 257, "latin1");
  octal(block, major, 329, 7);
  octal(block, minor, 337, 7);
  block.set(prefix, 345);
  block.write(`${checksum(block).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** The sum of a header's bytes, its own field counted as spaces. */
export function checksum(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < blockBytes; at += 1) if (at < 148 || at >= 156) sum += block[at] ?? 0;
  return sum;
}

/** Bytes of zeros that fill the last block. */
export const paddingOf = (length: number): number => (blockBytes - (length % blockBytes)) % blockBytes;

interface SplitName {
  readonly name: Buffer;
  readonly prefix: Buffer;
}

/** Name and prefix fields of ustar; undefined where the name fits into neither and needs a pax record. */
function splitName(name: Buffer): SplitName | undefined {
  if (!isAscii(name)) return undefined;
  if (name.length <= 100) return { name, prefix: Buffer.alloc(0) };
  const slash = name.subarray(0, 156).lastIndexOf(0x2f, name.length - 2);
  if (slash < 1 || name.length - slash - 1 > 100) return undefined;
  return { prefix: name.subarray(0, slash), name: name.subarray(slash + 1) };
}

/** What is too large for its field stands in a pax record; the field is then zero. */
function octal(block: Buffer, value: number, at: number, digits: number): void {
  const fits = value >= 0 && value <= maxOctal(digits);
  block.write(`${(fits ? value : 0).toString(8).padStart(digits, "0")}\0`, at, "latin1");
}

const maxOctal = (digits: number): number => 8 ** digits - 1;

function isAscii(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte >= 0x80) return false;
  return true;
}

/** Refuses what cannot be said in a tar: IMAGE_BUILD_FAILED with the path. */
export function checkHeader({ path, major = 0, minor = 0, xattrs = {} }: TarHeader): void {
  if (major > maxOctal(7) || minor > maxOctal(7)) throw refused(path, "its device numbers are too large");
  for (const key of Object.keys(xattrs)) {
    if (key === "" || key.includes("=") || key.includes("\0"))
      throw refused(path, "the name of an attribute is empty or has = in it");
  }
}

const refused = (path: string, why: string): PlatformError =>
  new PlatformError("IMAGE_BUILD_FAILED", `${JSON.stringify(path)} cannot be packed: ${why}`);
