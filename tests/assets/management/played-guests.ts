/**
 * Plays what happens in the guests of a cluster: when a microVM runs on one of the fake hosts, its bootstrap data is read as cloud-init would read it, and the Node
 * appears that kubeadm would have made; when the microVM dies, its Node is no longer heard of.
 *
 * The first control plane uploads its configuration with the real kubeadm, from the file that stands in its bootstrap data. The hosts are looked at ten times
 * a second (they are objects of this process), so that a host which is started anew needs nothing.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { KeyedQueue, systemClock } from "@liquidmetal/foundation";
import type { FakeFlintlockd } from "@liquidmetal/host-agent/fake";
import { parse } from "yaml";
import type { PlayedCluster } from "./played-cluster.ts";
import { markSilent, playNode } from "./played-node.ts";

const run = promisify(execFile);

export interface PlayedGuestsOptions {
  readonly cluster: PlayedCluster;
  readonly hosts: readonly FakeFlintlockd[];
}

interface Guest {
  readonly uid: string;
  readonly running: boolean;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What cloud-init would make of a guest's data. */
export interface BootstrapData {
  readonly hostname: string;
  readonly role: "init" | "join-control-plane" | "join-worker";
  /** Of the kubelet, as the bootstrap data asks for it. */
  readonly providerId: string;
  readonly kubeadmConfiguration: string;
}

const lookMs = 100;

export class PlayedGuests implements AsyncDisposable {
  /** What went wrong in a guest; a test looks at it when nodes are missing. */
  readonly failures: Error[] = [];
  /** Names of microVMs whose guests never become nodes. */
  readonly mute: Set<string> = new Set();
  /** Bootstrap data by node: what guests were given. */
  readonly booted: Map<string, BootstrapData> = new Map();
  readonly #options: PlayedGuestsOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #queue: KeyedQueue;
  readonly #nodeOf: Map<string, { readonly name: string; heard: boolean }> = new Map();

  constructor(options: PlayedGuestsOptions) {
    this.#options = options;
    this.#queue = new KeyedQueue({
      clock: systemClock,
      concurrency: 4,
      work: (uid) => this.#look(uid),
      onDefect: (uid, error) => {
        this.failures.push(error instanceof Error ? error : new Error(String(error)));
        this.#queue.addAfter(uid, 500);
      },
    });
    this.#timer = setInterval(() => this.#lookAround(), lookMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#queue.close(new Error("the guests are no longer played"));
  }

  #guests(): ReadonlyMap<string, Guest> {
    const { cluster, hosts } = this.#options;
    const guests = new Map<string, Guest>();
    for (const { host } of hosts) {
      for (const { uid, phase, spec } of host.microVms) {
        if (spec.namespace !== cluster.namespace || spec.labels["cluster-name"] !== cluster.name) continue;
        if (!this.mute.has(spec.name)) guests.set(uid, { uid, running: phase === "running", metadata: spec.metadata });
      }
    }
    return guests;
  }

  #lookAround(): void {
    const guests = this.#guests();
    for (const { uid, running } of guests.values()) {
      if (running !== (this.#nodeOf.get(uid)?.heard ?? false)) this.#queue.add(uid);
    }
    for (const [uid, { heard }] of this.#nodeOf) if (heard && !guests.has(uid)) this.#queue.add(uid);
  }

  async #look(uid: string): Promise<void> {
    const { cluster } = this.#options;
    const guest = this.#guests().get(uid);
    const known = this.#nodeOf.get(uid);
    if (guest?.running === true && known?.heard !== true) {
      const data = bootstrapData(guest);
      if (data.role === "init") await initialise(cluster, data);
      await playNode(cluster.api, data);
      this.booted.set(data.hostname, data);
      this.#nodeOf.set(uid, { name: data.hostname, heard: true });
    } else if (guest?.running !== true && known?.heard === true) {
      await markSilent(cluster.api, known.name);
      known.heard = false;
    }
  }
}

interface CloudConfig {
  readonly write_files?: readonly { readonly path: string; readonly content: string }[];
  readonly runcmd?: readonly (string | readonly string[])[];
}

/** Jinja of the data is filled in from meta-data; flintlock adds the uid of the microVM as `instance_id`. */
function bootstrapData({ uid, metadata }: Guest): BootstrapData {
  const decoded = (name: string): string => Buffer.from(metadata[name] ?? "", "base64").toString();
  const meta: Readonly<Record<string, string>> = { ...parse(decoded("meta-data")), instance_id: uid };
  const text = decoded("user-data").replace(/\{\{\s*ds\.meta_data\.(\w+)\s*\}\}/g, (_, key: string) => {
    const value = meta[key];
    if (value === undefined) throw new Error(`the bootstrap data asks for meta-data ${key}, which there is none of`);
    return value;
  });
  const config = parse(text) as CloudConfig;
  const commands = (config.runcmd ?? []).map((command) => (typeof command === "string" ? command : command.join(" ")));
  const file = (path: string): string | undefined => config.write_files?.find((each) => each.path === path)?.content;
  const initFile = file("/run/kubeadm/kubeadm.yaml");
  const joinFile = file("/run/kubeadm/kubeadm-join-config.yaml");
  const kubeadmConfiguration = initFile ?? joinFile ?? "";
  const init = commands.some((command) => command.includes("kubeadm init"));
  return {
    hostname: meta["local_hostname"] ?? "",
    role: init ? "init" : /^controlPlane:/m.test(kubeadmConfiguration) ? "join-control-plane" : "join-worker",
    providerId: /name: provider-id\s+value: ['"]?([^'"\s]+)/.exec(kubeadmConfiguration)?.[1] ?? "",
    kubeadmConfiguration,
  };
}

/** What `kubeadm init` leaves in the cluster, as far as others look at it. */
async function initialise(
  { plane, kubeconfigFile }: PlayedCluster,
  { kubeadmConfiguration }: BootstrapData,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "lm-kubeadm-"));
  try {
    const file = join(directory, "kubeadm.yaml");
    await writeFile(file, kubeadmConfiguration, { mode: 0o600 });
    const flags = ["--config", file, "--kubeconfig", kubeconfigFile];
    for (const phase of [["upload-config", "kubeadm"], ["bootstrap-token"]])
      await run(plane.programs.kubeadm, ["init", "phase", ...phase, ...flags], { timeout: 60_000 });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
