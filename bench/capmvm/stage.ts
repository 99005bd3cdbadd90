/** What the benchmark runs on: a real API server with the CRDs, fake hosts in a process of their own, and capmvm as a process under its own rights. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { type ClientRequest, get } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { FakeFlintlockdProcess } from "@liquidmetal/host-agent/fake";
import { clusterApiManifests, freePorts, type Manifest, type ProviderSeat } from "@liquidmetal/management-plane";
import { JsonApi } from "../../tests/assets/management/json-api.ts";
import { capmvmSeat } from "../../tests/assets/management/proof-plane.ts";
import { type ApiServer, startApiServer } from "../../tests/assets/management-plane.ts";
import { programOf } from "../world/program.ts";

/** Objects of this namespace are capmvm's; those of the floor are in another one, which it does not look at. */
export const namespace = "bench";
export const concurrency = 32;

export type ProcessorMs = Readonly<Record<"capmvm" | "apiServer" | "webhooks" | "hosts" | "bench", number>>;

export class Stage implements AsyncDisposable {
  readonly server: ApiServer;
  readonly api: JsonApi;
  readonly endpoints: readonly string[];
  readonly #seat: ProviderSeat;
  readonly #hosts: FakeFlintlockdProcess;
  #capmvm: ChildProcess | undefined;
  #webhooks: ChildProcess | undefined;
  #metricsPort = 0;
  #watch: ReturnType<typeof watchProvisioned> | undefined;

  private constructor(
    server: ApiServer,
    seat: ProviderSeat,
    hosts: FakeFlintlockdProcess,
    endpoints: readonly string[],
  ) {
    this.server = server;
    const { url, ca, cert, key } = server;
    // As many calls at once as the writers of the floor are.
    this.api = new JsonApi({ url, ca, cert, key, connections: concurrency });
    this.endpoints = endpoints;
    this.#seat = seat;
    this.#hosts = hosts;
  }

  static async open(hosts: number): Promise<Stage> {
    const server = await startApiServer({ controllerManager: true });
    await server.plane.kubectl.apply(await kindsOfClusterApi(server));
    const seat = await capmvmSeat(server);
    const fakes = new FakeFlintlockdProcess();
    const capacity = { vcpu: 100_000, memoryMiB: 100_000_000, diskBytes: 2 ** 52 };
    const endpoints = await Promise.all(
      Array.from({ length: hosts }, (_, index) =>
        fakes.start(`host-${index}`, { facts: { name: `host-${index}`, capacity, checksMetadata: false } }),
      ),
    );
    const stage = new Stage(server, seat, fakes, endpoints);
    await stage.#startWebhooks();
    return stage;
  }

  /**
   * Starts the capmvm that is measured; the webhooks are another one's, so that objects can be made while it does not run. `startedAtMs` by performance.now().
   */
  async startCapmvm(): Promise<{ readonly pid: number; readonly startedAtMs: number }> {
    const ports = await freePorts(["metrics", "health"]);
    this.#metricsPort = ports.metrics;
    const startedAtMs = performance.now();
    const child = this.#spawn([
      ...[`--namespace=${namespace}`, "--webhook-port=0", `--health-addr=127.0.0.1:${ports.health}`],
      ...[`--diagnostics-address=127.0.0.1:${ports.metrics}`, "--insecure-diagnostics"],
      `--microvmmachine-concurrency=${concurrency}`,
    ]);
    this.#capmvm = child;
    await this.until("the controllers run", async () => (await this.busy()) !== undefined, 300_000);
    return { pid: child.pid ?? 0, startedAtMs };
  }

  /** Processor time that each process has taken so far, milliseconds. The API server's is with etcd's. */
  processorMs(): ProcessorMs {
    const [server, etcd] = [this.server.process("kube-apiserver").pid, this.server.process("etcd").pid];
    return {
      capmvm: processorMsOf(this.#capmvm?.pid),
      apiServer: processorMsOf(server) + processorMsOf(etcd),
      webhooks: processorMsOf(this.#webhooks?.pid),
      hosts: processorMsOf(this.#hosts.pid),
      bench: processorMsOf(process.pid),
    };
  }

  async stopCapmvm(): Promise<void> {
    await end(this.#capmvm);
  }

  async #startWebhooks(): Promise<void> {
    const { healthPort, webhookPort, webhookCertificates } = this.#seat;
    this.#webhooks = this.#spawn([
      ...["--namespace=nowhere", "--webhook-host=127.0.0.1", `--webhook-port=${webhookPort}`],
      ...[`--webhook-cert-dir=${webhookCertificates}`, `--health-addr=127.0.0.1:${healthPort}`],
      "--diagnostics-address=0",
    ]);
    await this.until("the webhooks serve", async () => (await text(healthPort, "/readyz")) === "ok", 60_000);
  }

  #spawn(flags: readonly string[]): ChildProcess {
    const { program, args } = programOf("capmvm");
    return spawn(program, [...args, `--kubeconfig=${this.#seat.kubeconfigFile}`, ...flags], {
      stdio: ["ignore", "ignore", "ignore"],
      env: { ...process.env, MALLOC_ARENA_MAX: "2" },
    });
  }

  /** Writes that capmvm has made since it was started; Events count too. */
  async writes(): Promise<number> {
    return sum(await this.metrics(), /^rest_client_requests_total\{.*method="(PATCH|POST|PUT|DELETE)"/);
  }

  /** Keys that wait or are worked on. Undefined before there are controllers. */
  async busy(): Promise<number | undefined> {
    const metrics = await this.metrics();
    if (!metrics.some((line) => line.startsWith("workqueue_depth{"))) return undefined;
    return sum(metrics, /^workqueue_depth\{/) + sum(metrics, /^controller_runtime_active_workers\{/);
  }

  /** Machines that say so. Counted by a watch, which costs the API server little; asked for the first time, it begins. */
  async provisioned(): Promise<number> {
    this.#watch ??= watchProvisioned(this.server);
    return this.#watch.provisioned.size;
  }

  async metrics(): Promise<readonly string[]> {
    return (await text(this.#metricsPort, "/metrics")).split("\n");
  }

  async until(what: string, reached: () => Promise<boolean>, timeoutMs = 1_800_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await reached().catch(() => false))) {
      if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopCapmvm();
    await end(this.#webhooks);
    this.#watch?.[Symbol.dispose]();
    this.api[Symbol.dispose]();
    this.#seat[Symbol.dispose]();
    await this.#hosts[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}

interface ProvisionedWatch extends Disposable {
  readonly provisioned: Set<string>;
}

/** A plain watch, opened again when it ends: kubectl's would take a tenth of what is measured. */
function watchProvisioned({ url, ca, cert, key }: ApiServer): ProvisionedWatch {
  const provisioned = new Set<string>();
  const path = `/apis/infrastructure.cluster.x-k8s.io/v1beta2/namespaces/${namespace}/microvmmachines?watch=true&resourceVersion=0`;
  const hear = (line: string): void => {
    if (!line.includes('"provisioned":true')) return;
    const { object } = JSON.parse(line);
    if (object.status?.initialization?.provisioned === true) provisioned.add(object.metadata.name);
  };
  let ended = false;
  let watch: ClientRequest;
  const open = (): void => {
    watch = request(`${url}${path}`, { ca, cert, key }, (response) => {
      createInterface({ input: response })
        .on("line", hear)
        .on("error", () => undefined);
    });
    watch.on("error", () => undefined);
    watch.on("close", () => ended || setTimeout(open, 100));
    watch.end();
  };
  open();
  const end = (): void => {
    ended = true;
    watch.destroy();
  };
  return { provisioned, [Symbol.dispose]: end };
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}

/** User and system time together, milliseconds; 0 for a process that does not run. Linux counts in hundredths of a second. */
function processorMsOf(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    const fields =
      readFileSync(join("/proc", String(pid), "stat"), "utf8")
        .split(") ")
        .at(-1)
        ?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}

/** Resident memory of a process, MiB. */
export function residentMiB(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(join("/proc", String(pid), "status"), "utf8"));
  return Math.round(Number(found?.[1] ?? 0) / 1_024);
}

/** The kinds that capmvm reads, without the webhooks of controllers that do not run here. */
async function kindsOfClusterApi({ plane }: ApiServer): Promise<readonly Manifest[]> {
  const { providers, inventory } = await clusterApiManifests({
    kustomize: plane.programs.kustomize,
    report: () => {},
  });
  const definitions = providers["cluster-api"]
    .filter(({ kind }) => kind === "CustomResourceDefinition")
    .map((crd) => {
      const { conversion: _, ...spec } = crd["spec"] as Readonly<Record<string, unknown>>;
      return { ...crd, spec };
    });
  return [...definitions, ...inventory];
}

function sum(lines: readonly string[], pattern: RegExp): number {
  return lines
    .filter((line) => pattern.test(line))
    .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

function text(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port, path, timeout: 10_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(Buffer.concat(chunks).toString()));
      response.on("error", reject);
    }).on("error", reject);
  });
}
