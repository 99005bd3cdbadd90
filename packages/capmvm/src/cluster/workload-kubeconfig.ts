/**
 * The kubeconfig of a workload cluster, from its Secret: only what stands in the text itself.
 *
 * Whoever may write Secrets in a namespace could otherwise make the controller run a program (exec) or read its files (certificate-authority, tokenFile):
 * both are refused. Source: Cluster API, secret `<cluster>-kubeconfig`, key `value`.
 */
import { err, ok, type Result } from "@liquidmetal/foundation";
import { parse } from "yaml";
import { z } from "zod";

interface Pem {
  readonly text: string;
}

/** As much of a `ClusterConfiguration` as a text may give. */
export interface WorkloadConfiguration {
  /** https. */
  readonly server: string;
  readonly namespace: string;
  readonly certificateAuthority?: Pem;
  readonly clientCertificate?: Pem;
  readonly clientKey?: Pem;
  readonly token?: { readonly text: string };
  readonly serverName?: string;
  readonly proxyUrl?: string;
  readonly insecureSkipTlsVerify?: boolean;
}

const clusterPart = z.strictObject({
  server: z.url({ protocol: /^https$/ }),
  "certificate-authority-data": z.base64().optional(),
  "insecure-skip-tls-verify": z.boolean().optional(),
  "tls-server-name": z.string().optional(),
  "proxy-url": z.url().optional(),
  "disable-compression": z.boolean().optional(),
  extensions: z.unknown().optional(),
});

const userPart = z.strictObject({
  "client-certificate-data": z.base64().optional(),
  "client-key-data": z.base64().optional(),
  token: z.string().optional(),
  extensions: z.unknown().optional(),
});

const kubeconfig = z.object({
  "current-context": z.string().min(1),
  contexts: z.array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string() }) })),
  clusters: z.array(z.object({ name: z.string(), cluster: clusterPart })),
  users: z.array(z.object({ name: z.string(), user: userPart })),
});

/** The configuration of the current context, or what is wrong with the text (never its content). */
export function readWorkloadKubeconfig(text: string): Result<WorkloadConfiguration, string> {
  let value: unknown;
  try {
    value = parse(text);
  } catch {
    return err("it is not YAML");
  }
  const read = kubeconfig.safeParse(value);
  if (!read.success) {
    const [issue] = read.error.issues;
    return err(`${issue?.path.join(".") || "the document"}: ${issue?.message ?? "cannot be read"}`);
  }
  const { contexts, clusters, users, "current-context": current } = read.data;
  const context = contexts.find(({ name }) => name === current)?.context;
  const cluster = clusters.find(({ name }) => name === context?.cluster)?.cluster;
  const user = users.find(({ name }) => name === context?.user)?.user;
  if (cluster === undefined || user === undefined) return err("its current context names no cluster or no user");
  return ok(configurationOf(cluster, user));
}

function configurationOf(cluster: z.infer<typeof clusterPart>, user: z.infer<typeof userPart>): WorkloadConfiguration {
  const material = <K extends string>(field: K, base64: string | undefined) =>
    base64 === undefined ? {} : ({ [field]: { text: Buffer.from(base64, "base64").toString() } } as Record<K, Pem>);
  const { "tls-server-name": serverName, "proxy-url": proxyUrl, "insecure-skip-tls-verify": insecure } = cluster;
  return {
    server: cluster.server,
    namespace: "default",
    ...material("certificateAuthority", cluster["certificate-authority-data"]),
    ...material("clientCertificate", user["client-certificate-data"]),
    ...material("clientKey", user["client-key-data"]),
    ...(user.token === undefined ? {} : { token: { text: user.token } }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
    ...(insecure === undefined ? {} : { insecureSkipTlsVerify: insecure }),
  };
}
