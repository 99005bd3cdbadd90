/** Tokens of service accounts, in files that clients of Kubernetes read again every minute. */
import { PlatformError } from "@liquidmetal/foundation";
import type { KubernetesClient } from "@liquidmetal/kubernetes";
import { replaceFile } from "../embedded/replace-file.ts";
import type { KeptToken } from "./keeper-configuration.ts";

const lifetimeSeconds = 24 * 3_600;
/** Of a token's life, after which it is replaced. */
const renewalShare = 0.8;

interface TokenRequest {
  readonly status?: { readonly token?: string; readonly expirationTimestamp?: string };
}

/** Writes a new token into every file (0600). Returns when they have to be replaced, milliseconds since the epoch. */
export async function renewTokens(
  client: KubernetesClient,
  tokens: readonly KeptToken[],
  options: { readonly nowMs: number; readonly signal: AbortSignal },
): Promise<number> {
  const times = await Promise.all(tokens.map((token) => renew(client, token, options)));
  return Math.min(...times);
}

async function renew(
  client: KubernetesClient,
  { namespace, serviceAccount, file }: KeptToken,
  { nowMs, signal }: { readonly nowMs: number; readonly signal: AbortSignal },
): Promise<number> {
  const request = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: lifetimeSeconds },
  };
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`;
  const answer = (await client.request("POST", path, request, { signal })) as TokenRequest;
  const { token, expirationTimestamp = "" } = answer.status ?? {};
  const endMs = Date.parse(expirationTimestamp);
  if (token === undefined || Number.isNaN(endMs)) {
    throw new PlatformError("KUBERNETES_UNAVAILABLE", `no token came for ${namespace}/${serviceAccount}`);
  }
  await replaceFile(file, token);
  // The server may give less than was asked for.
  return nowMs + Math.max(0, endMs - nowMs) * renewalShare;
}
