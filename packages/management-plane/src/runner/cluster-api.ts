/** Cluster API on a plane that runs: manifests applied, roles aggregated, each manager started as its own service account. */
import { mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import {
  type ClusterApiManifests,
  type ClusterApiProvider,
  clusterApiManifests,
  clusterApiProviders,
} from "../manifests/cluster-api-manifests.ts";
import { asInstalled, inventoryEntry } from "../manifests/clusterctl-inventory.ts";
import type { Manifest } from "../manifests/manifest.ts";
import { outsideCluster } from "../manifests/outside-cluster.ts";
import { clusterApiManagers, type ManagerIdentity, managerPlan } from "../plan/cluster-api-plan.ts";
import { kubeconfig } from "../plan/kubeconfig.ts";
import type { ProgramsRequest } from "../programs/management-programs.ts";
import { closeToOthers } from "./firewall.ts";
import type { ManagementPlane } from "./management-plane.ts";
import { ServiceAccountToken } from "./service-account-token.ts";

export interface ClusterApiOptions extends Pick<ProgramsRequest, "cacheDirectory" | "imagesDirectory"> {
  /** Environment of the managers. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Closes the managers' webhook servers to other machines; needs root. Default true. False: something else does, as a network namespace of the plane's own. */
  readonly firewall?: boolean;
  readonly signal?: AbortSignal;
}

/** A provider's place on a plane: where its webhooks are called, and what it needs to act as its service account. */
export interface ProviderSeat extends Disposable {
  readonly webhookPort: number;
  readonly healthPort: number;
  /** Holds tls.crt and tls.key. */
  readonly webhookCertificates: string;
  readonly kubeconfigFile: string;
}

export interface RunningClusterApi extends AsyncDisposable {
  readonly providers: Readonly<Record<ClusterApiProvider, ProviderSeat>>;
}

/**
 * The plane has to run kube-controller-manager. What was started stays with the plane, and shall be ended before this is disposed, which ends the renewal of tokens and
 * opens the ports.
 */
export async function startClusterApi(
  plane: ManagementPlane,
  { signal, environment = {}, firewall = true, ...places }: ClusterApiOptions = {},
): Promise<RunningClusterApi> {
  const manifests: ClusterApiManifests = await clusterApiManifests({
    ...places,
    kustomize: plane.programs.kustomize,
    report: () => {},
    ...(signal && { signal }),
  });
  await plane.kubectl.apply(manifests.inventory, signal);
  const seats = await Promise.all(
    clusterApiProviders.map(
      async (provider) =>
        [
          provider,
          await seat(plane, {
            ...clusterApiManagers[provider],
            name: provider,
            manifests: manifests.providers[provider],
            ...(signal && { signal }),
          }),
        ] as const,
    ),
  );
  const providers = Object.fromEntries(seats) as Record<ClusterApiProvider, ProviderSeat>;
  const plans = seats.map(([provider, { webhookPort, healthPort, webhookCertificates, kubeconfigFile }]) =>
    managerPlan({
      provider,
      kubeconfig: kubeconfigFile,
      webhookCertificates,
      ports: { webhook: webhookPort, health: healthPort },
      environment,
    }),
  );
  const ports = seats.map(([, { webhookPort }]) => webhookPort);
  const closed = firewall ? await closeToOthers(ports) : undefined;
  const dispose = async (): Promise<void> => {
    for (const [, each] of seats) each[Symbol.dispose]();
    await closed?.[Symbol.asyncDispose]();
  };
  try {
    await plane.startAll(plans, signal);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { providers, [Symbol.asyncDispose]: dispose };
}

export interface SeatOptions extends ManagerIdentity {
  /** Names its ports and files on the plane. */
  readonly name: string;
  /** As for a provider in pods. */
  readonly manifests: readonly Manifest[];
  readonly signal?: AbortSignal;
}

/**
 * Makes the place of any provider that was made for pods: its manifests applied as clusterctl would have done it, its webhooks led to a port of loopback, its
 * token renewed. `startClusterApi` comes first.
 */
export async function seat(plane: ManagementPlane, options: SeatOptions): Promise<ProviderSeat> {
  const { name, installed, serviceAccount, aggregatedRole, webhookService, signal } = options;
  const ports = await plane.ports([`${name}-webhook`, `${name}-health`]);
  const webhookPort = ports[`${name}-webhook`] ?? 0;
  const authority = await readFile(plane.certificates.authority.certificate, "utf8");
  const webhooks = { [webhookService]: `https://127.0.0.1:${webhookPort}` };
  const manifests = asInstalled(outsideCluster(options.manifests, { webhooks, authority }), installed);
  await plane.kubectl.apply([...manifests, inventoryEntry(installed)], signal);
  if (aggregatedRole !== undefined) await plane.kubectl.awaitAggregated(aggregatedRole, signal);
  const tokenFile = join(plane.directory, `${name}.token`);
  const token = await ServiceAccountToken.start(plane.kubectl, {
    namespace: installed.namespace,
    serviceAccount,
    file: tokenFile,
  });
  const kubeconfigFile = await plane.writeFile(
    `${name}.kubeconfig`,
    kubeconfig(plane.url, plane.certificates.authority.certificate, { tokenFile }),
  );
  return {
    webhookPort,
    healthPort: ports[`${name}-health`] ?? 0,
    webhookCertificates: await webhookCertificates(plane),
    kubeconfigFile,
    [Symbol.dispose]: () => token[Symbol.dispose](),
  };
}

/** The plane's serving certificate under the names that controller-runtime looks for; a renewal is seen through the links. */
async function webhookCertificates({ directory, certificates: { serving } }: ManagementPlane): Promise<string> {
  const folder = join(directory, "webhook-certificates");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [target, name] of [
    [serving.certificate, "tls.crt"],
    [serving.key, "tls.key"],
  ] as const) {
    await symlink(target, join(folder, name)).catch((error: unknown) => {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    });
  }
  return folder;
}
