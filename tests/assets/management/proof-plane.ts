/**
 * Everything that a test of the provider under the real Cluster API needs: plane, managers, fake hosts, and capmvm as a process with exactly the rights and
 * webhooks that its manifests give it.
 */
import { join } from "node:path";
import { type FakeFlintlockd, type FakeFlintlockdOptions, startFakeFlintlockd } from "@liquidmetal/host-agent/fake";
import {
  kustomizeBuild,
  type PlaneProcess,
  type ProviderSeat,
  type RunningClusterApi,
  seat,
  startClusterApi,
} from "@liquidmetal/management-plane";
import { type ApiServer, startApiServer } from "../management-plane.ts";
import { JsonApi } from "./json-api.ts";

const root = join(import.meta.dirname, "../../..");

export interface ProofPlaneOptions {
  /** How many fake hosts, or those of another plane, which stay with that one. Default 3. */
  readonly hosts?: number | readonly FakeFlintlockd[];
  readonly host?: (index: number) => FakeFlintlockdOptions;
  /** Starts capmvm. Default true. */
  readonly capmvm?: boolean;
}

export class ProofPlane implements AsyncDisposable {
  readonly server: ApiServer;
  readonly clusterApi: RunningClusterApi;
  readonly api: JsonApi;
  readonly hosts: readonly FakeFlintlockd[];
  readonly #seat: ProviderSeat;
  readonly #ownHosts: readonly FakeFlintlockd[];

  private constructor(
    parts: Pick<ProofPlane, "server" | "clusterApi" | "hosts"> & {
      readonly seat: ProviderSeat;
      readonly ownHosts: readonly FakeFlintlockd[];
    },
  ) {
    this.server = parts.server;
    this.clusterApi = parts.clusterApi;
    this.hosts = parts.hosts;
    this.api = new JsonApi(parts.server);
    this.#seat = parts.seat;
    this.#ownHosts = parts.ownHosts;
  }

  static async start(options: ProofPlaneOptions = {}): Promise<ProofPlane> {
    const { hosts = 3, host = (index) => ({ facts: { name: `host-${index}` } }), capmvm = true } = options;
    const server = await startApiServer({ controllerManager: true });
    try {
      const clusterApi = await startClusterApi(server.plane);
      const providerSeat = await capmvmSeat(server);
      const ownHosts = typeof hosts === "number" ? await startHosts(hosts, host) : [];
      const all = typeof hosts === "number" ? ownHosts : hosts;
      const proof = new ProofPlane({ server, clusterApi, hosts: all, ownHosts, seat: providerSeat });
      if (capmvm) await proof.startCapmvm();
      return proof;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  get endpoints(): readonly string[] {
    return this.hosts.map(({ endpoint }) => endpoint);
  }

  /** capmvm itself, once it was started. */
  get capmvm(): PlaneProcess {
    return this.server.process("capmvm");
  }

  kubectl(args: readonly string[], input?: string): Promise<string> {
    return this.server.kubectl(args, input);
  }

  /** One more capmvm process; the first is `capmvm`. Others have no webhooks: the API server calls the first one's address. */
  async startCapmvm(name = "capmvm", flags: readonly string[] = []): Promise<PlaneProcess> {
    const { plane } = this.server;
    const health =
      name === "capmvm" ? this.#seat.healthPort : (await plane.ports([`${name}-health`]))[`${name}-health`];
    const webhook = name === "capmvm" ? this.#seat.webhookPort : 0;
    await plane.startAll([
      {
        name,
        program: { file: process.execPath },
        arguments: [
          "--disable-warning=ExperimentalWarning",
          join(root, "packages/capmvm/src/main.ts"),
          `--kubeconfig=${this.#seat.kubeconfigFile}`,
          "--webhook-host=127.0.0.1",
          `--webhook-port=${webhook}`,
          `--webhook-cert-dir=${this.#seat.webhookCertificates}`,
          `--health-addr=127.0.0.1:${health}`,
          "--diagnostics-address=0",
          "--leader-election-namespace=capmvm-system",
          "--v=4",
          ...flags,
        ],
        environment: {},
        ready: { url: `http://127.0.0.1:${health}/readyz`, deadlineMs: 60_000 },
        after: [],
      },
    ]);
    return plane.process(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.api[Symbol.dispose]();
    this.#seat[Symbol.dispose]();
    await this.server[Symbol.asyncDispose]();
    await this.clusterApi[Symbol.asyncDispose]();
    await Promise.all(this.#ownHosts.map((host) => host.stop()));
  }
}

function startHosts(count: number, host: (index: number) => FakeFlintlockdOptions): Promise<readonly FakeFlintlockd[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => startFakeFlintlockd(host(index + 1))));
}

/** As `clusterctl init` would install the released manifests, less the pod. */
export async function capmvmSeat({ plane }: ApiServer): Promise<ProviderSeat> {
  return seat(plane, {
    name: "capmvm",
    installed: { name: "microvm", type: "InfrastructureProvider", version: "v0.11.0", namespace: "capmvm-system" },
    serviceAccount: "capmvm-controller-manager",
    webhookService: "capmvm-system/capmvm-webhook-service",
    manifests: await kustomizeBuild(plane.programs.kustomize, join(root, "deploy/capmvm")),
  });
}
