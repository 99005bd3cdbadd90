/** The nodes of a workload cluster, each with its Machine and host; Machines that are no node yet are shown, too. */
import { type Presentation, printList } from "../output/print.ts";
import type { Invocation } from "../program/command.ts";
import { age } from "../program/duration.ts";
import type { Session } from "../program/session.ts";
import { configurationOf, readWorkloadKubeconfig } from "./kubeconfig.ts";
import { connect, findCluster, openManagementCluster } from "./management-cluster.ts";
import { clusterNameLabel, type Machine, machines, type Node, nodes } from "./objects.ts";
import { hostOf } from "./tree/machine-node.ts";

export interface NodeRow {
  /** Absent: the machine is no node yet. */
  readonly node?: Node;
  /** Absent: no Machine of this cluster knows it. */
  readonly machine?: Machine;
}

const timeoutMs = 15_000;
const controlPlaneRole = "node-role.kubernetes.io/control-plane";

export async function getNodes(invocation: Invocation, session: Session): Promise<number | undefined> {
  const name = invocation.positionals[0] ?? "";
  await using management = await openManagementCluster(session);
  await findCluster(session, management, name);
  const { client, namespace } = management;
  const { signal } = session;
  const labelSelector = `${clusterNameLabel}=${name}`;
  const [config, known] = await Promise.all([
    readWorkloadKubeconfig(session, management, name),
    client.list(machines, { namespace, labelSelector, signal }),
  ]);
  const workload = connect(configurationOf(config));
  try {
    const rows = joined((await workload.list(nodes, { signal, timeoutMs })).items, known.items);
    await printList(session, rows, nodePresentation(session.clock.nowMs()));
  } finally {
    await workload.close();
  }
  return undefined;
}

/** By provider id, or by name where the node has none. Control planes first, then by name. */
export function joined(found: readonly Node[], known: readonly Machine[]): readonly NodeRow[] {
  const machineOf = (node: Node): Machine | undefined => {
    const id = node.spec?.providerID;
    return known.find(({ spec, status }) =>
      id === undefined || spec?.providerID === undefined
        ? status?.nodeRef?.name === node.metadata?.name
        : spec.providerID === id,
    );
  };
  const rows: NodeRow[] = found.map((node) => {
    const machine = machineOf(node);
    return { node, ...(machine === undefined ? {} : { machine }) };
  });
  const taken = new Set(rows.map(({ machine }) => machine));
  rows.push(...known.filter((machine) => !taken.has(machine)).map((machine) => ({ machine })));
  return rows.sort((left, right) => (sortKey(left) < sortKey(right) ? -1 : 1));
}

function nodePresentation(nowMs: number): Presentation<NodeRow> {
  const at = (row: NodeRow): number => Date.parse((row.node ?? row.machine)?.metadata?.creationTimestamp ?? "");
  return {
    columns: [
      { header: "NODE", value: ({ node }) => node?.metadata?.name ?? "-" },
      { header: "STATUS", value: statusOf },
      { header: "ROLE", value: roleOf },
      {
        header: "VERSION",
        value: ({ node, machine }) => node?.status?.nodeInfo?.kubeletVersion ?? machine?.spec?.version ?? "-",
      },
      { header: "ADDRESS", value: (row) => addressOf(row) || "-" },
      { header: "MACHINE", value: ({ machine }) => machine?.metadata?.name ?? "-", elastic: true },
      { header: "HOST", value: (row) => hostOfRow(row) || "-" },
      { header: "AGE", value: (row) => (Number.isNaN(at(row)) ? "-" : age(nowMs - at(row))) },
      { header: "MICROVM", value: (row) => microvmOf(row) || "-", wide: true },
    ],
    json: (row) => ({
      name: row.node?.metadata?.name ?? "",
      status: statusOf(row),
      role: roleOf(row),
      version: row.node?.status?.nodeInfo?.kubeletVersion ?? row.machine?.spec?.version ?? "",
      address: addressOf(row),
      machine: row.machine?.metadata?.name ?? "",
      host: hostOfRow(row),
      microvm: microvmOf(row),
      createdAt: row.node?.metadata?.creationTimestamp ?? null,
    }),
    name: ({ node, machine }) => node?.metadata?.name ?? machine?.metadata?.name ?? "",
  };
}

/** `ready`, `not ready`, `unknown`, with `, closed` where nothing new is put; `no node yet`; `no machine`. */
export function statusOf({ node, machine }: NodeRow): string {
  if (node === undefined) return machine?.metadata?.deletionTimestamp === undefined ? "no node yet" : "being deleted";
  const ready = node.status?.conditions?.find(({ type }) => type === "Ready")?.status;
  const text = ready === "True" ? "ready" : ready === "False" ? "not ready" : "unknown";
  const closed = node.spec?.unschedulable === true ? ", closed" : "";
  return `${text}${closed}${machine === undefined ? ", no machine" : ""}`;
}

function roleOf({ node, machine }: NodeRow): string {
  const labels = { ...machine?.metadata?.labels, ...node?.metadata?.labels };
  return controlPlaneRole in labels || "cluster.x-k8s.io/control-plane" in labels ? "control-plane" : "worker";
}

const addressOf = ({ node }: NodeRow): string =>
  node?.status?.addresses?.find(({ type }) => type === "InternalIP")?.address ?? "";
const providerId = ({ node, machine }: NodeRow): string => machine?.spec?.providerID ?? node?.spec?.providerID ?? "";
const hostOfRow = (row: NodeRow): string =>
  row.machine === undefined
    ? (/^microvm:\/\/([^/]+)\//.exec(providerId(row))?.[1] ?? "")
    : hostOf(row.machine, undefined);
const microvmOf = (row: NodeRow): string => /^microvm:\/\/[^/]+\/(.+)$/.exec(providerId(row))?.[1] ?? "";

const sortKey = (row: NodeRow): string =>
  `${roleOf(row) === "control-plane" ? 0 : 1} ${row.node === undefined ? 1 : 0} ${row.node?.metadata?.name ?? row.machine?.metadata?.name ?? ""}`;
