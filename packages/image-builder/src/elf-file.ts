/**
 * Reads what the builder needs of 64-bit little-endian ELF files: sections by name, and the shared libraries a program asks for.
 *
 * Layouts: System V ABI, gABI chapters 4 and 5. Every offset is checked against the file, since the bytes come from outside.
 */
import { PlatformError } from "@liquidmetal/foundation";

export interface LinkedLibraries {
  /** The program interpreter's path; absent in libraries and static programs. */
  readonly interpreter?: string;
  /** Names (DT_NEEDED), as in `libc.so.6`. */
  readonly needed: readonly string[];
}

const dynamicTagNeeded = 1n;

export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 64 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** The section's bytes, or undefined when the file has none of this name. */
export function elfSection(file: Buffer, wanted: string): Buffer | undefined {
  return guarded(() => {
    const sections = sectionHeaders(file);
    const names = sections[file.readUInt16LE(0x3e)];
    if (names === undefined) return undefined;
    for (const section of sections) {
      if (text(file, names.offset + section.name) === wanted) return slice(file, section.offset, section.size);
    }
    return undefined;
  });
}

export function linkedLibraries(file: Buffer): LinkedLibraries {
  return guarded(() => {
    const interpreter = elfSection(file, ".interp");
    const dynamic = elfSection(file, ".dynamic") ?? Buffer.alloc(0);
    const strings = elfSection(file, ".dynstr") ?? Buffer.alloc(0);
    const needed: string[] = [];
    for (let at = 0; at + 16 <= dynamic.length; at += 16) {
      if (dynamic.readBigUInt64LE(at) === dynamicTagNeeded) {
        needed.push(text(strings, Number(dynamic.readBigUInt64LE(at + 8))));
      }
    }
    return interpreter === undefined ? { needed } : { interpreter: text(interpreter, 0), needed };
  });
}

interface SectionHeader {
  readonly name: number;
  readonly offset: number;
  readonly size: number;
}

function sectionHeaders(file: Buffer): SectionHeader[] {
  if (!isElf(file) || file[4] !== 2 || file[5] !== 1) throw corrupt("it is not a 64-bit little-endian ELF file");
  const table = Number(file.readBigUInt64LE(0x28));
  const entrySize = file.readUInt16LE(0x3a);
  const count = file.readUInt16LE(0x3c);
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * entrySize;
    return {
      name: file.readUInt32LE(at),
      offset: Number(file.readBigUInt64LE(at + 0x18)),
      size: Number(file.readBigUInt64LE(at + 0x20)),
    };
  });
}

function slice(file: Buffer, offset: number, size: number): Buffer {
  if (offset + size > file.length) throw corrupt("a section reaches beyond the end of the file");
  return file.subarray(offset, offset + size);
}

function text(bytes: Buffer, offset: number): string {
  const end = bytes.indexOf(0, offset);
  if (end < 0) throw corrupt("a name does not end");
  return bytes.toString("latin1", offset, end);
}

function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) throw corrupt("an offset points beyond the end of the file");
    throw error;
  }
}

const corrupt = (why: string): PlatformError => new PlatformError("IMAGE_BUILD_FAILED", `cannot read ELF file: ${why}`);
