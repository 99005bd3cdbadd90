/** The files that tell the keeper of a plane what to do. */
import type { KeeperConfiguration, ManifestSet } from "../keeper/keeper-configuration.ts";
import { embeddedFiles } from "./embedded-files.ts";
import { seatIdentities, seatNames } from "./embedded-plane.ts";
import { replaceFile } from "./replace-file.ts";

export interface KeeperConfigurationOptions {
  /** The plane's. */
  readonly directory: string;
  readonly url: string;
  readonly proxyUrl?: string;
  readonly healthPort: number;
  readonly manifests: readonly ManifestSet[];
}

/** Writes configuration and manifests; returns the configuration's path and both texts, by which a change is seen. */
export async function writeKeeperConfiguration(
  options: KeeperConfigurationOptions,
): Promise<{ readonly file: string; readonly inputs: string }> {
  const { directory, url, proxyUrl, healthPort } = options;
  const files = embeddedFiles(directory);
  const manifests = JSON.stringify(options.manifests);
  const configuration: KeeperConfiguration = {
    url,
    certificates: files.certificates,
    adminKubeconfig: { file: files.kubeconfig, ...(proxyUrl && { proxyUrl }) },
    manifestsFile: files.manifests,
    aggregatedRoles: seatNames.flatMap((name) => seatIdentities[name].aggregatedRole ?? []),
    tokens: seatNames.map((name) => ({
      namespace: seatIdentities[name].installed.namespace,
      serviceAccount: seatIdentities[name].serviceAccount,
      file: files.token(name),
    })),
    healthPort,
  };
  const text = `${JSON.stringify(configuration, null, 2)}\n`;
  await replaceFile(files.manifests, manifests);
  await replaceFile(files.keeperConfiguration, text);
  return { file: files.keeperConfiguration, inputs: text + manifests };
}
