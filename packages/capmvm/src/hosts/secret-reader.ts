/** The port by which secrets are read: one by one, by name. Nothing lists or watches secrets, so nobody has to allow it. */
import type { KubernetesClient, ObjectKey } from "@liquidmetal/kubernetes";
import { secrets } from "../api/index.ts";

/** Decoded, by key. */
export type SecretContent = ReadonlyMap<string, Buffer>;

/** Undefined = there is no such secret. Throws what the API server says. */
export type SecretReader = (
  key: ObjectKey,
  options: { readonly signal?: AbortSignal },
) => Promise<SecretContent | undefined>;

export function secretReader(client: KubernetesClient): SecretReader {
  return async (key, options) => {
    const secret = await client.find(secrets, key, options);
    if (secret === undefined) return undefined;
    return new Map(Object.entries(secret.data ?? {}).map(([name, text]) => [name, Buffer.from(text, "base64")]));
  };
}
