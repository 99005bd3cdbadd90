/** Writes a cpio archive in the `newc` format (Linux Documentation/driver-api/early-userspace/buffer-format.rst): what an initrd is. Deterministic. */
export interface ArchiveEntry {
  /** Path without a leading slash. */
  readonly path: string;
  /** Absent for folders. */
  readonly content?: Uint8Array;
  /** Type and permission bits, for example 0o100755 or 0o040755. */
  readonly mode: number;
}

export function writeCpio(entries: readonly ArchiveEntry[]): Buffer {
  const parts: Buffer[] = [];
  entries.forEach((entry, index) => {
    parts.push(...record(entry, index + 1));
  });
  parts.push(...record({ path: "TRAILER!!!", mode: 0 }, 0));
  return Buffer.concat(parts);
}

function record(entry: ArchiveEntry, inode: number): Buffer[] {
  const name = Buffer.from(`${entry.path}\0`);
  const content = entry.content ?? new Uint8Array();
  // inode, mode, uid, gid, nlink, mtime, size, device major/minor, rdev major/minor, name size, checksum
  const numbers = [inode, entry.mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${numbers.map((number) => number.toString(16).padStart(8, "0")).join("")}`);
  return [padded(Buffer.concat([header, name])), padded(Buffer.from(content))];
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
