/**
 * The manifests of Cluster API's three providers, as kustomize makes them from its module. Made once for a version: parsing two megabytes of YAML takes a second.
 *
 * They are cached as they come out of kustomize; addresses and authorities of a plane are put in when it starts.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { defaultCacheDirectory } from "@liquidmetal/image-builder";
import { clusterApiSource, type ProgramsRequest } from "../programs/management-programs.ts";
import { clusterApiVersion, kustomizeVersion } from "../programs/software.ts";
import { kustomizeBuild, parseManifests } from "./kustomize.ts";
import type { Manifest } from "./manifest.ts";

export const clusterApiProviders = ["cluster-api", "kubeadm-bootstrap", "kubeadm-control-plane"] as const;
export type ClusterApiProvider = (typeof clusterApiProviders)[number];

export interface ClusterApiManifests {
  readonly providers: Readonly<Record<ClusterApiProvider, readonly Manifest[]>>;
  /** The CRD of clusterctl's inventory of providers. */
  readonly inventory: readonly Manifest[];
}

const kustomizations: Readonly<Record<ClusterApiProvider, string>> = {
  "cluster-api": "config/default",
  "kubeadm-bootstrap": "bootstrap/kubeadm/config/default",
  "kubeadm-control-plane": "controlplane/kubeadm/config/default",
};

/** Raised when the same sources are stored in another form. */
const revision = 2;
const inventoryDefinition = "cmd/clusterctl/config/manifest/clusterctl-api.yaml";

export interface ClusterApiManifestsRequest extends ProgramsRequest {
  /** Path of the program. */
  readonly kustomize: string;
}

export async function clusterApiManifests(request: ClusterApiManifestsRequest): Promise<ClusterApiManifests> {
  const file = cacheFile(request.cacheDirectory);
  const cached = await readFile(file, "utf8").then(
    (text) => JSON.parse(text) as ClusterApiManifests,
    () => undefined,
  );
  if (cached !== undefined) return cached;
  const source = await clusterApiSource(request);
  const built = await Promise.all(
    clusterApiProviders.map(
      async (provider) =>
        [
          provider,
          await kustomizeBuild(request.kustomize, join(source, kustomizations[provider]), request.signal),
        ] as const,
    ),
  );
  const manifests: ClusterApiManifests = {
    providers: Object.fromEntries(built) as ClusterApiManifests["providers"],
    inventory: parseManifests(await readFile(join(source, inventoryDefinition), "utf8")),
  };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.${process.pid}`, JSON.stringify(manifests));
  await rename(`${file}.${process.pid}`, file);
  return manifests;
}

/** Beside the image builder's entries, in a folder of its own that is pruned like them. */
function cacheFile(cacheDirectory: string = defaultCacheDirectory()): string {
  const key = createHash("sha256")
    .update(JSON.stringify([revision, clusterApiVersion, kustomizeVersion, kustomizations]))
    .digest("hex");
  return join(cacheDirectory, "manifests", `${key}.json`);
}
