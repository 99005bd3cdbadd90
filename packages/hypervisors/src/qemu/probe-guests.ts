/**
 * Two guests of a few hundred bytes, assembled here, that prove whether a machine can run guests at all.
 *
 * The *payload* needs no kernel: a 32-bit ELF with a PVH entry note (Xen's public/elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY) that prints a line on the serial port and ends QEMU
 * through `isa-debug-exit`. The *init* is the only file of an initrd for a real kernel: a static x86-64 program that prints a line and restarts the machine.
 */
export const probeLine = "liquidmetal probe: alive";
/** What the payload writes to the exit device; QEMU then exits with twice that, plus one. */
export const payloadExitCode: number = 0x31 * 2 + 1;

const loadAddress = 0x100000;

export function probePayload(): Buffer {
  const headerBytes = 52 + 2 * 32;
  const noteBytes = 20;
  const entry = loadAddress + headerBytes + noteBytes;
  const note = Buffer.concat([words(4, 4, 18), Buffer.from("Xen\0"), words(entry)]);
  const code = Buffer.from([
    ...[0xfc], // cld
    ...[0xbe, 0, 0, 0, 0], // mov esi, text
    ...[0x66, 0xba, 0xf8, 0x03], // mov dx, 0x3f8
    ...[0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8], // next: lodsb; test al, al; jz end; out dx, al; jmp next
    ...[0x66, 0xba, 0xf4, 0x00], // end: mov dx, 0xf4
    ...[0xb8, 0x31, 0, 0, 0, 0xef], // mov eax, 0x31; out dx, eax
    ...[0xf4, 0xeb, 0xfd], // halt: hlt; jmp halt
  ]);
  code.writeUInt32LE(entry + code.length, 2);
  const body = Buffer.concat([note, code, Buffer.from(`${probeLine}\r\n\0`)]);
  const total = headerBytes + body.length;
  const header = elfHeader({ bits: 32, machine: 3, entry, programHeaders: 2 });
  const load = words(1, 0, loadAddress, loadAddress, total, total, 7, 0x1000);
  const notes = words(4, headerBytes, loadAddress + headerBytes, loadAddress + headerBytes, noteBytes, noteBytes, 4, 4);
  return Buffer.concat([header, load, notes, body]);
}

/** An initrd (cpio, `newc`) with nothing but `/init`. */
export function probeInitrd(): Buffer {
  return Buffer.concat([archived("init", 0o100755, probeInit()), archived("TRAILER!!!", 0, Buffer.alloc(0))]);
}

function probeInit(): Buffer {
  const text = Buffer.from(`${probeLine}\n`);
  const code = Buffer.from([
    ...[0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0], // mov eax, write; mov edi, 1
    ...[0x48, 0x8d, 0x35, 0, 0, 0, 0], // lea rsi, [rip + text]
    ...[0xba, text.length, 0, 0, 0, 0x0f, 0x05], // mov edx, length; syscall
    ...[0xb8, 169, 0, 0, 0, 0xbf, 0xad, 0xde, 0xe1, 0xfe], // mov eax, reboot; mov edi, 0xfee1dead
    ...[0xbe, 0x69, 0x19, 0x12, 0x28, 0xba, 0x67, 0x45, 0x23, 0x01], // mov esi, 0x28121969; mov edx, RESTART
    ...[0x0f, 0x05, 0xeb, 0xfe], // syscall; jmp here
  ]);
  code.writeInt32LE(code.length - 17, 13);
  const headerBytes = 64 + 56;
  const total = headerBytes + code.length + text.length;
  const header = elfHeader({ bits: 64, machine: 62, entry: 0x400000 + headerBytes, programHeaders: 1 });
  const load = Buffer.alloc(56);
  load.writeUInt32LE(1, 0);
  load.writeUInt32LE(5, 4);
  for (const [offset, value] of [
    [16, 0x400000],
    [24, 0x400000],
    [32, total],
    [40, total],
    [48, 0x1000],
  ] as const) {
    load.writeBigUInt64LE(BigInt(value), offset);
  }
  return Buffer.concat([header, load, code, text]);
}

interface ElfFacts {
  readonly bits: 32 | 64;
  readonly machine: number;
  readonly entry: number;
  readonly programHeaders: number;
}

function elfHeader({ bits, machine, entry, programHeaders }: ElfFacts): Buffer {
  const wide = bits === 64;
  const header = Buffer.alloc(wide ? 64 : 52);
  header.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]);
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(machine, 18);
  header.writeUInt32LE(1, 20);
  // The address fields are 8 bytes wide in a 64-bit header; their upper halves stay zero.
  header.writeUInt32LE(entry, 24);
  header.writeUInt32LE(header.length, wide ? 32 : 28);
  const sizes = wide ? 52 : 40;
  header.writeUInt16LE(header.length, sizes);
  header.writeUInt16LE(wide ? 56 : 32, sizes + 2);
  header.writeUInt16LE(programHeaders, sizes + 4);
  return header;
}

function archived(name: string, mode: number, content: Buffer): Buffer {
  const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  const numbers = [1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const head = `070701${numbers.map((number) => number.toString(16).padStart(8, "0")).join("")}${name}\0`;
  return Buffer.concat([padded(Buffer.from(head)), padded(content)]);
}

function words(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => {
    buffer.writeUInt32LE(value, index * 4);
  });
  return buffer;
}
