/**
 * Directory entries of a FAT file system with long names (Microsoft, "FAT32 File System Specification", 2000; long names as in Linux, fs/fat/dir.c).
 *
 * Every entry gets a long name, in UTF-16, and a short alias that is unique in its directory. Dates are the epoch of FAT, so that equal files give equal bytes.
 */
const entryBytes = 32;
const attributes = { volumeLabel: 0x08, directory: 0x10, archive: 0x20, longName: 0x0f } as const;
/** 1 January 1980. */
const epochDate = 0x0021;
/** Where the 13 characters of a long-name entry stand. */
const characterOffsets = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

export interface DirectoryEntry {
  readonly name: string;
  readonly directory: boolean;
  readonly firstCluster: number;
  readonly sizeBytes: number;
}

/** Number of 32-byte slots that an entry of this name takes. */
export function slotsOf(name: string): number {
  return Math.ceil(name.length / characterOffsets.length) + 1;
}

/** Slots of these entries, in order. */
export function directoryBytes(entries: readonly DirectoryEntry[]): Buffer {
  const aliases = new Set<string>();
  return Buffer.concat(
    entries.map((entry) => {
      const alias = uniqueAlias(entry.name, aliases);
      return Buffer.concat([longNameSlots(entry.name, alias), shortSlot(alias, entry)]);
    }),
  );
}

export function volumeLabelSlot(label: string): Buffer {
  const slot = Buffer.alloc(entryBytes);
  slot.write(label.padEnd(11).slice(0, 11), 0, "latin1");
  slot[11] = attributes.volumeLabel;
  slot.writeUInt16LE(epochDate, 24);
  return slot;
}

/** The entries `.` and `..` with which a subdirectory begins; cluster 0 stands for the root. */
export function dotSlots(ownCluster: number, parentCluster: number): Buffer {
  const entry = (name: string, firstCluster: number): Buffer =>
    shortSlot(name.padEnd(11), { name, directory: true, firstCluster, sizeBytes: 0 });
  return Buffer.concat([entry(".", ownCluster), entry("..", parentCluster)]);
}

function shortSlot(alias: string, { directory, firstCluster, sizeBytes }: DirectoryEntry): Buffer {
  const slot = Buffer.alloc(entryBytes);
  slot.write(alias, 0, "latin1");
  slot[11] = directory ? attributes.directory : attributes.archive;
  for (const offset of [16, 18, 24]) slot.writeUInt16LE(epochDate, offset);
  slot.writeUInt16LE(firstCluster, 26);
  slot.writeUInt32LE(directory ? 0 : sizeBytes, 28);
  return slot;
}

/** Last part first, as the specification has it; unused characters are a zero, then all ones. */
function longNameSlots(name: string, alias: string): Buffer {
  const parts = slotsOf(name) - 1;
  const slots: Buffer[] = [];
  for (let part = parts; part >= 1; part--) {
    const slot = Buffer.alloc(entryBytes);
    slot[0] = part === parts ? part | 0x40 : part;
    slot[11] = attributes.longName;
    slot[13] = aliasChecksum(alias);
    for (const [place, offset] of characterOffsets.entries()) {
      const index = (part - 1) * characterOffsets.length + place;
      slot.writeUInt16LE(index < name.length ? name.charCodeAt(index) : index === name.length ? 0 : 0xffff, offset);
    }
    slots.push(slot);
  }
  return Buffer.concat(slots);
}

function aliasChecksum(alias: string): number {
  let sum = 0;
  for (const byte of Buffer.from(alias, "latin1")) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff;
  return sum;
}

/** `meta-data` → `META-D~1`: 11 characters, without the dot. */
function uniqueAlias(name: string, taken: Set<string>): string {
  const base = name
    .toUpperCase()
    .replace(/[^A-Z0-9_-]/g, "")
    .slice(0, 6);
  for (let count = 1; ; count++) {
    const tail = `~${count}`;
    const alias = (base.slice(0, 8 - tail.length) + tail).padEnd(11);
    if (taken.has(alias)) continue;
    taken.add(alias);
    return alias;
  }
}
