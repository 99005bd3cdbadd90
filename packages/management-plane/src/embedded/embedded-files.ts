/** Where the files of an embedded plane lie, below its folder. */
import { join } from "node:path";

export interface EmbeddedFiles {
  readonly certificates: string;
  /** Of the administrator. */
  readonly kubeconfig: string;
  readonly controllerManagerKubeconfig: string;
  /** Holds tls.crt and tls.key. */
  readonly webhookCertificates: string;
  /** What the keeper does. */
  readonly keeperConfiguration: string;
  /** What the keeper applies. */
  readonly manifests: string;
  readonly seatKubeconfig: (seat: string) => string;
  readonly token: (seat: string) => string;
}

export function embeddedFiles(directory: string): EmbeddedFiles {
  const file = (name: string): string => join(directory, name);
  return {
    certificates: file("certificates"),
    kubeconfig: file("admin.kubeconfig"),
    controllerManagerKubeconfig: file("kube-controller-manager.kubeconfig"),
    webhookCertificates: file("webhook-certificates"),
    keeperConfiguration: file("keeper.json"),
    manifests: file("manifests.json"),
    seatKubeconfig: (seat) => file(`${seat}.kubeconfig`),
    token: (seat) => file(`${seat}.token`),
  };
}
