/** Everything that has to stand in an embedded plane's API server before its managers start, in sets that are applied one by one. */
import { readFile } from "node:fs/promises";
import type { ManifestSet } from "../keeper/keeper-configuration.ts";
import { clusterApiManifests, clusterApiProviders } from "../manifests/cluster-api-manifests.ts";
import { asInstalled, inventoryEntry } from "../manifests/clusterctl-inventory.ts";
import { kustomizeBuild } from "../manifests/kustomize.ts";
import type { Manifest } from "../manifests/manifest.ts";
import { outsideCluster } from "../manifests/outside-cluster.ts";
import type { ProgramsRequest } from "../programs/management-programs.ts";
import { type SeatName, seatIdentities, seatNames } from "./embedded-plane.ts";
import type { PlanePorts } from "./plane-ports.ts";

/** As the providers ship them, for pods of a cluster. Of no plane in particular. */
export interface ProviderManifests {
  /** The CRD of clusterctl's inventory. */
  readonly inventory: readonly Manifest[];
  readonly seats: Readonly<Record<SeatName, readonly Manifest[]>>;
}

export interface ProviderManifestsRequest extends ProgramsRequest {
  /** Path of the program. */
  readonly kustomize: string;
  /** The folder `deploy/capmvm`. */
  readonly capmvmFolder: string;
}

export async function providerManifests(request: ProviderManifestsRequest): Promise<ProviderManifests> {
  const [{ inventory, providers }, capmvm] = await Promise.all([
    clusterApiManifests(request),
    kustomizeBuild(request.kustomize, request.capmvmFolder, request.signal),
  ]);
  const seats = Object.fromEntries(clusterApiProviders.map((provider) => [provider, providers[provider]]));
  return { inventory, seats: { ...seats, capmvm } as ProviderManifests["seats"] };
}

export interface PlaneManifestsOptions {
  readonly providers: ProviderManifests;
  /** PEM file of the authority that webhooks are trusted by. */
  readonly authority: string;
  readonly ports: PlanePorts;
}

/** For providers that run as processes of a plane: the inventory first, then one set for each of them, with its entry in the inventory. */
export async function planeManifests(options: PlaneManifestsOptions): Promise<readonly ManifestSet[]> {
  const { providers, ports } = options;
  const authority = await readFile(options.authority, "utf8");
  const sets = seatNames.map((name) => {
    const { installed, webhookService } = seatIdentities[name];
    const webhooks = { [webhookService]: `https://127.0.0.1:${ports.seats[name].webhook}` };
    const manifests = asInstalled(outsideCluster(providers.seats[name], { webhooks, authority }), installed);
    return { name, manifests: [...manifests, inventoryEntry(installed)] };
  });
  return [{ name: "inventory", manifests: providers.inventory }, ...sets];
}
