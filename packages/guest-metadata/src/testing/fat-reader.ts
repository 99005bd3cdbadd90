/** Reads a FAT12 image by the specification, independently of the writer: long names, chains, directories. */
export function readFat(image: Buffer): Readonly<Record<string, Buffer>> {
  const sector = image.readUInt16LE(11);
  const clusterBytes = (image[13] ?? 0) * sector;
  const fatAt = image.readUInt16LE(14) * sector;
  const fatBytes = image.readUInt16LE(22) * sector;
  const rootAt = fatAt + (image[16] ?? 0) * fatBytes;
  const dataAt = rootAt + image.readUInt16LE(17) * 32;
  const chain = (first: number): Buffer => {
    const chunks: Buffer[] = [];
    for (let cluster = first; cluster >= 2 && cluster < 0xff8; ) {
      const at = dataAt + (cluster - 2) * clusterBytes;
      chunks.push(image.subarray(at, at + clusterBytes));
      const pair = image.readUInt16LE(fatAt + cluster + (cluster >> 1));
      cluster = cluster % 2 === 0 ? pair & 0xfff : pair >> 4;
      if (chunks.length > 5_000) throw new Error("a chain goes round");
    }
    return Buffer.concat(chunks);
  };
  const files: Record<string, Buffer> = {};
  const walk = (directory: Buffer, prefix: string): void => {
    let long = "";
    for (let at = 0; at < directory.length && directory[at] !== 0; at += 32) {
      const slot = directory.subarray(at, at + 32);
      if (slot[11] === 0x0f) {
        long = `${longPart(slot)}${long}`;
        continue;
      }
      const first = slot.readUInt16LE(26);
      const isDirectory = slot[11] === 0x10;
      if (isDirectory && long !== "") walk(chain(first), `${prefix}${long}/`);
      else if (slot[11] === 0x20) files[prefix + long] = chain(first).subarray(0, slot.readUInt32LE(28));
      long = "";
    }
  };
  walk(image.subarray(rootAt, dataAt), "");
  return files;
}

function longPart(slot: Buffer): string {
  const codes = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30].map((offset) => slot.readUInt16LE(offset));
  const end = codes.indexOf(0);
  return String.fromCharCode(...(end < 0 ? codes : codes.slice(0, end)).filter((code) => code !== 0xffff));
}
