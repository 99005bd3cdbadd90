/**
 * The programs of a management plane for tests: compiled once, and then found again without reading half a gigabyte to compare it with its digest in
 * every test file. `npm test` prepares them before the tests run.
 */
import { createHash } from "node:crypto";
import { access, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { type ManagementPrograms, managementPrograms, managementSoftware } from "@liquidmetal/management-plane";

interface Prepared {
  readonly key: string;
  readonly programs: ManagementPrograms;
}

const images = join(import.meta.dirname, "../../../images");

/** Says what is compiled, if anything is. Rejects when something cannot be compiled here. */
export async function preparedPrograms(report: (line: string) => void = () => {}): Promise<ManagementPrograms> {
  const key = await softwareKey();
  const known = await readFile(recordFile(), "utf8").then(
    (text) => JSON.parse(text) as Prepared,
    () => undefined,
  );
  if (known?.key === key && (await allThere(Object.values(known.programs)))) return known.programs;
  const programs = await managementPrograms({ report });
  const file = recordFile();
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.${process.pid}`, JSON.stringify({ key, programs } satisfies Prepared));
  await rename(`${file}.${process.pid}`, file);
  return programs;
}

function recordFile(): string {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(cache, "liquidmetal", "test-assets", "management-programs.json");
}

async function softwareKey(): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(managementSoftware));
  for (const { lock } of managementSoftware) hash.update(await readFile(join(images, lock, "go.sum")));
  return hash.digest("hex");
}

async function allThere(files: readonly string[]): Promise<boolean> {
  const found = await Promise.all(
    files.map((file) =>
      access(file).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.every((each) => each);
}
