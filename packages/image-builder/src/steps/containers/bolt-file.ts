/**
 * Writes a bbolt database file: nested buckets of keys in order, nothing else in it, so that the same buckets always give the same bytes.
 *
 * The format is that of go.etcd.io/bbolt version 2: pages of 4 KiB, two meta pages, one empty free list, then the buckets, children before parents.
 * Every bucket is one leaf, which may run over several pages (bbolt splits it when it first writes to it); a small bucket without buckets in it lies
 * inline in its parent, as bbolt itself would put it.
 */
import { PlatformError } from "@liquidmetal/foundation";

const pageBytes = 4096;
const pageHeaderBytes = 16;
const leafElementBytes = 16;
const bucketHeaderBytes = 16;
const largestInlineBytes = pageBytes / 4;
/** Elements of a page are counted in 16 bits, of which bbolt keeps the highest number for itself. */
const mostEntries = 0xfffe;

const leafPage = 0x02;
const metaPage = 0x04;
const freelistPage = 0x10;
const bucketEntry = 0x01;

/** A mapping from keys to bytes or to further buckets. */
export class BoltBucket {
  /** What `NextSequence` has counted up to. */
  sequence = 0n;
  readonly #entries = new Map<string, { readonly key: Buffer; readonly value: Buffer | BoltBucket }>();

  put(key: string | Buffer, value: string | Buffer): this {
    return this.#set(Buffer.from(key), Buffer.from(value));
  }

  /** The bucket at `key`, made when it is not there. */
  bucket(key: string): BoltBucket {
    const existing = this.#entries.get(Buffer.from(key).toString("hex"))?.value;
    if (existing instanceof BoltBucket) return existing;
    const made = new BoltBucket();
    this.#set(Buffer.from(key), made);
    return made;
  }

  /** In the order that bbolt wants: by bytes. */
  entries(): readonly { readonly key: Buffer; readonly value: Buffer | BoltBucket }[] {
    return [...this.#entries.values()].sort((a, b) => Buffer.compare(a.key, b.key));
  }

  #set(key: Buffer, value: Buffer | BoltBucket): this {
    const name = key.toString("hex");
    if (key.length === 0) throw new PlatformError("INTERNAL", "a key of a bolt bucket may not be empty");
    if (this.#entries.has(name))
      throw new PlatformError("INTERNAL", `the bolt key ${JSON.stringify(String(key))} is there twice`);
    this.#entries.set(name, { key, value });
    return this;
  }
}

/** The bytes of a database file whose root holds `root`'s buckets. */
export function boltFile(root: BoltBucket): Buffer {
  const pages = new Pages();
  pages.append(freelistPage, 0, Buffer.alloc(0));
  const rootPage = pages.appendBucket(root);
  const metas = [0n, 1n].map((transaction) => metaOf(transaction, rootPage, pages.count));
  return Buffer.concat([...metas, ...pages.chunks]);
}

/** Pages from the third on; the first two are the meta pages. */
class Pages {
  readonly chunks: Buffer[] = [];
  #next = 2n;

  get count(): bigint {
    return this.#next;
  }

  appendBucket(bucket: BoltBucket): bigint {
    const elements = bucket
      .entries()
      .map(({ key, value }) =>
        value instanceof BoltBucket
          ? { key, flags: bucketEntry, value: this.#bucketValue(value) }
          : { key, flags: 0, value },
      );
    return this.append(leafPage, elements.length, leafBody(elements));
  }

  append(flags: number, count: number, body: Buffer): bigint {
    const id = this.#next;
    const pagesUsed = Math.ceil((pageHeaderBytes + body.length) / pageBytes);
    const chunk = Buffer.alloc(pagesUsed * pageBytes);
    writePageHeader(chunk, { id, flags, count, overflow: pagesUsed - 1 });
    body.copy(chunk, pageHeaderBytes);
    this.chunks.push(chunk);
    this.#next += BigInt(pagesUsed);
    return id;
  }

  #bucketValue(bucket: BoltBucket): Buffer {
    const inline = inlinePage(bucket);
    return inline === undefined
      ? bucketHeader(this.appendBucket(bucket), bucket.sequence)
      : Buffer.concat([bucketHeader(0n, bucket.sequence), inline]);
  }
}

interface LeafElement {
  readonly key: Buffer;
  readonly flags: number;
  readonly value: Buffer;
}

function leafBody(elements: readonly LeafElement[]): Buffer {
  if (elements.length > mostEntries)
    throw new PlatformError("IMAGE_BUILD_FAILED", "too many entries for one bolt bucket");
  const table = Buffer.alloc(elements.length * leafElementBytes);
  let dataOffset = table.length;
  for (const [index, { key, flags, value }] of elements.entries()) {
    const at = index * leafElementBytes;
    table.writeUInt32LE(flags, at);
    // Counted from the element itself.
    table.writeUInt32LE(dataOffset - at, at + 4);
    table.writeUInt32LE(key.length, at + 8);
    table.writeUInt32LE(value.length, at + 12);
    dataOffset += key.length + value.length;
  }
  return Buffer.concat([table, ...elements.flatMap(({ key, value }) => [key, value])]);
}

function inlinePage(bucket: BoltBucket): Buffer | undefined {
  const elements: LeafElement[] = [];
  for (const { key, value } of bucket.entries()) {
    if (value instanceof BoltBucket) return undefined;
    elements.push({ key, flags: 0, value });
  }
  const body = leafBody(elements);
  if (pageHeaderBytes + body.length > largestInlineBytes) return undefined;
  const header = Buffer.alloc(pageHeaderBytes);
  writePageHeader(header, { id: 0n, flags: leafPage, count: elements.length, overflow: 0 });
  return Buffer.concat([header, body]);
}

function writePageHeader(
  target: Buffer,
  page: { readonly id: bigint; readonly flags: number; readonly count: number; readonly overflow: number },
): void {
  target.writeBigUInt64LE(page.id, 0);
  target.writeUInt16LE(page.flags, 8);
  target.writeUInt16LE(page.count, 10);
  target.writeUInt32LE(page.overflow, 12);
}

function bucketHeader(rootPage: bigint, sequence: bigint): Buffer {
  const header = Buffer.alloc(bucketHeaderBytes);
  header.writeBigUInt64LE(rootPage, 0);
  header.writeBigUInt64LE(sequence, 8);
  return header;
}

function metaOf(transaction: bigint, rootPage: bigint, pageCount: bigint): Buffer {
  const page = Buffer.alloc(pageBytes);
  writePageHeader(page, { id: transaction, flags: metaPage, count: 0, overflow: 0 });
  const meta = page.subarray(pageHeaderBytes);
  meta.writeUInt32LE(0xed0cdaed, 0);
  meta.writeUInt32LE(2, 4);
  meta.writeUInt32LE(pageBytes, 8);
  bucketHeader(rootPage, 0n).copy(meta, 16);
  // The free list lies right behind the meta pages.
  meta.writeBigUInt64LE(2n, 32);
  meta.writeBigUInt64LE(pageCount, 40);
  meta.writeBigUInt64LE(transaction, 48);
  meta.writeBigUInt64LE(fnv1a64(meta.subarray(0, 56)), 56);
  return page;
}

function fnv1a64(bytes: Buffer): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
