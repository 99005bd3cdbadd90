/**
 * A management plane that runs: certificates made, ports chosen, kubeconfigs written, processes started in the order of their plans.
 *
 * A light runner for tests and for trying things out: it starts and stops, and does not start again what died. Ports are kept in the plane's folder, so that a
 * plane which is started there again is found where it was.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";
import { type PlaneCertificates, planeCertificates } from "../certificates/plane-certificates.ts";
import { apiServerPlan, apiServerPorts, apiServerUrl, etcdUrl } from "../plan/api-server-plan.ts";
import { embeddedKubeconfig, kubeconfig } from "../plan/kubeconfig.ts";
import { freePorts } from "../plan/ports.ts";
import { type ProcessPlan, smallMemory } from "../plan/process-plan.ts";
import type { ManagementPrograms } from "../programs/management-programs.ts";
import { Kubectl } from "./kubectl.ts";
import { PlaneProcess } from "./plane-process.ts";

export interface ApiPlaneOptions {
  /** The plane's own; made where it is missing. Survives the plane: start one there again, and it goes on with the same data. */
  readonly directory: string;
  readonly programs: ManagementPrograms;
  /** Runs kube-controller-manager too: namespaces are emptied, owners' dependents collected, ClusterRoles aggregated. Default false. */
  readonly controllerManager?: boolean;
  /** Default true. False: nothing is flushed to disk. */
  readonly durable?: boolean;
  /** `small` trades processor time for memory. Default `default`. */
  readonly memory?: "default" | "small";
  /** Added to kube-apiserver's. */
  readonly apiServerArguments?: readonly string[];
  readonly signal?: AbortSignal;
}

export class ManagementPlane implements AsyncDisposable {
  readonly directory: string;
  readonly programs: ManagementPrograms;
  readonly certificates: PlaneCertificates;
  /** Of the API server. */
  readonly url: string;
  readonly etcdUrl: string;
  /** Of a member of system:masters; holds its keys. 0600. */
  readonly kubeconfigFile: string;
  readonly kubectl: Kubectl;
  readonly #processes = new Map<string, PlaneProcess>();
  /** The file of ports has one writer at a time. */
  #portsInTurn: Promise<unknown> = Promise.resolve();

  private constructor(
    options: ApiPlaneOptions,
    certificates: PlaneCertificates,
    urls: { readonly api: string; readonly etcd: string },
  ) {
    this.directory = options.directory;
    this.programs = options.programs;
    this.certificates = certificates;
    this.url = urls.api;
    this.etcdUrl = urls.etcd;
    this.kubeconfigFile = join(options.directory, "admin.kubeconfig");
    this.kubectl = new Kubectl(options.programs.kubectl, this.kubeconfigFile);
  }

  /** Resolves when everything is ready; what was started is ended when something is not. */
  static async start(options: ApiPlaneOptions): Promise<ManagementPlane> {
    const { directory, signal } = options;
    await mkdir(join(directory, "log"), { recursive: true, mode: 0o700 });
    const certificates = await planeCertificates(join(directory, "certificates"), { ...(signal && { signal }) });
    const ports = await keptPorts(directory, apiServerPorts);
    const url = apiServerUrl(ports);
    const plane = new ManagementPlane(options, certificates, { api: url, etcd: etcdUrl(ports) });
    const authority = certificates.authority.certificate;
    await plane.writeFile("admin.kubeconfig", await embeddedKubeconfig(url, authority, certificates.admin));
    const controllerManagerKubeconfig = await plane.writeFile(
      "kube-controller-manager.kubeconfig",
      kubeconfig(url, authority, { files: certificates.controllerManager }),
    );
    const plans = apiServerPlan({
      directory,
      certificates,
      ports,
      environment: options.memory === "small" ? smallMemory : {},
      durable: options.durable ?? true,
      apiServerArguments: options.apiServerArguments ?? [],
      ...(options.controllerManager === true && { controllerManagerKubeconfig }),
    });
    await plane.startAll(plans, signal);
    return plane;
  }

  /** Starts processes, each as soon as those are ready that it comes after; ends the whole plane when one fails. */
  async startAll(plans: readonly ProcessPlan[], signal?: AbortSignal): Promise<void> {
    const ready = new Map<string, Promise<void>>();
    for (const plan of plans) {
      const before = plan.after.map((name) => ready.get(name));
      const process = this.#add(plan);
      const started = Promise.all(before).then(() => process.start(signal));
      started.catch(() => {});
      ready.set(plan.name, started);
    }
    try {
      await Promise.all(ready.values());
    } catch (error) {
      await Promise.allSettled(ready.values());
      await this.stop();
      throw error;
    }
  }

  /** Ports of loopback by name, the same ones whenever they are asked for. */
  ports<Name extends string>(names: readonly Name[]): Promise<Readonly<Record<Name, number>>> {
    const ports = this.#portsInTurn.then(() => keptPorts(this.directory, names));
    this.#portsInTurn = ports.catch(() => {});
    return ports;
  }

  /** By the name of its plan; throws for one that this plane does not have. */
  process(name: string): PlaneProcess {
    const process = this.#processes.get(name);
    if (process === undefined) throw new PlatformError("INTERNAL", `the plane has no process ${name}`);
    return process;
  }

  get processes(): readonly PlaneProcess[] {
    return [...this.#processes.values()];
  }

  /** Writes a file of the plane (0600), whole or not at all; returns its path. */
  async writeFile(name: string, content: string): Promise<string> {
    const file = join(this.directory, name);
    await writeFile(`${file}.new`, content, { mode: 0o600 });
    await rename(`${file}.new`, file);
    return file;
  }

  /** Ends the processes, the last started first. */
  async stop(): Promise<void> {
    for (const process of [...this.#processes.values()].reverse()) await process.stop();
  }

  /** At once: for planes whose data nobody needs any more. */
  async kill(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.kill()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #add(plan: ProcessPlan): PlaneProcess {
    if (this.#processes.get(plan.name)?.running === true)
      throw new PlatformError("INTERNAL", `the plane runs ${plan.name} already`);
    const file = typeof plan.program === "string" ? this.programs[plan.program] : plan.program.file;
    const process = new PlaneProcess(plan, { file, logFile: join(this.directory, "log", `${plan.name}.log`) });
    this.#processes.set(plan.name, process);
    return process;
  }
}

/** Chosen once for a plane: its kubeconfigs and webhooks name them. */
async function keptPorts<Name extends string>(
  directory: string,
  names: readonly Name[],
): Promise<Readonly<Record<Name, number>>> {
  const file = join(directory, "ports.json");
  const kept: Readonly<Record<string, number>> = await readFile(file, "utf8").then(
    (text) => JSON.parse(text) as Record<string, number>,
    () => ({}),
  );
  const missing = names.filter((name) => kept[name] === undefined);
  const ports = { ...kept, ...(missing.length > 0 && (await freePorts(missing, Object.values(kept)))) };
  await writeFile(`${file}.new`, JSON.stringify(ports), { mode: 0o600 });
  await rename(`${file}.new`, file);
  return ports as Readonly<Record<Name, number>>;
}
