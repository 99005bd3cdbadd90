/**
 * A user's machine with a management plane and clusters on it: a platform of its own (`lm up --management-plane`), whose guests live in a network namespace
 * without a way out, and the commands that a user gives. Nothing in here knows the product from inside, but for its paths and its client of API servers.
 *
 * Disposing of it takes the platform down with everything on it, also when the process is told to end. What a process left that was killed is removed by
 * the next world: the name of a platform carries the pid of whom it belongs to.
 */
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildRecipe } from "@liquidmetal/image-builder";
import { connectCluster, type KubernetesClient, loadKubeconfig } from "@liquidmetal/kubernetes";
import type { PlatformStatus } from "../../../packages/platform/src/lifecycle/index.ts";
import { type PlatformPaths, platformPaths } from "../../../packages/platform/src/paths.ts";
import { clusterEvidence, evidenceFolder } from "./cluster-evidence.ts";
import { lmProgram, type Outcome, ofPlatform, outcomeOf, outputOf } from "./command.ts";
import { deadlineMs, learnSlowness } from "./machine-speed.ts";

export interface ClusterWorldOptions {
  /** Versions of node images to import, as in 1.36.3. Default: the recipe's own. */
  readonly kubernetes?: readonly string[];
  /** Keys of flintlockd's configuration, as `lm up --set` takes them. */
  readonly settings?: readonly string[];
  readonly say: (line: string) => void;
}

export interface Microvm {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly phase: string;
}

const prefix = "ct";
/** Of `lm up --management-plane`, with everything compiled. */
const quietUpSeconds = 20;

export class ClusterWorld implements AsyncDisposable {
  readonly platform: string = `${prefix}${process.pid}-${randomBytes(2).toString("hex")}`;
  readonly paths: PlatformPaths = platformPaths(this.platform);
  /** Private key that root of every guest accepts. */
  readonly sshKey: string;
  readonly #directory: string = mkdtempSync(join(tmpdir(), "lm-clusters-"));
  readonly #say: (line: string) => void;
  readonly #clients = new Map<string, Promise<KubernetesClient>>();
  readonly #onSignal = (): void => this.#abandon();

  private constructor(say: (line: string) => void) {
    this.#say = say;
    this.sshKey = join(this.#directory, "id");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", this.sshKey]);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, this.#onSignal);
  }

  /** With a platform that runs, healthy, and has the images. */
  static async open({ kubernetes, settings = [], say }: ClusterWorldOptions): Promise<ClusterWorld> {
    await sweep(say);
    const world = new ClusterWorld(say);
    try {
      const began = performance.now();
      const set = settings.flatMap((each) => ["--set", each]);
      await world.lm(["up", "--management-plane", ...set], 300);
      say(`the platform runs, after ${seconds(began)} s`);
      await learnSlowness(performance.now() - began, quietUpSeconds);
      const nodes = (kubernetes ?? [undefined]).map((version) => ({
        recipe: "node/kubernetes",
        ...(version === undefined ? {} : { parameters: { kubernetes: version } }),
      }));
      for (const recipe of [{ recipe: "kernel/distro" }, ...nodes]) {
        const { layout, reference } = await buildRecipe(recipe);
        await world.lm(["image", "import", layout], 180);
        say(`${reference} is there, after ${seconds(began)} s`);
      }
      return world;
    } catch (error) {
      await world.evidence("up", []).catch(() => undefined);
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `lm ARGS` for this platform; rejects unless it succeeds. `seconds`: on a quiet machine. */
  async lm(args: readonly string[], seconds = 60): Promise<string> {
    return outputOf(lmProgram, this.#ofPlatform(args), { timeoutMs: await deadlineMs(seconds) });
  }

  async lmOutcome(args: readonly string[], seconds = 60): Promise<Outcome> {
    return outcomeOf(lmProgram, this.#ofPlatform(args), { timeoutMs: await deadlineMs(seconds) });
  }

  /** Declares a cluster and waits until it is available, telling how far it is. `seconds`: at most, on a quiet machine. */
  async createCluster(name: string, flags: readonly string[], seconds: number): Promise<void> {
    const began = performance.now();
    const timeoutMs = await deadlineMs(seconds);
    const wait = ["--wait", "--timeout", `${Math.round(timeoutMs / 1_000)}s`];
    await outputOf(lmProgram, this.#ofPlatform(["cluster", "create", name, ...flags, ...this.#guestKey(), ...wait]), {
      timeoutMs: timeoutMs + 60_000,
      onLine: (line) => this.#say(`  ${line}`),
    });
    // What it may take at most is three times what it takes.
    await learnSlowness(performance.now() - began, seconds / 3);
  }

  /** So that evidence can be had from inside of the guests. */
  #guestKey(): readonly string[] {
    const key = readFileSync(`${this.sshKey}.pub`, "utf8").trim();
    return ["--set", `MICROVM_SSH_PUBLIC_KEYS=${JSON.stringify([{ user: "root", authorizedKeys: [key] }])}`];
  }

  async status(): Promise<PlatformStatus> {
    const { stdout } = await this.lmOutcome(["status", "-o", "json"], 30);
    return JSON.parse(stdout) as PlatformStatus;
  }

  async microvms(): Promise<readonly Microvm[]> {
    return JSON.parse(await this.lm(["vm", "list", "-A", "-o", "json"]));
  }

  /** kubectl against the workload cluster of that name, or with `undefined` against the management cluster. */
  async kubectl(
    cluster: string | undefined,
    args: readonly string[],
    options: { readonly seconds?: number; readonly input?: string } = {},
  ): Promise<string> {
    const program = (await this.status()).managementPlane?.kubectl;
    if (typeof program !== "string") throw new Error("the platform does not say where its kubectl is");
    const file = cluster === undefined ? this.paths.managementKubeconfig : await this.kubeconfig(cluster);
    const { seconds = 60, input } = options;
    return outputOf(program, ["--kubeconfig", file, ...args], {
      timeoutMs: await deadlineMs(seconds),
      env: { HOME: this.#directory },
      ...(input === undefined ? {} : { input }),
    });
  }

  /** Path of a file that `lm cluster kubeconfig` wrote. */
  async kubeconfig(cluster: string): Promise<string> {
    const file = join(this.#directory, `${cluster}.kubeconfig`);
    if (!existsSync(file)) await this.lm(["cluster", "kubeconfig", cluster, "--out", file]);
    return file;
  }

  /** Of the management cluster. */
  get management(): Promise<KubernetesClient> {
    return this.#client(this.paths.managementKubeconfig);
  }

  /** Of a workload cluster, by its own kubeconfig. */
  async workload(cluster: string): Promise<KubernetesClient> {
    return this.#client(await this.kubeconfig(cluster));
  }

  /** Before another cluster gets that name, which has other keys. */
  async forget(cluster: string): Promise<void> {
    const file = await this.kubeconfig(cluster);
    const client = this.#clients.get(file);
    this.#clients.delete(file);
    await (await client)?.close();
    await rm(file, { force: true });
  }

  /** Puts into a folder what one needs to find out why, and says which. */
  async evidence(title: string, clusters: readonly string[]): Promise<string> {
    const folder = evidenceFolder(title, tmpdir());
    const { missing } = await clusterEvidence({ folder, platform: this.platform, clusters, sshKey: this.sshKey });
    this.#say(
      `evidence: ${folder}${missing.length === 0 ? "" : ` (${missing.length} things could not be had: missing.txt)`}`,
    );
    return folder;
  }

  /** `lm down --delete`, and what the world itself made. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, this.#onSignal);
    for (const client of this.#clients.values()) await client.then((each) => each.close()).catch(() => undefined);
    this.#clients.clear();
    try {
      await this.lm(["down", "--delete", "--yes"], 120);
    } finally {
      await rm(this.#directory, { recursive: true, force: true });
    }
  }

  #client(kubeconfig: string): Promise<KubernetesClient> {
    const known = this.#clients.get(kubeconfig);
    if (known !== undefined) return known;
    const made = loadKubeconfig({ path: kubeconfig, environment: {} }).then((configuration) =>
      connectCluster({ configuration, userAgent: "cluster-test/1" }),
    );
    this.#clients.set(kubeconfig, made);
    return made;
  }

  #ofPlatform(args: readonly string[]): readonly string[] {
    return ofPlatform(this.platform, args);
  }

  /** There are seconds left, and the process group is killed then: somebody else finishes. */
  #abandon(): void {
    const down = spawn(lmProgram, ["down", "--delete", "--yes", "--platform", this.platform], {
      detached: true,
      stdio: "ignore",
    });
    down.unref();
    process.exit(130);
  }
}

const seconds = (began: number): string => ((performance.now() - began) / 1_000).toFixed(0);

/** Platforms of worlds whose process is gone. */
async function sweep(say: (line: string) => void): Promise<void> {
  for (const entry of readdirSync("/var/lib")) {
    const [, platform, pid] = new RegExp(`^liquidmetal-(${prefix}(\\d+)-[0-9a-f]{4})$`).exec(entry) ?? [];
    if (platform === undefined || existsSync(`/proc/${pid}`)) continue;
    say(`removing ${platform}, which a process that is gone has left`);
    await outcomeOf(lmProgram, ["down", "--delete", "--yes", "--platform", platform], {
      timeoutMs: await deadlineMs(120),
    });
  }
}
