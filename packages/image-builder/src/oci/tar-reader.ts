/**
 * Reads the headers of an uncompressed tar file on disk, and says where each content lies. Contents are not read.
 *
 * Understands ustar, pax (local headers; global ones only as far as they change no name, size or link), GNU long names and numbers. Everything that
 * comes out of the archive is checked here and bounded: sizes against the file's own length, headers against their checksum, names against Linux's limits.
 *
 * Errors: IMAGE_CORRUPT, with the name of the entry as far as it is known.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { PlatformError } from "@liquidmetal/foundation";
import { turn } from "../tree/content.ts";
import { textOfBytes } from "../tree/path-bytes.ts";
import { blockBytes, checksum, paddingOf, type TarType, typeFlags } from "./tar-header.ts";

export interface TarEntry {
  /** As the archive says it, a slash at the end of directories included. */
  readonly name: string;
  readonly type: TarType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly sizeBytes: number;
  /** Where the content begins in the file. */
  readonly offsetBytes: number;
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: Readonly<Record<string, Uint8Array>>;
}

/** A header, and with luck the next few: contents between them are not read. */
const windowBytes = 8 * 1024;
/** Extended attributes are at most 64 KiB each on Linux; names 4 KiB. */
const paxMaxBytes = 1024 * 1024;
const pathMaxBytes = 4096;
const entriesBetweenTurns = 2_000;
const mtimeField = 136;

const types = new Map<string, TarType>(Object.entries(typeFlags).map(([type, flag]) => [flag, type as TarType]));
types.set("\0", "file").set("7", "file");

/** What headers before an entry say of it. */
interface Overrides {
  records: Map<string, Buffer>;
  longName?: Buffer;
  longLink?: Buffer;
}

/** The entries in the archive's order. It fails on an archive that ends before its end mark. */
export async function* readTar(
  file: string,
  options: { readonly entriesMax?: number; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<TarEntry> {
  const { entriesMax = 2_000_000, signal } = options;
  using window = new Window(file);
  let before: Overrides = { records: new Map() };
  let last = "its beginning";
  let count = 0;
  for (let at = 0; ; ) {
    const block = window.bytes(at, blockBytes, last);
    if (isZero(block)) return;
    if (numberOf(block, 148, 8, last) !== checksum(block))
      throw corrupt(`the header after ${last} has a wrong checksum`);
    const flag = String.fromCharCode(block[156] ?? 0);
    const ownSize = numberOf(block, 124, 12, last);
    const start = at + blockBytes;
    if ("xgLK".includes(flag)) {
      if (ownSize > paxMaxBytes) throw corrupt(`a header of ${ownSize} bytes after ${last}`);
      noteExtension(before, flag, Buffer.from(window.bytes(start, ownSize, last)), last);
      at = start + ownSize + paddingOf(ownSize);
      continue;
    }
    const entry = entryOf(block, flag, before, ownSize, start);
    last = JSON.stringify(entry.name.slice(0, 300));
    const content = entry.type === "file" ? entry.sizeBytes : 0;
    if (start + content > window.sizeBytes)
      throw corrupt(`${last} is of ${content} bytes, and the archive ends before that`);
    if (++count > entriesMax) throw corrupt(`more than ${entriesMax} entries`);
    yield entry;
    before = { records: new Map() };
    at = start + content + paddingOf(content);
    if (count % entriesBetweenTurns === 0) await turn(signal);
  }
}

function noteExtension(before: Overrides, flag: string, body: Buffer, last: string): void {
  if (flag === "L") before.longName = untilNul(body);
  else if (flag === "K") before.longLink = untilNul(body);
  else {
    const records = paxRecords(body, last);
    if (flag === "x") before.records = records;
    else if (["path", "linkpath", "size"].some((key) => records.has(key))) {
      throw corrupt(`a global header after ${last} gives one name or size to all entries`);
    }
  }
}

function entryOf(block: Buffer, flag: string, before: Overrides, ownSize: number, start: number): TarEntry {
  const { records } = before;
  const nameBytes = records.get("path") ?? before.longName ?? ustarName(block);
  const name = textOfBytes(nameBytes);
  const shown = JSON.stringify(name.slice(0, 300));
  if (flag === "S" || [...records.keys()].some((key) => key.startsWith("GNU.sparse."))) {
    throw corrupt(`${shown} is stored as a sparse file of GNU tar, which layers may not have`);
  }
  const oldDirectory = (flag === "0" || flag === "\0") && name.endsWith("/");
  const type = oldDirectory ? "directory" : types.get(flag);
  if (type === undefined) throw corrupt(`${shown} is of the unknown type ${JSON.stringify(flag)}`);
  const target = records.get("linkpath") ?? before.longLink ?? untilNul(block.subarray(157, 257));
  if (nameBytes.length > pathMaxBytes || target.length > pathMaxBytes)
    throw corrupt(`${shown}… is longer than ${pathMaxBytes} bytes`);
  const number = (key: string, at: number, length: number): number => {
    const record = records.get(key);
    return record === undefined ? numberOf(block, at, length, shown) : decimal(record, key, shown);
  };
  const isDevice = type === "character-device" || type === "block-device";
  return {
    name,
    type,
    mode: numberOf(block, 100, 8, shown) & 0o7777,
    uid: number("uid", 108, 8),
    gid: number("gid", 116, 8),
    mtimeSeconds: number("mtime", mtimeField, 12),
    sizeBytes: type === "file" ? (records.has("size") ? number("size", 124, 12) : ownSize) : 0,
    offsetBytes: start,
    target: textOfBytes(target),
    major: isDevice ? numberOf(block, 329, 8, shown) : 0,
    minor: isDevice ? numberOf(block, 337, 8, shown) : 0,
    xattrs: attributesOf(records),
  };
}

function attributesOf(records: ReadonlyMap<string, Buffer>): Record<string, Uint8Array> {
  const prefix = "SCHILY.xattr.";
  const found = [...records].filter(([key]) => key.startsWith(prefix) && key.length > prefix.length);
  return Object.fromEntries(found.map(([key, value]) => [key.slice(prefix.length), value]));
}

function paxRecords(body: Buffer, last: string): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = space < 0 ? 0 : Number(body.toString("latin1", at, space));
    const equals = body.indexOf(0x3d, space);
    const end = at + length;
    if (
      !Number.isSafeInteger(length) ||
      length < 5 ||
      end > body.length ||
      equals < 0 ||
      equals >= end ||
      body[end - 1] !== 0x0a
    ) {
      throw corrupt(`the pax header after ${last} is broken`);
    }
    const key = textOfBytes(body.subarray(space + 1, equals));
    const value = body.subarray(equals + 1, end - 1);
    // An empty value takes back what a global header said.
    if (value.length > 0 || key.startsWith("SCHILY.xattr.")) records.set(key, value);
    at = end;
  }
  return records;
}

/** Octal text, or GNU's base 256 where the highest bit is set. */
function numberOf(block: Buffer, at: number, length: number, shown: string): number {
  const field = block.subarray(at, at + length);
  const first = field[0] ?? 0;
  if (first >= 0x80) {
    let value = first === 0xff ? -1 : first & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    // Only a time may lie before 1970.
    if (!Number.isSafeInteger(value) || (value < 0 && at !== mtimeField))
      throw corrupt(`${shown} has a number that is beyond all sense`);
    return value;
  }
  const text = untilNul(field).toString("latin1").trim();
  if (!/^[0-7]*$/.test(text)) throw corrupt(`${shown} has a number that is none`);
  return text === "" ? 0 : Number.parseInt(text, 8);
}

/** A pax number; of times the whole seconds. */
function decimal(record: Buffer, key: string, shown: string): number {
  const text = record.toString("latin1");
  const value = /^-?\d{1,19}(\.\d*)?$/.test(text) ? Math.floor(Number(text)) : Number.NaN;
  if (!Number.isSafeInteger(value) || (value < 0 && key !== "mtime"))
    throw corrupt(`${shown} has a ${key} that is no number`);
  return value;
}

function ustarName(block: Buffer): Buffer {
  const name = untilNul(block.subarray(0, 100));
  // Old GNU archives (`ustar  `) keep times where the prefix is.
  const prefix =
    block.toString("latin1", 257, 263) === "ustar\0" ? untilNul(block.subarray(345, 500)) : Buffer.alloc(0);
  return prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from("/"), name]);
}

function untilNul(field: Buffer): Buffer {
  const nul = field.indexOf(0);
  return nul < 0 ? field : field.subarray(0, nul);
}

const isZero = (block: Buffer): boolean => block[0] === 0 && block.every((byte) => byte === 0);

/** The part of the file that is being looked at. What it returns is good until it is asked again. */
class Window implements Disposable {
  readonly sizeBytes: number;
  readonly #descriptor: number;
  #buffer: Buffer = Buffer.alloc(windowBytes);
  #start = 0;
  #size = 0;

  constructor(file: string) {
    this.#descriptor = openSync(file, "r");
    this.sizeBytes = fstatSync(this.#descriptor).size;
  }

  bytes(at: number, length: number, last: string): Buffer {
    if (at + length > this.sizeBytes) throw corrupt(`it ends after ${last}, without its end mark`);
    if (at < this.#start || at + length > this.#start + this.#size) this.#load(at, Math.max(length, windowBytes));
    return this.#buffer.subarray(at - this.#start, at - this.#start + length);
  }

  #load(at: number, length: number): void {
    if (length > this.#buffer.length) this.#buffer = Buffer.alloc(length);
    const wanted = Math.min(length, this.sizeBytes - at);
    for (let done = 0; done < wanted; ) {
      const count = readSync(this.#descriptor, this.#buffer, done, wanted - done, at + done);
      if (count === 0) throw corrupt("it became shorter while it was read");
      done += count;
    }
    this.#start = at;
    this.#size = wanted;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}

const corrupt = (why: string): PlatformError => new PlatformError("IMAGE_CORRUPT", `the archive is refused: ${why}`);
