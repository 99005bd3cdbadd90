/** The administrator's kubeconfig of a cluster: printed, written to a file, or merged into the one that kubectl uses. */
import { PlatformError } from "@liquidmetal/foundation";
import type { ClusterConfiguration, ObjectKey } from "@liquidmetal/kubernetes";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { changeKubeconfigFile, kubeconfigPath, writeKubeconfigFile } from "./kubeconfig-file.ts";
import {
  kubeconfigText,
  mergeKubeconfig,
  readSingleKubeconfig,
  renamed,
  type SingleKubeconfig,
  throughProxy,
} from "./kubeconfig-merge.ts";
import { findCluster, type ManagementCluster, openManagementCluster } from "./management-cluster.ts";
import { secrets } from "./objects.ts";

export async function clusterKubeconfig(invocation: Invocation, session: Session): Promise<number | undefined> {
  const { flags, positionals } = invocation;
  const name = positionals[0] ?? "";
  const merge = flags.on("merge");
  const out = flags.text("out");
  if (merge && out !== undefined) throw usage("--merge and --out contradict each other");
  for (const flag of ["use", "overwrite"]) if (flags.on(flag) && !merge) throw usage(`--${flag} goes with --merge`);
  await using management = await openManagementCluster(session);
  await findCluster(session, management, name);
  const own = await readWorkloadKubeconfig(session, management, name);
  const given = flags.text("name");
  const config = given === undefined ? own : renamed(own, given);
  if (merge) {
    const path = await kubeconfigPath(session.terminal.env);
    const options = { use: flags.on("use"), overwrite: flags.on("overwrite") };
    const changed = await changeKubeconfigFile(path, (text) => mergeKubeconfig(text, config, options));
    const kept = changed.backup === undefined ? "" : `; what was there is in ${changed.backup}`;
    session.note(`Context '${config.contextName}' is in ${path}${kept}.`);
    session.note(`Use it: kubectl --context ${config.contextName} get nodes`);
    return undefined;
  }
  if (out !== undefined) {
    await writeKubeconfigFile(out, kubeconfigText(config));
    session.note(`Use it: KUBECONFIG=${out} kubectl get nodes`);
    return undefined;
  }
  session.print(kubeconfigText(config));
  return undefined;
}

/** Throws OBJECT_NOT_FOUND while Cluster API has not made it. */
export async function readWorkloadKubeconfig(
  session: Session,
  management: ManagementCluster,
  name: string,
): Promise<SingleKubeconfig> {
  const key: ObjectKey = { namespace: management.namespace, name: `${name}-kubeconfig` };
  const secret = await management.client.find(secrets, key, { signal: session.signal });
  const data = secret?.data?.["value"];
  if (data === undefined)
    throw new PlatformError(
      "OBJECT_NOT_FOUND",
      `cluster ${name} has no kubeconfig yet: its endpoint and certificates are not there`,
      {
        remedy: `'lm cluster describe ${name}' says what is waited for`,
      },
    );
  const config = readSingleKubeconfig(Buffer.from(data, "base64").toString("utf8"));
  // Clusters of the local platform are in its network: they are reached as its management cluster is.
  return throughProxy(config, management.local ? management.configuration.proxyUrl : undefined);
}

/** For a client. Cluster API's kubeconfigs hold everything themselves. */
export function configurationOf({ cluster, user }: SingleKubeconfig): ClusterConfiguration {
  const decoded = (value: unknown): { readonly text: string } | undefined =>
    typeof value === "string" && value !== "" ? { text: Buffer.from(value, "base64").toString("utf8") } : undefined;
  const authority = decoded(cluster["certificate-authority-data"]);
  const certificate = decoded(user["client-certificate-data"]);
  const key = decoded(user["client-key-data"]);
  const { server, "proxy-url": proxyUrl } = cluster;
  const { token } = user;
  if (typeof server !== "string" || !URL.canParse(server))
    throw new PlatformError("KUBECONFIG_INVALID", "the cluster's kubeconfig names no server");
  return {
    server,
    namespace: "default",
    ...(authority === undefined ? {} : { certificateAuthority: authority }),
    ...(certificate === undefined || key === undefined ? {} : { clientCertificate: certificate, clientKey: key }),
    ...(typeof token === "string" ? { token: { text: token } } : {}),
    ...(typeof proxyUrl === "string" ? { proxyUrl } : {}),
  };
}
