/** Machines as Cluster API's core and bootstrap provider would have made them, up to where the infrastructure provider begins; and the writes of one, alone. */
import type { Json } from "../../tests/assets/management/json-api.ts";
import { concurrency, type Stage } from "./stage.ts";

/** Machines of one cluster. */
const clusterSize = 100;
const core = "cluster.x-k8s.io/v1beta2";
const infrastructure = "infrastructure.cluster.x-k8s.io/v1beta2";
/** As large as kubeadm's. */
const bootstrapData = Buffer.from(`#cloud-config\n${"# ".padEnd(80, "x").concat("\n").repeat(100)}`).toString("base64");

export const pathOf = (apiVersion: string, namespace: string, plural: string): string =>
  apiVersion.includes("/")
    ? `/apis/${apiVersion}/namespaces/${namespace}/${plural}`
    : `/api/${apiVersion}/namespaces/${namespace}/${plural}`;

export const machinesPath = (namespace: string): string => pathOf(infrastructure, namespace, "microvmmachines");

const clusterOf = (index: number): string => `c${Math.floor(index / clusterSize)}`;
export const nameOf = (index: number): string => `${clusterOf(index)}-m${index}`;

/** Makes the machines `from` to `to`, and their clusters. */
export async function makeMachines(stage: Stage, namespace: string, from: number, to: number): Promise<void> {
  await stage.api
    .post("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } })
    .catch(() => undefined);
  for (let first = Math.ceil(from / clusterSize) * clusterSize; first < to; first += clusterSize)
    await makeCluster(stage, namespace, `c${first / clusterSize}`);
  await inParallel(from, to, (index) => makeMachine(stage, namespace, index));
}

/** Each index once, `concurrency` at once. */
export async function inParallel(from: number, to: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = from;
  const worker = async (): Promise<void> => {
    while (next < to) {
      next += 1;
      await work(next - 1);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

async function makeCluster({ api, endpoints }: Stage, namespace: string, name: string): Promise<void> {
  const cluster = await api.post(pathOf(core, namespace, "clusters"), {
    apiVersion: core,
    kind: "Cluster",
    metadata: { name, namespace },
    spec: {
      controlPlaneEndpoint: { host: "192.0.2.1", port: 6443 },
      infrastructureRef: { apiGroup: "infrastructure.cluster.x-k8s.io", kind: "MicrovmCluster", name },
    },
  });
  await api.post(pathOf(infrastructure, namespace, "microvmclusters"), {
    apiVersion: infrastructure,
    kind: "MicrovmCluster",
    metadata: { name, namespace, ownerReferences: [owner(cluster, core)] },
    spec: {
      controlPlaneEndpoint: { host: "192.0.2.1", port: 6443 },
      placement: { staticPool: { hosts: endpoints.map((endpoint) => ({ endpoint })) } },
    },
  });
  await api.merge(`${pathOf(core, namespace, "clusters")}/${name}/status`, {
    status: { initialization: { infrastructureProvisioned: true } },
  });
  await api.post(pathOf("v1", namespace, "secrets"), {
    apiVersion: "v1",
    kind: "Secret",
    type: "cluster.x-k8s.io/secret",
    metadata: { name: `${name}-bootstrap`, namespace },
    data: { format: Buffer.from("cloud-config").toString("base64"), value: bootstrapData },
  });
}

async function makeMachine({ api }: Stage, namespace: string, index: number): Promise<void> {
  const cluster = clusterOf(index);
  const name = nameOf(index);
  const labels = { "cluster.x-k8s.io/cluster-name": cluster };
  const machine = await api.post(pathOf(core, namespace, "machines"), {
    apiVersion: core,
    kind: "Machine",
    metadata: { name, namespace, labels },
    spec: {
      clusterName: cluster,
      version: "v1.36.3",
      bootstrap: { dataSecretName: `${cluster}-bootstrap` },
      infrastructureRef: { apiGroup: "infrastructure.cluster.x-k8s.io", kind: "MicrovmMachine", name },
    },
  });
  await api.post(machinesPath(namespace), {
    apiVersion: infrastructure,
    kind: "MicrovmMachine",
    metadata: { name, namespace, labels, ownerReferences: [{ ...owner(machine, core), controller: true }] },
    spec: {
      vcpu: 2,
      memoryMiB: 2_048,
      rootVolume: { id: "root", image: "registry.test/node:1.36.3" },
      kernel: { image: "registry.test/kernel:6.1", filename: "boot/vmlinux" },
      networkInterfaces: [{ guestDeviceName: "eth1", type: "tap" }],
    },
  });
}

const owner = ({ kind, metadata }: Json, apiVersion: string): Json => ({
  apiVersion,
  kind,
  name: metadata.name,
  uid: metadata.uid,
});

/**
 * The writes of one machine again, on a copy that nobody reconciles: the same documents, as `done` shows them, in as many writes. First the journal, then the
 * provider id, the rest of the status, by server-side apply as capmvm does; the condition that is written last differs in each.
 */
export async function replay(
  { api }: Stage,
  namespace: string,
  done: Json,
  name: string,
  writes: number,
): Promise<void> {
  const path = `${machinesPath(namespace)}/${name}`;
  const { finalizers, annotations } = done.metadata;
  const { providerID } = done.spec;
  const documents: readonly (() => Promise<unknown>)[] = [
    () => api.merge(path, { metadata: { finalizers, annotations } }),
    () => api.merge(path, { spec: { providerID: `${providerID}` } }),
  ];
  for (let index = 0; index < writes; index += 1) {
    const write = documents[index];
    if (write !== undefined) await write();
    else await api.apply(`${path}/status`, statusDocument(done, name, index));
  }
}

function statusDocument(done: Json, name: string, index: number): Json {
  const conditions = done.status.conditions.map((each: Json) => ({ ...each, message: `${each.message} (${index})` }));
  const { apiVersion, kind, status } = done;
  return { apiVersion, kind, metadata: { name }, status: { ...status, conditions } };
}
