/** Everything that has to stand in an embedded plane's API server before its managers start, in sets that are applied one by one. */
import { readFile } from "node:fs/promises";
import type { ManifestSet } from "../keeper/keeper-configuration.ts";
import { clusterApiManifests, clusterApiProviders } from "../manifests/cluster-api-manifests.ts";
import { asInstalled, inventoryEntry } from "../manifests/clusterctl-inventory.ts";
import { kustomizeBuild } from "../manifests/kustomize.ts";
import type { Manifest } from "../manifests/manifest.ts";
import { outsideCluster } from "../manifests/outside-cluster.ts";
import type { ProgramsRequest } from "../programs/management-programs.ts";
import { type SeatName, seatIdentities } from "./embedded-plane.ts";
import type { PlanePorts } from "./plane-ports.ts";

export interface PlaneManifestsOptions extends ProgramsRequest {
  /** Path of the program. */
  readonly kustomize: string;
  /** PEM file of the authority that webhooks are trusted by. */
  readonly authority: string;
  readonly ports: PlanePorts;
  /** The folder `deploy/capmvm`. */
  readonly capmvmFolder: string;
}

/** The inventory of providers first, then one set for each provider. */
export async function planeManifests(options: PlaneManifestsOptions): Promise<readonly ManifestSet[]> {
  const { kustomize, ports, capmvmFolder, signal } = options;
  const authority = await readFile(options.authority, "utf8");
  const [clusterApi, capmvm] = await Promise.all([
    clusterApiManifests(options),
    kustomizeBuild(kustomize, capmvmFolder, signal),
  ]);
  const set = (name: SeatName, manifests: readonly Manifest[]): ManifestSet => {
    const { installed, webhookService } = seatIdentities[name];
    const webhooks = { [webhookService]: `https://127.0.0.1:${ports.seats[name].webhook}` };
    return {
      name,
      manifests: [
        ...asInstalled(outsideCluster(manifests, { webhooks, authority }), installed),
        inventoryEntry(installed),
      ],
    };
  };
  return [
    { name: "inventory", manifests: clusterApi.inventory },
    ...clusterApiProviders.map((provider) => set(provider, clusterApi.providers[provider])),
    set("capmvm", capmvm),
  ];
}
