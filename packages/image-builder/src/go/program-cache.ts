/**
 * Compiled programs in the cache: a folder of programs and a record of them, published whole.
 *
 * A program is compared with the digest that was taken when it was made: what is damaged counts as not there.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { BuildInfo } from "./build-info.ts";

export interface DescribedProgram {
  /** Of its file. */
  readonly name: string;
  /** Import path. */
  readonly package: string;
  readonly sizeBytes: number;
  /** `sha256:<hex>` */
  readonly digest: string;
  readonly info: BuildInfo;
}

export interface StoredProgram extends DescribedProgram {
  /** In the cache: read it, never change it. */
  readonly file: string;
}

/** SPDX identifiers by `path@version`, of the modules whose licence was recognised. */
export type ModuleLicenses = Readonly<Record<string, string>>;

export interface StoredPrograms {
  readonly programs: readonly StoredProgram[];
  readonly licenses: ModuleLicenses;
}

interface ProgramsRecord {
  readonly programs: readonly DescribedProgram[];
  readonly licenses: ModuleLicenses;
}

const recordName = "record.json";

/** Undefined when there is nothing, or when something of it is damaged. */
export async function storedPrograms(directory: string): Promise<StoredPrograms | undefined> {
  const record = await readRecord(join(directory, recordName));
  if (record === undefined) return undefined;
  const programs = record.programs.map((program) => ({ ...program, file: join(directory, program.name) }));
  for (const { file, digest } of programs) {
    if ((await fileDigest(file).catch(() => "")) !== digest) return undefined;
  }
  // The age says when it was last of use: pruning goes by it.
  const now = new Date();
  await utimes(directory, now, now);
  return { programs, licenses: record.licenses };
}

/** Moves the folder `made` to `directory`, which may be there already. */
export async function storePrograms(made: string, directory: string, record: ProgramsRecord): Promise<void> {
  await writeFile(join(made, recordName), JSON.stringify(record));
  await mkdir(dirname(directory), { recursive: true });
  try {
    await rename(made, directory);
  } catch (error) {
    // Another process has made the same in the meantime, and may be using it. What lies there and is damaged makes way.
    if ((await storedPrograms(directory)) !== undefined) return;
    await rm(directory, { recursive: true, force: true });
    await rename(made, directory).catch(() => {
      throw error;
    });
  }
}

export async function fileDigest(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest("hex")}`;
}

/** Undefined also for a record that is cut off: nothing is flushed before it counts. */
async function readRecord(file: string): Promise<ProgramsRecord | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as ProgramsRecord;
  } catch {
    return undefined;
  }
}
