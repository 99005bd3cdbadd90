/**
 * A world for tests of the machine reconciler: an API server and hosts in memory, a clock that the test moves, the objects that Cluster API would make,
 * and lives of the controller that come and go.
 */
import { type Entropy, FakeClock } from "@liquidmetal/foundation";
import {
  findCondition,
  type KubernetesObject,
  type ObjectKey,
  openCache,
  type Resource,
  type RunnableCache,
  type RunningController,
  RuntimeMetrics,
  silentLogger,
  startController,
} from "@liquidmetal/kubernetes";
import { FakeCluster } from "@liquidmetal/kubernetes/fake";
import {
  type Cluster,
  clusters,
  type Machine,
  type MachineConditionType,
  type MicrovmCluster,
  type MicrovmHost,
  type MicrovmMachine,
  type MicrovmMachineSpec,
  machinePools,
  machines,
  microvmClusters,
  microvmMachines,
  secrets,
} from "../api/index.ts";
import type { FakeHost, FakeHostOptions } from "../hosts/fake-host.ts";
import { FakeHosts } from "../hosts/fake-hosts.ts";
import type { AccessOf, MachineDependencies } from "../machine/dependencies.ts";
import { machineController } from "../machine/machine-controller.ts";
import { machineIndexes } from "../machine/wake-ups.ts";
import { Life, mortalClient, mortalHosts } from "./mortal.ts";

const namespace = "default";
const core = "cluster.x-k8s.io/v1beta2";

/** The same in every run, and never twice. */
function countingEntropy(): Entropy {
  let count = 0;
  return {
    bytes: (length) => {
      count++;
      return Uint8Array.from({ length }, (_, index) => (count >> (8 * (index % 4))) & 0xff);
    },
    fraction: () => 0.5,
  };
}

export interface LivingController {
  readonly life: Life;
  readonly controller: RunningController;
  readonly dependencies: MachineDependencies;
  /** As `kill -9`. */
  kill(): void;
}

export interface MachineWishes {
  readonly name?: string;
  /** Default "demo". */
  readonly cluster?: string;
  readonly spec?: Partial<MicrovmMachineSpec>;
  readonly failureDomain?: string;
  readonly controlPlane?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  /** Default: there from the beginning. */
  readonly bootstrapData?: "later";
}

export class MachineWorld {
  readonly clock: FakeClock = new FakeClock();
  readonly #entropy: Entropy = countingEntropy();
  readonly cluster: FakeCluster = new FakeCluster({ clock: this.clock, entropy: this.#entropy, collectGarbage: false });
  readonly hosts: FakeHosts = new FakeHosts(this.clock);
  /** "Warning HostUnreachable m-1". */
  readonly events: string[] = [];
  accessOf: AccessOf = async (_, endpoint) => ({ endpoint });
  readonly #lives: LivingController[] = [];
  readonly #pool: MicrovmHost[] = [];

  /** A host of the pool. */
  addHost(endpoint: string, options: FakeHostOptions = {}, more: Partial<MicrovmHost> = {}): FakeHost {
    this.#pool.push({ endpoint, controlPlaneAllowed: true, ...more });
    return this.hosts.add(endpoint, options);
  }

  /** Cluster and MicrovmCluster, provisioned, both with the whole pool. */
  putCluster(more: { readonly name?: string; readonly provisioned?: boolean; readonly paused?: boolean } = {}): void {
    const { name = "demo", provisioned = true, paused } = more;
    this.cluster.put<Cluster>(clusters, {
      metadata: { namespace, name },
      spec: {
        ...(paused === undefined ? {} : { paused }),
        infrastructureRef: {
          apiGroup: "infrastructure.cluster.x-k8s.io",
          kind: "MicrovmCluster",
          name: `${name}-infra`,
        },
      },
      status: { initialization: { infrastructureProvisioned: provisioned } },
    });
    this.cluster.put<MicrovmCluster>(microvmClusters, {
      metadata: {
        namespace,
        name: `${name}-infra`,
        labels: { "cluster.x-k8s.io/cluster-name": name },
        ownerReferences: [{ apiVersion: core, kind: "Cluster", name, uid: `uid-of-${name}` }],
      },
      spec: { placement: { staticPool: { hosts: this.#pool } } },
    });
  }

  /** What Cluster API makes of one replica: Machine, bootstrap secret, MicrovmMachine. */
  putMachine(wishes: MachineWishes = {}): ObjectKey {
    const { name = "m-1", cluster = "demo", spec, failureDomain, controlPlane = false, bootstrapData } = wishes;
    const labels = {
      "cluster.x-k8s.io/cluster-name": cluster,
      ...(controlPlane ? { "cluster.x-k8s.io/control-plane": "" } : {}),
      ...wishes.labels,
    };
    const secretName = `${name}-bootstrap`;
    if (bootstrapData !== "later") this.putBootstrapData(secretName);
    const { uid = "" } =
      this.cluster.put<Machine>(machines, {
        metadata: { namespace, name, labels },
        spec: {
          clusterName: cluster,
          bootstrap: bootstrapData === "later" ? {} : { dataSecretName: secretName },
          infrastructureRef: { apiGroup: "infrastructure.cluster.x-k8s.io", kind: "MicrovmMachine", name },
          ...(failureDomain === undefined ? {} : { failureDomain }),
        },
      }).metadata ?? {};
    this.cluster.put<MicrovmMachine>(microvmMachines, {
      metadata: {
        namespace,
        name,
        labels,
        ownerReferences: [{ apiVersion: core, kind: "Machine", name, uid }],
      },
      spec: {
        vcpu: 2,
        memoryMiB: 4_096,
        rootVolume: { id: "root", image: "os:1", readOnly: false },
        kernel: { image: "kernel:1", filename: "boot/vmlinux" },
        networkInterfaces: [{ guestDeviceName: "eth1", type: "tap" }],
        ...spec,
      },
    });
    return { namespace, name };
  }

  putBootstrapData(name: string, data: Readonly<Record<string, string>> = { value: "#cloud-config\n" }): void {
    const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")]);
    this.cluster.put(secrets, { metadata: { namespace, name }, data: Object.fromEntries(encoded) });
  }

  /** Another process with the controller; waits until its caches are filled. */
  async start(life: Life = new Life(this.clock), more: Partial<MachineDependencies> = {}): Promise<LivingController> {
    const client = this.cluster.client({ fieldManager: "capmvm" });
    const following = new AbortController();
    const cache = <T extends KubernetesObject>(
      kind: Resource<T>,
      indexes: Readonly<Record<string, (object: T) => readonly string[]>> = {},
    ): RunnableCache<T> => openCache(client, kind, { indexes, clock: this.clock, entropy: this.#entropy });
    const caches = {
      microvmMachines: cache(microvmMachines, machineIndexes),
      microvmClusters: cache(microvmClusters),
      machines: cache(machines),
      clusters: cache(clusters),
      machinePools: cache(machinePools),
    };
    const all = Object.values(caches);
    for (const one of all) void one.start(following.signal);
    await Promise.all(all.map((one) => one.synced()));
    const tell =
      (type: string) =>
      (object: MicrovmMachine | MicrovmCluster, reason: string): void => {
        if (!life.dead) this.events.push(`${type} ${reason} ${object.metadata?.name}`);
      };
    const dependencies: MachineDependencies = {
      client: mortalClient(client, life),
      caches,
      hosts: mortalHosts(this.hosts, life),
      accessOf: (...from) => this.accessOf(...from),
      events: { normal: tell("Normal"), warning: tell("Warning") },
      clock: this.clock,
      logger: silentLogger,
      managementPlane: "plane-1",
      ...more,
    };
    const controller = startController(machineController(dependencies), {
      clock: this.clock,
      entropy: this.#entropy,
      logger: silentLogger,
      metrics: new RuntimeMetrics(),
    });
    const living = {
      life,
      controller,
      dependencies,
      kill: (): void => {
        life.die();
        following.abort();
        controller.abort(new Error("killed"));
        void controller.stop();
      },
    };
    this.#lives.push(living);
    return living;
  }

  /** Time passes, in small steps, so that everything that becomes due happens. */
  async pass(totalMs: number = 3_000): Promise<void> {
    await this.clock.advance(totalMs);
  }

  end(): void {
    for (const living of this.#lives) living.kill();
  }

  machine(key: ObjectKey = { namespace, name: "m-1" }): MicrovmMachine | undefined {
    return this.cluster.read(microvmMachines, key);
  }

  /** "False NoHostFits". */
  condition(type: MachineConditionType, key?: ObjectKey): string {
    const condition = findCondition(this.machine(key)?.status?.conditions, type);
    return condition === undefined ? "absent" : `${condition.status} ${condition.reason}`;
  }

  message(type: MachineConditionType, key?: ObjectKey): string {
    return findCondition(this.machine(key)?.status?.conditions, type)?.message ?? "";
  }
}
