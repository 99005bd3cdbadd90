/**
 * The digest of a Go module's content as `go.sum` states it: `h1:` and the base64 of the SHA-256 of a list with one line `<sha256>  <name>` a file,
 * sorted by name; a name is `<module>@<version>/<path>`. See golang.org/x/mod/sumdb/dirhash.
 *
 * Go compares a module with go.sum when it downloads it, and believes its module cache ever after. Here the unpacked files themselves are compared
 * before they are compiled, so that a change of the cache is found too.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";
import { type HostEntry, walk } from "../tree/host-files.ts";
import type { SummedModule } from "./module-files.ts";

export interface UnpackedModule extends SummedModule {
  /** Where its files lie. */
  readonly directory: string;
}

/** Read at the same time: modules are many small files. */
const filesAtOnce = 32;

/** `ignored`: says of a file's path whether it is left out; Go's own digest leaves out none. */
export async function moduleDigest(
  directory: string,
  path: string,
  version: string,
  ignored: (path: string) => boolean = () => false,
): Promise<string> {
  const files: HostEntry[] = [];
  for await (const entry of walk(directory)) {
    if (!entry.stats.isDirectory() && !ignored(entry.path)) files.push(entry);
  }
  const lines: (readonly [name: string, digest: string])[] = [];
  for (let from = 0; from < files.length; from += filesAtOnce) {
    const batch = files.slice(from, from + filesAtOnce);
    const contents = await Promise.all(batch.map(({ hostPath }) => readFile(hostPath)));
    for (const [index, content] of contents.entries()) {
      const name = `${path}@${version}/${batch[index]?.path ?? ""}`;
      lines.push([name, createHash("sha256").update(content).digest("hex")]);
    }
  }
  // Byte order, as Go sorts: names may hold more than ASCII.
  lines.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const list = createHash("sha256");
  for (const [name, digest] of lines) list.update(`${digest}  ${name}\n`);
  return `h1:${list.digest("base64")}`;
}

/** IMAGE_INPUT_MISMATCH with the name of the first module whose files are not what `go.sum` says. */
export async function verifyModules(
  modules: readonly UnpackedModule[],
  options: { readonly onVerified?: (done: number) => void; readonly signal?: AbortSignal } = {},
): Promise<void> {
  for (const [index, { path, version, digest, directory }] of modules.entries()) {
    options.signal?.throwIfAborted();
    const actual = await moduleDigest(directory, path, version);
    if (actual !== digest) {
      throw new PlatformError(
        "IMAGE_INPUT_MISMATCH",
        `the Go module ${path} ${version} is not what go.sum says: its files in ${directory} make ${actual}, not ${digest}`,
        { remedy: `find out who changed ${directory}; 'go clean -modcache' makes Go fetch its modules again` },
      );
    }
    options.onVerified?.(index + 1);
  }
}
