/** The kubeconfig of the plane's administrator: for people and tools of the host. */
import type { PlaneCertificates } from "../certificates/plane-certificates.ts";
import { embeddedKubeconfig } from "../plan/kubeconfig.ts";
import { replaceFile } from "./replace-file.ts";

export interface AdminKubeconfigOptions {
  readonly file: string;
  readonly url: string;
  readonly certificates: PlaneCertificates;
  readonly proxyUrl?: string;
}

/** Holds the keys themselves, so that it is written again when they are renewed. 0600. */
export async function writeAdminKubeconfig(options: AdminKubeconfigOptions): Promise<void> {
  const { file, url, certificates, proxyUrl } = options;
  const text = await embeddedKubeconfig(url, certificates.authority.certificate, certificates.admin);
  await replaceFile(file, proxyUrl === undefined ? text : withProxy(text, proxyUrl));
}

function withProxy(text: string, proxyUrl: string): string {
  const document = JSON.parse(text) as { readonly clusters: readonly { readonly cluster: object }[] };
  const clusters = document.clusters.map((each) => ({ ...each, cluster: { ...each.cluster, "proxy-url": proxyUrl } }));
  return `${JSON.stringify({ ...document, clusters }, null, 2)}\n`;
}
