/** Where an image goes, as people write it: `oci:DIR`, `oci-archive:FILE`, `ext4:FILE`, `registry:REFERENCE`; and whether something stands in its way. */
import { lstat, readdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { parseReference } from "@liquidmetal/registry";

export type OutputTarget =
  | { readonly kind: "oci" | "oci-archive" | "ext4"; readonly path: string }
  | { readonly kind: "registry"; readonly reference: string };

const forms = "oci:DIR, oci-archive:FILE, ext4:FILE or registry:REFERENCE";

/** Throws REQUEST_INVALID, and IMAGE_REFERENCE_INVALID for what is no reference. */
export function parseOutputTarget(text: string): OutputTarget {
  const [, kind, rest = ""] = /^([a-z0-9-]+)[: ](.*)$/s.exec(text) ?? [];
  if (rest.includes("\0")) throw refused(`${JSON.stringify(text)} has a NUL in it`);
  if (kind === "oci" || kind === "oci-archive" || kind === "ext4") {
    if (rest === "") throw refused(`'${text}' names no ${kind === "oci" ? "folder" : "file"}`);
    return { kind, path: rest };
  }
  if (kind !== "registry") throw refused(`'${text}' is no output`);
  parseReference(rest);
  return { kind, reference: rest };
}

/** What is at the target already. */
export type Existing = "nothing" | "layout" | "folder" | "file";

/**
 * Refuses early what will not be written: an existing file or folder without `force`, and always what is no regular file or folder (devices,
 * links). An OCI layout that is there is no hindrance: the image is added to it. Nothing is ever deleted but a file that is replaced.
 */
export async function checkOutput(target: OutputTarget, force: boolean): Promise<Existing> {
  if (target.kind === "registry") return "nothing";
  const path = resolve(target.path);
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) {
    if ((await lstat(dirname(path)).catch(() => undefined)) !== undefined) return "nothing";
    throw refused(`the folder of ${target.path} is not there`, `mkdir -p ${dirname(path)}`);
  }
  if (target.kind !== "oci") {
    if (!stats.isFile()) throw refused(`${target.path} is there, and is no regular file`, "name another place");
    if (!force) throw exists(target.path);
    return "file";
  }
  if (!stats.isDirectory()) throw refused(`${target.path} is there, and is no folder`, "name another place");
  if ((await readdir(path)).length === 0) return "folder";
  if (await isFile(join(path, "oci-layout"))) return "layout";
  if (!force)
    throw refused(
      `${target.path} is there, and is no OCI image layout`,
      "name another place, or add the layout to what is there with --force",
    );
  return "folder";
}

const isFile = async (path: string): Promise<boolean> => (await lstat(path).catch(() => undefined))?.isFile() === true;

const exists = (path: string): PlatformError =>
  refused(`'${path}' exists`, "name another place, or replace it with --force");

const refused = (why: string, remedy = `write ${forms}`): PlatformError =>
  new PlatformError("REQUEST_INVALID", why, { remedy });
