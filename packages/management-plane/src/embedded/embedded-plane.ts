/**
 * A plane whose processes somebody else keeps running: its files made, its processes described. Nothing is started here.
 *
 * Made again at every start, from the same folder: certificates that are good, and whatever the plane has stored, stay. What a running process reads is
 * replaced whole, and with the same content where nothing changed.
 */
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { type PlaneCertificates, planeCertificates } from "../certificates/plane-certificates.ts";
import { type ClusterApiProvider, clusterApiProviders } from "../manifests/cluster-api-manifests.ts";
import { apiServerPlan, apiServerUrl } from "../plan/api-server-plan.ts";
import { clusterApiManagers, type ManagerIdentity, managerPlan } from "../plan/cluster-api-plan.ts";
import { kubeconfig } from "../plan/kubeconfig.ts";
import { type ProcessPlan, smallMemory } from "../plan/process-plan.ts";
import { writeAdminKubeconfig } from "./admin-kubeconfig.ts";
import { capmvmIdentity, capmvmPlan } from "./capmvm-plan.ts";
import { embeddedFiles } from "./embedded-files.ts";
import type { PlanePorts } from "./plane-ports.ts";
import { replaceFile } from "./replace-file.ts";

/** Names of everything that acts as a service account, in the order of starting. */
export type SeatName = ClusterApiProvider | "capmvm";
export const seatNames: readonly SeatName[] = [...clusterApiProviders, "capmvm"];

/** What the managers wait for: everything that they read is there once this one is ready. */
export const keeperName = "plane-keeper";

export interface EmbeddedPlaneOptions {
  /** The plane's own (0700). */
  readonly directory: string;
  readonly ports: PlanePorts;
  /** Of the HTTP proxy by which tools of the host reach the API server; absent = they reach it by themselves. */
  readonly proxyUrl?: string;
  /** What runs capmvm, as words of a command line. */
  readonly capmvm: { readonly file: string; readonly arguments: readonly string[] };
  readonly signal?: AbortSignal;
}

export interface EmbeddedPlane {
  readonly url: string;
  readonly certificates: PlaneCertificates;
  /** Of a member of system:masters, for people and tools. */
  readonly kubeconfigFile: string;
  /** In the order of starting. Those of the managers come after `plane-keeper`, which is not among them. */
  readonly plans: readonly ProcessPlan[];
}

export async function embeddedPlane(options: EmbeddedPlaneOptions): Promise<EmbeddedPlane> {
  const { directory, ports, proxyUrl, signal } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const files = embeddedFiles(directory);
  const certificates = await planeCertificates(files.certificates, { ...(signal && { signal }) });
  const url = apiServerUrl(ports.apiServer);
  const authority = certificates.authority.certificate;
  await writeAdminKubeconfig({ file: files.kubeconfig, url, certificates, ...(proxyUrl && { proxyUrl }) });
  const controllerManager = kubeconfig(url, authority, { files: certificates.controllerManager });
  await replaceFile(files.controllerManagerKubeconfig, controllerManager);
  for (const name of seatNames) {
    await replaceFile(files.seatKubeconfig(name), kubeconfig(url, authority, { tokenFile: files.token(name) }));
  }
  await linkWebhookCertificates(files.webhookCertificates, certificates);
  const managers = clusterApiProviders.map((provider) =>
    managerPlan({
      provider,
      kubeconfig: files.seatKubeconfig(provider),
      webhookCertificates: files.webhookCertificates,
      ports: ports.seats[provider],
      environment: smallMemory,
    }),
  );
  const provider = capmvmPlan({
    ...options.capmvm,
    kubeconfig: files.seatKubeconfig("capmvm"),
    webhookCertificates: files.webhookCertificates,
    ports: ports.seats.capmvm,
  });
  return {
    url,
    certificates,
    kubeconfigFile: files.kubeconfig,
    plans: [
      ...apiServerPlan({
        directory,
        certificates,
        ports: ports.apiServer,
        environment: smallMemory,
        controllerManagerKubeconfig: files.controllerManagerKubeconfig,
        durable: true,
        apiServerArguments: [],
      }),
      ...[...managers, provider].map((plan) => ({ ...plan, after: [...plan.after, keeperName] })),
    ],
  };
}

/** Who the seats are: where their service account is, what their webhooks stand for. */
export const seatIdentities: Readonly<Record<SeatName, ManagerIdentity>> = {
  ...clusterApiManagers,
  capmvm: capmvmIdentity,
};

/** The plane's serving certificate under the names that controller-runtime looks for; a renewal is seen through the links. */
async function linkWebhookCertificates(folder: string, { serving }: PlaneCertificates): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [target, name] of [
    [serving.certificate, "tls.crt"],
    [serving.key, "tls.key"],
  ] as const) {
    await symlink(target, join(folder, name)).catch((error: unknown) => {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    });
  }
}
