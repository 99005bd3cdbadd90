/**
 * Metadata for cloud-init's NoCloud: a small read-only disk with the label `cidata`, holding the four documents and, for guests without cloud-init,
 * the plain files of `liquidmetal/`.
 *
 * The seed is written whole (unfinished name, fsync, rename) and only when its bytes differ. It may hold secrets: mode 0600, owned by the VMM's user.
 */
import { chown, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { attempt, err, ok, PlatformError, type Result } from "@liquidmetal/foundation";
import type { GuestMetadata, SeedDocuments, SeedRequest } from "@liquidmetal/microvm";
import { decodeBase64, invalid, parseYaml, requireText, utf8Text } from "./document-text.ts";
import { fatImage } from "./fat-image.ts";
import { instanceData, instanceEntries } from "./instance-data.ts";
import { networkConfig } from "./network-config.ts";
import { plainFiles } from "./plain-files.ts";
import { vendorData } from "./vendor-data.ts";

/** File name of the seed in the microVM's directory. */
export const seedFileName: string = "seed.img";
/** Documents together, decoded, bytes. */
const totalBytesMax = 2 * 1024 * 1024;
const documentsMax = 32;

export class NoCloudMetadata implements GuestMetadata {
  documents(request: SeedRequest): Result<SeedDocuments, PlatformError> {
    return expected(() => texts(request));
  }

  async write(
    request: SeedRequest,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Result<string, PlatformError>> {
    return await attempt(async () => {
      options.signal?.throwIfAborted();
      const image = fatImage({ label: "cidata", files: seedFiles(request) });
      const path = join(request.directory, seedFileName);
      await place(path, image, request.fileOwner).catch((error: unknown) => {
        throw diskTrouble(path, error);
      });
      return path;
    });
  }
}

function texts(request: SeedRequest): SeedDocuments {
  const decoded = decodeAll(request);
  const { uid, spec, interfaces } = request;
  const documents: Record<string, string> = {};
  for (const [name, bytes] of decoded) {
    // User data may be compressed: then it stays base64, as it came.
    documents[name] = name === "user-data" ? (utf8Text(bytes) ?? spec.metadata[name] ?? "") : requireText(name, bytes);
  }
  const network = documents["network-config"];
  if (network !== undefined) parseYaml("network-config", network);
  else if (spec.kernel.addNetworkConfig) documents["network-config"] = networkConfig(interfaces);
  documents["meta-data"] = instanceData(uid, spec, documents["meta-data"]);
  documents["vendor-data"] = vendorData(spec, interfaces, documents["vendor-data"]);
  return documents;
}

function decodeAll({ spec }: SeedRequest): ReadonlyMap<string, Buffer> {
  const entries = Object.entries(spec.metadata);
  if (entries.length > documentsMax)
    throw invalid(entries[documentsMax]?.[0] ?? "", `more than ${documentsMax} documents`);
  const decoded = new Map(entries.map(([name, encoded]) => [name, decodeBase64(name, encoded)]));
  const total = [...decoded.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  if (total > totalBytesMax)
    throw new PlatformError(
      "METADATA_INVALID",
      `metadata: ${total} bytes together, at most ${totalBytesMax} are taken`,
    );
  return decoded;
}

/** Only what NoCloud knows goes on the disk, and always user data: without it the seed would be no seed for older versions of cloud-init. */
function seedFiles(request: SeedRequest): Readonly<Record<string, Uint8Array>> {
  const { uid, spec, interfaces } = request;
  const documents = texts(request);
  const userData = spec.metadata["user-data"];
  const files: Record<string, Uint8Array> = {
    "user-data": userData === undefined ? Buffer.from("") : decodeBase64("user-data", userData),
  };
  for (const name of ["meta-data", "vendor-data", "network-config"]) {
    const text = documents[name];
    if (text !== undefined) files[name] = Buffer.from(text, "utf8");
  }
  const metaData = spec.metadata["meta-data"];
  const instance = instanceEntries(
    uid,
    spec,
    metaData === undefined ? undefined : decodeBase64("meta-data", metaData).toString("utf8"),
  );
  const text = utf8Text(files["user-data"] ?? Buffer.from(""));
  for (const [name, content] of Object.entries(plainFiles({ spec, interfaces, instance, userData: text }))) {
    files[`liquidmetal/${name}`] = Buffer.from(content, "utf8");
  }
  return files;
}

async function place(path: string, bytes: Buffer, owner: SeedRequest["fileOwner"]): Promise<void> {
  const there = await readFile(path).catch(() => undefined);
  if (there?.equals(bytes) !== true) {
    const unfinished = `${path}.new`;
    await rm(unfinished, { force: true });
    const file = await open(unfinished, "wx", 0o600);
    try {
      if (owner !== undefined) await file.chown(owner.uid, owner.gid);
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } else if (owner !== undefined) await chown(path, owner.uid, owner.gid);
}

function diskTrouble(path: string, error: unknown): PlatformError {
  const full = error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
  return PlatformError.from(error, full ? "DISK_FULL" : "INTERNAL", `seed ${path}`);
}

function expected<T>(work: () => T): Result<T, PlatformError> {
  try {
    return ok(work());
  } catch (error) {
    if (error instanceof PlatformError) return err(error);
    throw error;
  }
}
