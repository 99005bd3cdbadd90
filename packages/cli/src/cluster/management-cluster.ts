/**
 * Which management cluster a command means: --kubeconfig, LM_KUBECONFIG, kubectl's own files where --kube-context asks for one of them, else the local platform's.
 *
 * KUBECONFIG alone chooses nothing: who has set it for one cluster must not create another one there by mistake.
 */
import { access, constants } from "node:fs/promises";
import { PlatformError } from "@liquidmetal/foundation";
import {
  type ClusterConfiguration,
  connectCluster,
  type KubernetesClient,
  loadKubeconfig,
} from "@liquidmetal/kubernetes";
import { localPlatform, setting } from "../client/open.ts";
import { buildVersion } from "../program/build-version.ts";
import type { Session } from "../program/session.ts";
import { type Cluster, clusters } from "./objects.ts";

/** Owner of every field that lm writes. */
export const fieldManager = "lm";

export interface ManagementCluster extends AsyncDisposable {
  readonly client: KubernetesClient;
  /** By --namespace, else the kubeconfig's context. */
  readonly namespace: string;
  /** It is the one of the local platform. */
  readonly local: boolean;
  readonly configuration: ClusterConfiguration;
}

/** True where no flag and no variable names another one. */
export function meansLocalPlatform(session: Session): boolean {
  const { flags, terminal } = session;
  return (
    !flags.given("kubeconfig") && !flags.given("kube-context") && setting(terminal.env, "LM_KUBECONFIG") === undefined
  );
}

/** Nothing is dialled before the first call. KUBECONFIG_INVALID; UNAVAILABLE where the local platform has no management plane. */
export async function openManagementCluster(session: Session): Promise<ManagementCluster> {
  if (session.openManagement !== undefined) return session.openManagement(session);
  const local = meansLocalPlatform(session);
  const configuration = await (local ? localConfiguration(session) : namedConfiguration(session));
  const client = connect(configuration);
  return {
    client,
    local,
    configuration,
    namespace: session.flags.text("namespace") ?? configuration.namespace,
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** By the environment alone, for what has no flags. */
export function localOrNamed(session: Session): Promise<ClusterConfiguration> {
  const path = setting(session.terminal.env, "LM_KUBECONFIG");
  return path === undefined ? localConfiguration(session) : loadKubeconfig({ path, environment: session.terminal.env });
}

/** A client under this program's name. */
export function connect(configuration: ClusterConfiguration): KubernetesClient {
  return connectCluster({ configuration, userAgent: `lm/${buildVersion().version}`, fieldManager });
}

function namedConfiguration(session: Session): Promise<ClusterConfiguration> {
  const { flags, terminal } = session;
  const path = flags.text("kubeconfig") ?? setting(terminal.env, "LM_KUBECONFIG");
  const context = flags.text("kube-context");
  return loadKubeconfig({
    environment: terminal.env,
    ...(path === undefined ? {} : { path }),
    ...(context === undefined ? {} : { context }),
  });
}

async function localConfiguration(session: Session): Promise<ClusterConfiguration> {
  const paths = localPlatform(session);
  const path = paths.managementKubeconfig;
  try {
    await access(path, constants.R_OK);
  } catch (cause) {
    const denied = cause instanceof Error && "code" in cause && cause.code === "EACCES";
    if (denied) {
      throw new PlatformError(
        "UNAUTHENTICATED",
        `the management cluster of platform '${paths.name}' is its administrator's`,
        {
          cause,
          remedy: "run it with sudo, or name another management cluster with --kubeconfig",
        },
      );
    }
    throw new PlatformError("UNAVAILABLE", `there is no management cluster: platform '${paths.name}' runs none`, {
      remedy:
        "run 'lm up --management-plane', or name one with --kubeconfig FILE, --kube-context NAME or LM_KUBECONFIG",
    });
  }
  return loadKubeconfig({ path, environment: session.terminal.env });
}

/** Throws OBJECT_NOT_FOUND with what there is to do; OBJECT_INVALID where the API server knows no Cluster API. */
export async function findCluster(session: Session, management: ManagementCluster, name: string): Promise<Cluster> {
  const { client, namespace } = management;
  const found = await client.find(clusters, { namespace, name }, { signal: session.signal });
  if (found !== undefined) return found;
  throw new PlatformError("OBJECT_NOT_FOUND", `there is no cluster '${name}' in namespace ${namespace}`, {
    remedy: "'lm cluster list -A' shows all of them",
  });
}
