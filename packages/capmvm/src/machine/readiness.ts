/** What must be there before a microVM is made: the cluster's infrastructure, and the data that makes it a node. */
import type { KubernetesObject, ObjectCache } from "@liquidmetal/kubernetes";
import { clusterApiNames, type Machine, type MachinePool } from "../api/index.ts";
import { labelValue } from "../machine-pool/new-member.ts";
import { bootstrapGate, readBootstrapData } from "./bootstrap-data.ts";
import type { MachineScope } from "./dependencies.ts";
import { both, type Findings, found } from "./findings.ts";

export interface Ready {
  readonly ready: true;
  readonly userData: string;
  readonly findings: Findings;
}

export type Readiness =
  | Ready
  | { readonly ready: false; readonly findings: Findings; readonly requeueAfterMs?: number };

/** Secrets are not watched. */
const secretAgainMs = 10_000;

export async function readiness(scope: MachineScope): Promise<Readiness> {
  const waiting = infrastructureFinding(scope);
  if (waiting !== undefined) return { ready: false, findings: waiting };
  const { machine, owner, cluster, world, signal } = scope;
  const named = withPoolsSecret(owner ?? {}, machine, world.caches.machinePools);
  const data = bootstrapGate(named, cluster) ?? (await readBootstrapData(world.client, named, signal));
  if (data.available) {
    return { ready: true, userData: data.userData, findings: found("BootstrapDataAvailable", "True", "Available") };
  }
  const findings = both(
    found("BootstrapDataAvailable", "False", data.reason, data.message),
    found("VMProvisioned", "False", "WaitingForBootstrapData", data.message),
  );
  return data.lookAgain ? { ready: false, findings, requeueAfterMs: secretAgainMs } : { ready: false, findings };
}

function infrastructureFinding({ cluster, microvmCluster, machine }: MachineScope): Findings | undefined {
  const wait = (message: string): Findings =>
    found("VMProvisioned", "False", "WaitingForClusterInfrastructure", message);
  if (cluster === undefined) return wait(`waiting for the Cluster ${clusterNameOf(machine) || "of the Machine"}`);
  if (microvmCluster === undefined) {
    const { kind = "MicrovmCluster", name = "" } = cluster.spec?.infrastructureRef ?? {};
    return wait(`waiting for the ${kind} ${name} that the Cluster names as its infrastructure`);
  }
  if (cluster.status?.initialization?.infrastructureProvisioned !== true) {
    return wait("waiting for the infrastructure of the Cluster to be provisioned");
  }
  return undefined;
}

/** Cluster API makes Machines for machines of a pool without bootstrap data of their own: it is the pool's. */
function withPoolsSecret(
  owner: Machine,
  machine: { readonly metadata?: Machine["metadata"] },
  pools: Pick<ObjectCache<MachinePool>, "get" | "list"> | undefined,
): Machine {
  if (owner.spec?.bootstrap?.dataSecretName) return owner;
  const label = clusterApiNames.machinePoolLabel;
  const name = machine.metadata?.labels?.[label] ?? owner.metadata?.labels?.[label];
  const namespace = machine.metadata?.namespace ?? "";
  if (name === undefined) return owner;
  const pool =
    pools?.get({ namespace, name }) ??
    pools?.list(namespace).find(({ metadata }) => labelValue(metadata?.name ?? "") === name);
  const dataSecretName = pool?.spec?.template?.spec?.bootstrap?.dataSecretName;
  if (dataSecretName === undefined) return owner;
  return {
    ...owner,
    metadata: { namespace, ...owner.metadata },
    spec: { ...owner.spec, bootstrap: { dataSecretName } },
  };
}

export function clusterNameOf(object: KubernetesObject): string {
  return object.metadata?.labels?.[clusterApiNames.clusterNameLabel] ?? "";
}
