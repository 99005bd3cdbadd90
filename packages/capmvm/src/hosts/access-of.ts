/** From what a cluster says of its hosts, and the secrets that it names, to the access to one host. Pure. */
import { unwrap } from "@liquidmetal/foundation";
import type { ObjectKey } from "@liquidmetal/kubernetes";
import type { MicrovmCluster } from "../api/index.ts";
import { accessProblem } from "./access-problem.ts";
import { parseEndpoint } from "./endpoint.ts";
import type { HostAccess } from "./host.ts";
import type { SecretContent } from "./secret-reader.ts";
import { tlsOf } from "./tls-secret.ts";
import { tokenOf } from "./token-secret.ts";

export type ClusterAccess = Pick<MicrovmCluster, "metadata"> & {
  readonly spec: Pick<MicrovmCluster["spec"], "hostAccess">;
};

/** The secrets that the access to a cluster's hosts needs; `clusterctl move` must take them along. */
export function accessSecretsOf(cluster: ClusterAccess): { readonly tls?: ObjectKey; readonly token?: ObjectKey } {
  const { namespace = "" } = cluster.metadata ?? {};
  const { tlsSecretRef, tokenSecretRef } = cluster.spec.hostAccess ?? {};
  return {
    ...(tlsSecretRef === undefined ? {} : { tls: { namespace, name: tlsSecretRef.name } }),
    ...(tokenSecretRef === undefined ? {} : { token: { namespace, name: tokenSecretRef.name } }),
  };
}

/** Who asks, for connections that follow a rotated secret. */
export function ownerOf({ metadata }: ClusterAccess): string {
  return `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
}

/** `secretAt` has what is in a secret; undefined = it does not exist. Throws HOST_ACCESS_INVALID: which secret, which key, what to do. */
export function accessTo(
  cluster: ClusterAccess,
  endpointText: string,
  secretAt: (key: ObjectKey) => SecretContent | undefined,
  nowMs: number,
): HostAccess {
  const endpoint = unwrap(parseEndpoint(endpointText));
  const { tls, token } = accessSecretsOf(cluster);
  const proxy = cluster.spec.hostAccess?.proxy?.url;
  if (proxy !== undefined) checkProxy(proxy);
  const tokenText =
    token === undefined ? undefined : tokenOf(present(token, "token", secretAt), endpoint, titleOf(token, "token"));
  return {
    endpoint: endpoint.text,
    owner: ownerOf(cluster),
    ...(tls === undefined ? {} : { tls: tlsOf(present(tls, "tls", secretAt), titleOf(tls, "tls"), nowMs) }),
    ...(tokenText === undefined ? {} : { token: tokenText }),
    ...(proxy === undefined ? {} : { proxy }),
  };
}

function present(
  key: ObjectKey,
  role: "tls" | "token",
  secretAt: (key: ObjectKey) => SecretContent | undefined,
): SecretContent {
  const secret = secretAt(key);
  if (secret !== undefined) return secret;
  throw accessProblem(
    "missing",
    `${titleOf(key, role)} does not exist`,
    "create it, or correct the name in spec.hostAccess of the MicrovmCluster",
  );
}

function titleOf({ namespace, name }: ObjectKey, role: "tls" | "token"): string {
  return `the secret ${namespace}/${name} (${role === "tls" ? "TLS" : "tokens"} of the hosts)`;
}

function checkProxy(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.hostname !== "") return;
  throw accessProblem("invalid", "spec.hostAccess.proxy.url is not the URL of an HTTP proxy", "write http://host:port");
}
