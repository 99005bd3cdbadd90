/**
 * The software of the management plane in the state directory: programs, and the manifests that come with them.
 *
 * It is made once for a version. After that nothing is looked up anywhere else: a platform comes back after a reboot without caches and without a network.
 * Another version is made while the old one still runs, and lies beside it until everything has been replaced.
 */
import { createHash } from "node:crypto";
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ProviderManifests } from "@liquidmetal/management-plane/embedded";
import { writeWhole } from "../configuration.ts";
import type { PlatformPaths } from "../paths.ts";
import { shippedFolder } from "../program-location.ts";
import { planePaths } from "./plane-paths.ts";
import { allThere, installPrograms, type PlanePrograms } from "./plane-programs.ts";

export interface PlaneSoftware {
  readonly programs: PlanePrograms;
  readonly providers: ProviderManifests;
}

interface Kept extends PlaneSoftware {
  /** Of everything that the software is made from. */
  readonly key: string;
}

export interface PlaneSoftwareOptions {
  readonly paths: PlatformPaths;
  /** What takes minutes is told, one line each. */
  readonly report: (line: string) => void;
  readonly signal: AbortSignal;
}

/** The first time it is compiled: some ten minutes, and a Go module proxy is needed. */
export async function planeSoftware({ paths, report, signal }: PlaneSoftwareOptions): Promise<PlaneSoftware> {
  const { programs: directory, software: file } = planePaths(paths);
  const key = await softwareKey();
  const kept = await keptSoftware(file);
  if (kept?.key === key && (await allThere(kept.programs))) return kept;
  const management = await import("@liquidmetal/management-plane");
  const embedded = await import("@liquidmetal/management-plane/embedded");
  const request = { imagesDirectory: shippedFolder("images"), report, signal };
  const compiled = await management.managementPrograms(request);
  report("rendering the manifests of Cluster API and capmvm");
  const providers = await embedded.providerManifests({
    ...request,
    kustomize: compiled.kustomize,
    capmvmFolder: shippedFolder("deploy/capmvm"),
  });
  const made: Kept = { key, programs: await installPrograms(directory, compiled), providers };
  await writeWhole(file, JSON.stringify(made));
  return made;
}

/** Undefined where none was made yet, or the file cannot be used. */
export async function keptSoftware(file: string): Promise<Kept | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(file, "utf8"));
    const whole = typeof value === "object" && value !== null && "key" in value && "programs" in value;
    return whole && "providers" in value ? (value as Kept) : undefined;
  } catch {
    return undefined;
  }
}

/** Raised when the same sources are kept in another form. */
const revision = 1;

async function softwareKey(): Promise<string> {
  const { managementSoftware } = await import("@liquidmetal/management-plane");
  const hash = createHash("sha256").update(JSON.stringify([revision, managementSoftware]));
  const images = shippedFolder("images");
  for (const { lock } of managementSoftware) hash.update(await readFile(join(images, lock, "go.sum")));
  for (const folder of [shippedFolder("deploy/capmvm"), shippedFolder("api/crds")]) {
    for (const name of globSync("**/*.yaml", { cwd: folder }).sort()) {
      hash.update(`${name}\0`).update(await readFile(join(folder, name)));
    }
  }
  return hash.digest("hex");
}
