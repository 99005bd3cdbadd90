/** What a keeper does: written by whoever prepares the plane, read by the keeper when it starts. */
import { readFile } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";
import type { Manifest } from "../manifests/manifest.ts";

export interface ManifestSet {
  readonly name: string;
  /** In the order in which they can be applied. */
  readonly manifests: readonly Manifest[];
}

export interface KeptToken {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly file: string;
}

export interface KeeperConfiguration {
  /** Of the API server. */
  readonly url: string;
  /** Folder of the plane's certificates. */
  readonly certificates: string;
  readonly adminKubeconfig: { readonly file: string; readonly proxyUrl?: string };
  readonly manifestsFile: string;
  /** ClusterRoles that have to be aggregated. */
  readonly aggregatedRoles: readonly string[];
  readonly tokens: readonly KeptToken[];
  /** Of 127.0.0.1, for /readyz. */
  readonly healthPort: number;
}

/** CONFIG_INVALID when the file is not what `writeKeeperConfiguration` wrote. */
export async function readKeeperConfiguration(file: string): Promise<KeeperConfiguration> {
  return (await readJson(file)) as KeeperConfiguration;
}

export async function readManifests(file: string): Promise<readonly ManifestSet[]> {
  return (await readJson(file)) as readonly ManifestSet[];
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw PlatformError.from(error, "CONFIG_INVALID", `${file} cannot be read`);
  }
}
