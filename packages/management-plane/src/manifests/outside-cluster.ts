/**
 * Turns the manifests of a provider that was made to run in pods, with certificates from cert-manager, into those of one that runs as a process beside the API server.
 *
 * Gone: Deployments, Services, Certificates, Issuers. Kept: namespaces, service accounts, RBAC, CRDs, webhooks. Whatever calls a Service (conversion of CRDs, admission) calls a
 * URL of loopback instead and trusts the plane's authority.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { inOrder, type Manifest } from "./manifest.ts";

export interface OutsideClusterOptions {
  /** As in `https://127.0.0.1:9443`, by `<namespace>/<name>` of the Service that it takes the place of. */
  readonly webhooks: Readonly<Record<string, string>>;
  /** PEM. */
  readonly authority: string;
}

const dropped = new Set(["Deployment", "Service", "Certificate", "Issuer"]);
const injection = "cert-manager.io/inject-ca-from";

/** CONFIG_INVALID when something calls a Service that `webhooks` does not know. */
export function outsideCluster(manifests: readonly Manifest[], options: OutsideClusterOptions): readonly Manifest[] {
  const kept = manifests.filter(({ kind }) => !dropped.has(kind));
  return inOrder(kept.map((manifest) => withUrls(withoutInjection(manifest), options) as Manifest));
}

function withoutInjection(manifest: Manifest): Manifest {
  const { [injection]: _, ...annotations } = manifest.metadata.annotations ?? {};
  return { ...manifest, metadata: { ...manifest.metadata, annotations } };
}

/** Every `clientConfig` with a `service`, wherever it stands. */
function withUrls(value: unknown, options: OutsideClusterOptions): unknown {
  if (Array.isArray(value)) return value.map((item) => withUrls(item, options));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [
      key,
      key === "clientConfig" && hasService(field) ? clientConfig(field, options) : withUrls(field, options),
    ]),
  );
}

interface ServiceConfig {
  readonly service: { readonly namespace: string; readonly name: string; readonly path?: string };
}

function hasService(field: unknown): field is ServiceConfig {
  return typeof field === "object" && field !== null && "service" in field;
}

function clientConfig(
  { service: { namespace, name, path = "" } }: ServiceConfig,
  { webhooks, authority }: OutsideClusterOptions,
): { readonly url: string; readonly caBundle: string } {
  const url = webhooks[`${namespace}/${name}`];
  if (url === undefined) {
    throw new PlatformError(
      "CONFIG_INVALID",
      `a webhook calls the Service ${namespace}/${name}, which nobody stands for`,
    );
  }
  return { url: `${url}${path}`, caBundle: Buffer.from(authority).toString("base64") };
}
