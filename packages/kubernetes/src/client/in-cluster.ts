/** The cluster that this process runs in, as its pod's service account: the token is rotated on disk and read again. */
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import type { ClusterConfiguration } from "./cluster-configuration.ts";

export interface InClusterOptions {
  /** Default: this process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where kubelet mounts token, ca.crt and namespace. Default /var/run/secrets/kubernetes.io/serviceaccount. */
  readonly directory?: string;
}

/** Throws KUBECONFIG_INVALID outside a pod. */
export async function inClusterConfiguration(options: InClusterOptions = {}): Promise<ClusterConfiguration> {
  const { environment = process.env, directory = "/var/run/secrets/kubernetes.io/serviceaccount" } = options;
  const host = environment["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = environment["KUBERNETES_SERVICE_PORT"] ?? "";
  if (host === "" || port === "") {
    throw notInside("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
  }
  const token = join(directory, "token");
  const certificateAuthority = join(directory, "ca.crt");
  for (const file of [token, certificateAuthority]) {
    try {
      await access(file);
    } catch (error) {
      throw notInside(`${file} cannot be read`, error);
    }
  }
  const namespace = await readFile(join(directory, "namespace"), "utf8").catch(() => "");
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    certificateAuthority: { file: certificateAuthority },
    token: { file: token },
    namespace: namespace.trim() || "default",
  };
}

function notInside(why: string, cause?: unknown): PlatformError {
  return new PlatformError("KUBECONFIG_INVALID", `this process does not run in a pod with a service account: ${why}`, {
    remedy: "name a kubeconfig file, or mount the service account's token",
    ...(cause === undefined ? {} : { cause }),
  });
}
