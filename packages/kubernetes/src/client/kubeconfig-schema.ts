/** The parts of a kubeconfig file that we read. What is unknown is let through: other programs keep things there. Absent text is "". */
import { err, ok, type Result } from "@liquidmetal/foundation";
import { z } from "zod";

export interface KubeconfigCluster {
  readonly server: string;
  readonly "tls-server-name": string;
  readonly "insecure-skip-tls-verify": boolean;
  readonly "certificate-authority": string;
  readonly "certificate-authority-data": string;
  readonly "proxy-url": string;
}

export interface KubeconfigExec {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly installHint: string;
  readonly provideClusterInfo: boolean;
}

export interface KubeconfigUser {
  readonly "client-certificate": string;
  readonly "client-certificate-data": string;
  readonly "client-key": string;
  readonly "client-key-data": string;
  readonly token: string;
  readonly tokenFile: string;
  readonly username: string;
  readonly password: string;
  readonly as: string;
  readonly "as-uid": string;
  readonly "as-groups": readonly string[];
  readonly "as-user-extra": Readonly<Record<string, readonly string[]>>;
  readonly "auth-provider"?: unknown;
  readonly exec?: KubeconfigExec | undefined;
}

export interface Kubeconfig {
  readonly "current-context": string;
  readonly clusters: readonly { readonly name: string; readonly cluster: KubeconfigCluster }[];
  readonly contexts: readonly {
    readonly name: string;
    readonly context: { readonly cluster: string; readonly user: string; readonly namespace: string };
  }[];
  readonly users: readonly { readonly name: string; readonly user: KubeconfigUser }[];
}

/** The first field that breaks a rule. */
export interface KubeconfigIssue {
  /** As in "clusters.0.cluster.server"; "" for the whole file. */
  readonly field: string;
  readonly why: string;
}

export function readKubeconfig(value: unknown): Result<Kubeconfig, KubeconfigIssue> {
  const read = kubeconfigSchema.safeParse(value ?? {});
  if (read.success) return ok(read.data);
  const [issue] = read.error.issues;
  return err({ field: issue?.path.join(".") ?? "", why: issue?.message ?? "cannot be read" });
}

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? "");
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);

function list<T extends z.ZodType>(item: T) {
  return z
    .array(item)
    .nullish()
    .transform((value) => value ?? []);
}

const cluster = z.looseObject({
  server: z.string(),
  "tls-server-name": text,
  "insecure-skip-tls-verify": flag,
  "certificate-authority": text,
  "certificate-authority-data": text,
  "proxy-url": text,
});

const exec = z.looseObject({
  apiVersion: z.enum(["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]),
  command: z.string().min(1),
  args: list(z.string()),
  env: list(z.looseObject({ name: z.string(), value: z.string() })),
  installHint: text,
  provideClusterInfo: flag,
});

const user = z.looseObject({
  "client-certificate": text,
  "client-certificate-data": text,
  "client-key": text,
  "client-key-data": text,
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  as: text,
  "as-uid": text,
  "as-groups": list(z.string()),
  "as-user-extra": z
    .record(z.string(), z.array(z.string()))
    .nullish()
    .transform((value) => value ?? {}),
  "auth-provider": z.unknown().optional(),
  exec: exec.nullish().transform((value) => value ?? undefined),
});

const kubeconfigSchema = z.looseObject({
  "current-context": text,
  clusters: list(z.looseObject({ name: z.string(), cluster })),
  contexts: list(
    z.looseObject({ name: z.string(), context: z.looseObject({ cluster: text, user: text, namespace: text }) }),
  ),
  users: list(z.looseObject({ name: z.string(), user })),
});
