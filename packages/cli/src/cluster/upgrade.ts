/** Brings a cluster to another version of Kubernetes: the control plane first, the workers when it is there. Begun again, it goes on where it was. */
import { PlatformError } from "@liquidmetal/foundation";
import { type JsonPatch, keyOf, type Resource } from "@liquidmetal/kubernetes";
import { waitGoal } from "../commands/vm/flags.ts";
import type { Invocation } from "../program/command.ts";
import { usage } from "../program/flag-values.ts";
import type { Session } from "../program/session.ts";
import { versionText } from "./kubernetes-version.ts";
import { fieldManager, findCluster, type ManagementCluster, openManagementCluster } from "./management-cluster.ts";
import {
  type Cluster,
  controlPlanes,
  type MicrovmMachineTemplate,
  machineDeployments,
  machinePools,
  microvmMachineTemplates,
  type Reference,
} from "./objects.ts";
import { type ClusterSummary, printCluster, versionOf } from "./present.ts";
import { refuseDeleting } from "./scale.ts";
import { readSummary } from "./summary.ts";
import { chooseImages } from "./template/node-images.ts";
import { patchTopology } from "./topology.ts";
import { checkUpgrade, planStep, topologyImages, type UpgradeImages, type UpgradeStep } from "./upgrade-plan.ts";
import { waitForCluster } from "./wait.ts";

const defaultTimeoutMs = 3_600_000;

interface Upgrade {
  readonly version: string;
  readonly images: UpgradeImages;
  readonly timeoutMs: number;
}

export async function upgradeCluster(invocation: Invocation, session: Session): Promise<number | undefined> {
  const { flags, positionals } = invocation;
  const name = positionals[0] ?? "";
  const wanted = flags.text("kubernetes-version");
  if (wanted === undefined) throw usage("upgrade to which version?", "say it with --kubernetes-version, as in v1.36.3");
  const version = versionText(wanted);
  const goal = waitGoal(flags, { bare: "ready", absent: "none", allowed: ["ready"] });
  await using management = await openManagementCluster(session);
  const cluster = await findCluster(session, management, name);
  refuseDeleting(cluster);
  if (cluster.spec?.paused === true)
    throw new PlatformError("PHASE_CONFLICT", `cluster ${name} is paused: an upgrade would do nothing`, {
      remedy: "resume it first: spec.paused of the Cluster",
    });
  const summary = await readSummary(management.client, cluster, session.signal);
  checkUpgrade(version, versionOf(summary), summary.pools);
  const images = await imagesFor(session, management, version);
  const upgrade = { version, images, timeoutMs: flags.durationMs("timeout") ?? defaultTimeoutMs };
  if (cluster.spec?.topology === undefined) await upgradeObjects(session, management, summary, upgrade);
  else await upgradeTopology(session, management, cluster, upgrade);
  const key = keyOf(cluster);
  if (goal !== "none")
    await waitForCluster(session, management, { key, goal: "available", timeoutMs: upgrade.timeoutMs });
  await printCluster(session, management, key);
  return undefined;
}

/** Throws IMAGE_NOT_FOUND where the local platform has no image of the version; elsewhere the image has to be named. */
async function imagesFor(session: Session, { local }: ManagementCluster, version: string): Promise<UpgradeImages> {
  const { flags } = session;
  const [root, kernel, kernelFile] = [flags.text("image"), flags.text("kernel"), flags.text("kernel-file")];
  const named = { ...(kernel === undefined ? {} : { kernel }), ...(kernelFile === undefined ? {} : { kernelFile }) };
  if (!local) {
    if (root === undefined)
      throw usage("which image are the machines made of?", `name a node image of Kubernetes ${version} with --image`);
    return { root, ...named };
  }
  const present = await (await session.host()).images({ signal: session.signal });
  // The kernel stays unless another one is named: it has nothing to do with the version of Kubernetes.
  const chosen = chooseImages(
    { version, kernel: kernel ?? "unchanged", ...(root === undefined ? {} : { root }) },
    present,
  );
  return {
    root: chosen.root,
    ...named,
    ...(kernel === undefined || chosen.kernelFile === undefined ? {} : { kernelFile: kernelFile ?? chosen.kernelFile }),
    ...(kernel === undefined || chosen.initrd === undefined ? {} : { initrd: chosen.initrd }),
  };
}

async function upgradeObjects(
  session: Session,
  management: ManagementCluster,
  { cluster, controlPlane, pools }: ClusterSummary,
  { version, images, timeoutMs }: Upgrade,
): Promise<void> {
  const { client } = management;
  const { signal } = session;
  const namespace = cluster.metadata?.namespace ?? "";
  if (controlPlane === undefined)
    throw usage(`the control plane of ${cluster.metadata?.name} is not kubeadm's: it cannot be upgraded from here`);
  const step = async (object: Parameters<typeof planStep>[0], reference: Reference | undefined) =>
    planStep(object, await templateOf(management, namespace, reference, signal), { version, images });
  const first = await step(controlPlane, controlPlane.spec?.machineTemplate?.spec?.infrastructureRef);
  if (first === undefined) session.note(`The control plane is of ${version} already.`);
  else {
    const available = controlPlane.status?.conditions?.find(({ type }) => type === "Available");
    if (available?.status !== "True" && first.fromVersion !== version)
      throw new PlatformError(
        "PHASE_CONFLICT",
        `the control plane is not available: ${available?.message || "nothing is known of it yet"}`,
        {
          remedy: "repair it before it is upgraded: 'lm cluster describe'",
        },
      );
    const infrastructureRef = await made(session, management, namespace, first);
    await client.mergePatch(
      controlPlanes,
      keyOf(controlPlane),
      {
        spec: {
          version,
          ...(infrastructureRef === undefined ? {} : { machineTemplate: { spec: { infrastructureRef } } }),
        },
      },
      { signal, fieldManager },
    );
    session.note(`The control plane goes from ${first.fromVersion} to ${version}.`);
  }
  await waitForCluster(session, management, { key: keyOf(cluster), goal: "control plane", timeoutMs, version });
  for (const pool of pools) {
    const own = await step(pool, pool.spec?.template?.spec?.infrastructureRef);
    if (own === undefined) continue;
    const infrastructureRef = await made(session, management, namespace, own);
    const kind: Resource = pool.kind === machinePools.kind ? machinePools : machineDeployments;
    const spec = { version, ...(infrastructureRef === undefined ? {} : { infrastructureRef }) };
    await client.mergePatch(kind, keyOf(pool), { spec: { template: { spec } } }, { signal, fieldManager });
    session.note(`Workers ${own.name} go from ${own.fromVersion} to ${version}.`);
  }
}

async function templateOf(
  { client }: ManagementCluster,
  namespace: string,
  reference: Reference | undefined,
  signal: AbortSignal,
): Promise<MicrovmMachineTemplate | undefined> {
  if (reference?.kind !== microvmMachineTemplates.kind) return undefined;
  return client.get(microvmMachineTemplates, { namespace, name: reference.name }, { signal });
}

/** Makes the template of a step; resolves with what refers to it. */
async function made(
  session: Session,
  { client }: ManagementCluster,
  namespace: string,
  { template }: UpgradeStep,
): Promise<Reference | undefined> {
  if (template === undefined) return undefined;
  const { signal } = session;
  await client.apply(microvmMachineTemplates, { namespace, name: template.name }, template.body, {
    signal,
    fieldManager,
  });
  return { apiGroup: microvmMachineTemplates.group, kind: microvmMachineTemplates.kind, name: template.name };
}

/** Cluster API itself brings the control plane first, then the workers. */
async function upgradeTopology(
  session: Session,
  management: ManagementCluster,
  cluster: Cluster,
  { version, images }: Upgrade,
): Promise<void> {
  const operations: JsonPatch[number][] = [
    { op: "test", path: "/spec/topology/version", value: cluster.spec?.topology?.version },
    { op: "replace", path: "/spec/topology/version", value: version },
  ];
  const variable = topologyImages(cluster, images);
  if (variable !== undefined) {
    const path = `/spec/topology/variables/${variable.index}`;
    operations.push({ op: "test", path: `${path}/name`, value: "images" });
    operations.push({ op: "replace", path: `${path}/value`, value: variable.value });
  } else session.warn("the topology has no variable 'images': the class has to bring the images of the new version");
  await patchTopology(session, management, cluster, operations);
  session.note(`The topology goes from ${cluster.spec?.topology?.version} to ${version}.`);
}
