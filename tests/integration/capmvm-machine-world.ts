/** A real API server with the CRDs of Cluster API and of capmvm, fake flintlockds, the machine controller as a process, and the objects that Cluster API would make. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type FakeFlintlockd, type FakeFlintlockdOptions, startFakeFlintlockd } from "@liquidmetal/host-agent/fake";
import { clusterApiManifests, type Manifest } from "@liquidmetal/management-plane";
import { type CapmvmApi, serveCapmvmApi } from "../assets/capmvm-api.ts";
import { eventually, type Json, JsonApi } from "../assets/management/json-api.ts";
import { preparedPrograms } from "../assets/management/prepared-programs.ts";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";

const cluster = "/apis/cluster.x-k8s.io/v1beta2/namespaces/default";
const infrastructure = "/apis/infrastructure.cluster.x-k8s.io/v1beta2/namespaces/default";
const infrastructureGroup = "infrastructure.cluster.x-k8s.io";

export class MachinePlane implements AsyncDisposable {
  readonly server: ApiServer;
  readonly api: JsonApi;
  readonly hosts: readonly FakeFlintlockd[];
  readonly #capmvm: CapmvmApi;
  #child: ChildProcess | undefined;

  private constructor(server: ApiServer, capmvm: CapmvmApi, hosts: readonly FakeFlintlockd[]) {
    this.server = server;
    this.#capmvm = capmvm;
    this.hosts = hosts;
    this.api = new JsonApi(server);
  }

  static async start(hosts: readonly FakeFlintlockdOptions[]): Promise<MachinePlane> {
    const server = await startApiServer();
    try {
      await server.plane.kubectl.apply(await clusterApiDefinitions());
      const capmvm = await serveCapmvmApi(server);
      const plane = new MachinePlane(server, capmvm, await Promise.all(hosts.map((host) => startFakeFlintlockd(host))));
      await plane.#makeCluster();
      return plane;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Resolves when it works. */
  async startController(): Promise<void> {
    const program = join(import.meta.dirname, "capmvm-machine-child.ts");
    const child = spawn(process.execPath, [program, this.server.kubeconfigFile], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#child = child;
    const lines = createInterface({ input: child.stdout });
    const ready = Promise.withResolvers<void>();
    lines.on("line", (line) => line === "ready" && ready.resolve());
    child.once("exit", (code, signal) => ready.reject(new Error(`the controller ended: ${code ?? signal}`)));
    await ready.promise;
  }

  /** As `kill -9`; resolves when it is gone. */
  async killController(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** At once, without waiting: for the midst of a call. */
  shootController(): void {
    this.#child?.kill("SIGKILL");
  }

  /** Machine, bootstrap secret and MicrovmMachine, as Cluster API makes them. */
  async makeMachine(name: string, spec: Json = {}, failureDomain?: string): Promise<void> {
    const labels = { "cluster.x-k8s.io/cluster-name": "demo" };
    const metadata = { name, namespace: "default", labels };
    await this.api.post("/api/v1/namespaces/default/secrets", {
      metadata: { name: `${name}-bootstrap` },
      type: "cluster.x-k8s.io/secret",
      stringData: { format: "cloud-config", value: "## template: jinja\n#cloud-config\nruncmd: []\n" },
    });
    const { metadata: made } = await this.api.post(`${cluster}/machines`, {
      apiVersion: "cluster.x-k8s.io/v1beta2",
      kind: "Machine",
      metadata,
      spec: {
        clusterName: "demo",
        bootstrap: { dataSecretName: `${name}-bootstrap` },
        infrastructureRef: { apiGroup: infrastructureGroup, kind: "MicrovmMachine", name },
        ...(failureDomain !== undefined && { failureDomain }),
      },
    });
    const owner = { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "Machine", name, uid: made.uid };
    await this.api.post(`${infrastructure}/microvmmachines`, {
      apiVersion: `${infrastructureGroup}/v1beta2`,
      kind: "MicrovmMachine",
      metadata: { ...metadata, ownerReferences: [owner] },
      spec: {
        vcpu: 2,
        memoryMiB: 2_048,
        rootVolume: { id: "root", image: "registry.example/os:1" },
        kernel: { image: "registry.example/kernel:1" },
        networkInterfaces: [{ guestDeviceName: "eth1", type: "tap" }],
        ...spec,
      },
    });
  }

  machine(name: string): Promise<Json | undefined> {
    return this.api.find(`${infrastructure}/microvmmachines/${name}`);
  }

  async deleteMachine(name: string): Promise<void> {
    await this.api.delete(`${infrastructure}/microvmmachines/${name}`);
  }

  /** The user lets go of a microVM on a host that cannot be reached. */
  async abandon(name: string): Promise<void> {
    const annotations = { "capmvm.liquidmetal.dev/abandon-unreachable-host": "true" };
    await this.api.merge(`${infrastructure}/microvmmachines/${name}`, { metadata: { annotations } });
  }

  /** The MicrovmMachine as soon as this condition has this reason. */
  async condition(name: string, type: string, reason: string, timeoutMs = 30_000): Promise<Json> {
    const look = async (): Promise<Json | undefined> => {
      const machine = await this.machine(name);
      return conditionOf(machine, type)?.reason === reason ? machine : undefined;
    };
    return await eventually(`${type} of ${name} is ${reason}`, look, {
      timeoutMs,
      seen: async () => JSON.stringify((await this.machine(name))?.status?.conditions),
    });
  }

  async gone(name: string): Promise<void> {
    await eventually(`${name} is gone`, async () => ((await this.machine(name)) === undefined ? true : undefined), {
      timeoutMs: 60_000,
      seen: async () => JSON.stringify((await this.machine(name))?.status?.conditions),
    });
  }

  /** MicroVMs of that name, on all hosts. */
  microVms(name: string): readonly { readonly endpoint: string; readonly uid: string }[] {
    return this.hosts.flatMap(({ host, endpoint }) =>
      host.microVms.filter(({ spec }) => spec.name === name).map(({ uid }) => ({ endpoint, uid })),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killController();
    this.api[Symbol.dispose]();
    await this.#capmvm[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
    await Promise.all(this.hosts.map((host) => host.stop()));
  }

  async #makeCluster(): Promise<void> {
    const reference = { apiGroup: infrastructureGroup, kind: "MicrovmCluster", name: "demo" };
    const { metadata } = await this.api.post(`${cluster}/clusters`, {
      apiVersion: "cluster.x-k8s.io/v1beta2",
      kind: "Cluster",
      metadata: { name: "demo", namespace: "default" },
      spec: { infrastructureRef: reference, controlPlaneEndpoint: { host: "10.0.0.250", port: 6_443 } },
    });
    const provisioned = { status: { initialization: { infrastructureProvisioned: true } } };
    await this.api.merge(`${cluster}/clusters/demo/status`, provisioned);
    await this.api.post(`${infrastructure}/microvmclusters`, {
      apiVersion: `${infrastructureGroup}/v1beta2`,
      kind: "MicrovmCluster",
      metadata: {
        name: "demo",
        namespace: "default",
        labels: { "cluster.x-k8s.io/cluster-name": "demo" },
        ownerReferences: [{ apiVersion: "cluster.x-k8s.io/v1beta2", kind: "Cluster", name: "demo", uid: metadata.uid }],
      },
      spec: { placement: { staticPool: { hosts: this.hosts.map(({ endpoint }) => ({ endpoint })) } } },
    });
  }
}

export function conditionOf(machine: Json, type: string): Json | undefined {
  return machine?.status?.conditions?.find((condition: Json) => condition.type === type);
}

/** Cluster API's CRDs without its webhooks: nothing here reads another version than the stored one. */
async function clusterApiDefinitions(): Promise<readonly Manifest[]> {
  const programs = await preparedPrograms();
  const { providers } = await clusterApiManifests({ kustomize: programs.kustomize, report: () => undefined });
  return providers["cluster-api"]
    .filter(({ kind }) => kind === "CustomResourceDefinition")
    .map((definition) => ({
      ...definition,
      spec: { ...(definition["spec"] as object), conversion: { strategy: "None" } },
    }));
}
