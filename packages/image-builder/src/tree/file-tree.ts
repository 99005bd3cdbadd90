/**
 * A file tree that is going to be an image: what is in it, not where it lies on this machine.
 *
 * Invariants: paths are relative, normalised and never leave the tree; every parent of an entry is there as a directory; iteration is sorted by
 * path, so a parent comes before its children and the same content always gives the same archive. Owners are 0:0 unless said.
 *
 * A directory that nobody put, and that is there because something lies in it, is *implied*: in a layer it says nothing of the directory's mode or
 * owner (`settle` in merge.ts takes them from the layers below). Names that are not UTF-8 are escaped (path-bytes.ts).
 */
import { PlatformError } from "@liquidmetal/foundation";
import { byPath } from "./path-bytes.ts";

/**
 * Bytes in memory, or a part of a regular file of this machine that is read when the tree is packed. `offsetBytes` (default 0): the bytes begin
 * there, as in a tar that serves as the store of its own files.
 */
export type Content =
  | { readonly bytes: Uint8Array }
  | { readonly file: string; readonly sizeBytes: number; readonly offsetBytes?: number };

export interface Owned {
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970; younger than the image is clamped to its date when packed. Absent = the image's date. */
  readonly mtimeSeconds?: number;
  /** Extended attributes by full name, as in `security.capability`. */
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
}

export type TreeEntry =
  /** `opaque`, in a layer: of what the layers below have in this directory, nothing is left. */
  | ({ readonly kind: "directory"; readonly opaque?: boolean } & Owned)
  | ({ readonly kind: "file"; readonly content: Content } & Owned)
  | ({ readonly kind: "symlink"; readonly target: string } & Owned)
  /** Another name of the file at `target`, a path of this tree. */
  | ({ readonly kind: "hardlink"; readonly target: string } & Owned)
  | ({ readonly kind: "character-device"; readonly major: number; readonly minor: number } & Owned)
  | ({ readonly kind: "block-device"; readonly major: number; readonly minor: number } & Owned)
  | ({ readonly kind: "fifo" } & Owned)
  /** In a layer: what lies at this path in the layers below is gone. Packed as OCI's `.wh.` file. */
  | ({ readonly kind: "whiteout" } & Owned);

export interface Ownership {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtimeSeconds?: number;
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
}

export class FileTree {
  readonly #entries = new Map<string, TreeEntry>();
  readonly #implied = new Set<string>();

  get size(): number {
    return this.#entries.size;
  }

  get(path: string): TreeEntry | undefined {
    return this.#entries.get(treePath(path));
  }

  /** Puts an entry as it is, in place of another of its path. A hard link's target is not looked at: in a layer it may lie below. */
  put(path: string, entry: TreeEntry): this {
    return this.#put(path, entry);
  }

  /** A directory that is there only because something lies in it. */
  implied(path: string): boolean {
    return this.#implied.has(treePath(path));
  }

  directory(path: string, own: Ownership = {}): this {
    return this.#put(path, { kind: "directory", ...owned(own, 0o755) });
  }

  file(path: string, content: Content | string, own: Ownership = {}): this {
    const actual = typeof content === "string" ? { bytes: Buffer.from(content) } : content;
    return this.#put(path, { kind: "file", content: actual, ...owned(own, 0o644) });
  }

  symlink(path: string, target: string, own: Ownership = {}): this {
    return this.#put(path, { kind: "symlink", target, ...owned(own, 0o777) });
  }

  hardlink(path: string, target: string): this {
    const existing = this.get(target);
    if (existing?.kind !== "file") throw bad(`${path} links to ${target}, which is no file of the tree`);
    const { kind: _kind, content: _content, ...own } = existing;
    return this.#put(path, { kind: "hardlink", target: treePath(target), ...own });
  }

  characterDevice(path: string, major: number, minor: number, own: Ownership = {}): this {
    return this.#put(path, { kind: "character-device", major, minor, ...owned(own, 0o600) });
  }

  blockDevice(path: string, major: number, minor: number, own: Ownership = {}): this {
    return this.#put(path, { kind: "block-device", major, minor, ...owned(own, 0o600) });
  }

  fifo(path: string, own: Ownership = {}): this {
    return this.#put(path, { kind: "fifo", ...owned(own, 0o644) });
  }

  whiteout(path: string): this {
    return this.#put(path, { kind: "whiteout", ...owned({}, 0) });
  }

  /** Entries by path. Hard links come last, so that their target is there before them whatever it is called. */
  *entries(): Generator<readonly [string, TreeEntry]> {
    const sorted = [...this.#entries].sort(([a], [b]) => byPath(a, b));
    yield* sorted.filter(([, entry]) => entry.kind !== "hardlink");
    yield* sorted.filter(([, entry]) => entry.kind === "hardlink");
  }

  #put(path: string, entry: TreeEntry): this {
    const key = treePath(path);
    if (key === "") throw bad("the root of a tree is always there");
    const existing = this.#entries.get(key);
    if (existing !== undefined && (existing.kind === "directory") !== (entry.kind === "directory")) {
      throw bad(`${key} is both a directory and a ${entry.kind === "directory" ? existing.kind : entry.kind}`);
    }
    this.#putParents(key);
    this.#entries.set(key, entry);
    this.#implied.delete(key);
    return this;
  }

  #putParents(key: string): void {
    const missing: string[] = [];
    // From the nearest up: where one is there, those above it are too.
    for (let at = key.lastIndexOf("/"); at > 0; at = key.lastIndexOf("/", at - 1)) {
      const parent = key.slice(0, at);
      const existing = this.#entries.get(parent);
      if (existing?.kind === "directory") break;
      if (existing !== undefined) throw bad(`${key} lies below ${parent}, which is a ${existing.kind}`);
      missing.push(parent);
    }
    for (const parent of missing) {
      this.#entries.set(parent, { kind: "directory", ...owned({}, 0o755) });
      this.#implied.add(parent);
    }
  }
}

/** An empty part, `.`, `..`, or a NUL. */
const irregular = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;

/** `path` relative to the tree's root, normalised; "" is the root. A path that leaves the tree, or has a NUL, is refused. */
export function treePath(path: string): string {
  // Nearly every path is as it should be, and is asked for many times.
  if (!irregular.test(path)) return path;
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || path.includes("\0")) throw bad(`the path ${JSON.stringify(path)} leaves the tree`);
  return parts.join("/");
}

const owned = (own: Ownership, mode: number): Owned => ({
  mode: (own.mode ?? mode) & 0o7777,
  uid: own.uid ?? 0,
  gid: own.gid ?? 0,
  ...(own.mtimeSeconds !== undefined && { mtimeSeconds: own.mtimeSeconds }),
  ...(own.xattrs !== undefined && { xattrs: own.xattrs }),
});

const bad = (why: string): PlatformError => new PlatformError("IMAGE_BUILD_FAILED", why);
