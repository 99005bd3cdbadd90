/** Small ELF files for tests: a header, the given sections, and their names. */

/** A 64-bit little-endian ELF file with these sections, in this order. */
export function elfWith(sections: Readonly<Record<string, string | Buffer>>): Buffer {
  const named = [...Object.entries(sections), [".shstrtab", ""] as const];
  const names = Buffer.from(`\0${named.map(([name]) => `${name}\0`).join("")}`);
  const header = Buffer.alloc(64);
  header.write("\x7fELF\x02\x01\x01", "latin1");
  const bodies: Buffer[] = [];
  const headers: Buffer[] = [Buffer.alloc(64)];
  let offset = header.length;
  let nameAt = 1;
  for (const [name, content] of named) {
    const body = name === ".shstrtab" ? names : Buffer.from(content);
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(nameAt, 0);
    entry.writeBigUInt64LE(BigInt(offset), 0x18);
    entry.writeBigUInt64LE(BigInt(body.length), 0x20);
    headers.push(entry);
    bodies.push(body);
    offset += body.length;
    nameAt += name.length + 1;
  }
  header.writeBigUInt64LE(BigInt(offset), 0x28);
  header.writeUInt16LE(64, 0x3a);
  header.writeUInt16LE(headers.length, 0x3c);
  header.writeUInt16LE(headers.length - 1, 0x3e);
  return Buffer.concat([header, ...bodies, ...headers]);
}

/** A kernel module that depends on others. */
export const moduleDependingOn = (...depends: string[]): Buffer =>
  elfWith({ ".modinfo": `license=GPL\0depends=${depends.join(",")}\0name=x\0` });
