/**
 * A host of its own for end-to-end tests: a private containerd, flintlockd as a process, guests in a network namespace, all below one temporary directory.
 *
 * Any part can be killed and started again. Disposing of the world removes every trace of it, whatever state it is in, and reports what could not be.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "@liquidmetal/foundation";
import { leftoversOf, platformMarks, removeLeftovers } from "../../../packages/platform/src/lifecycle/leftovers.ts";
import { type PlatformPaths, platformPaths } from "../../../packages/platform/src/paths.ts";
import { terminate } from "../../../packages/platform/src/process/ending.ts";
import { findPlatformProcesses, identify, signalIfOurs } from "../../../packages/platform/src/process/identity.ts";
import { type BootImages, bootImages, layoutArchive } from "../../assets/boot-images.ts";
import { PrivateContainerd } from "../../assets/containerd.ts";
import { AgentProcess } from "./agent-process.ts";
import { Microvms } from "./microvms.ts";
import { processesWith } from "./processes.ts";

export interface StartOptions {
  /** Flags beyond those that make the world its own. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where the agent kills itself: `<step>:<point>`. */
  readonly failpoint?: string;
}

export interface WorldOptions {
  /** Machines that only sleep instead of QEMU. */
  readonly fake?: boolean;
  /** Flags of every agent of this world. */
  readonly args?: readonly string[];
}

/** What the machine lacks for such a world; undefined = nothing. */
export function missingForWorld(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  for (const program of ["containerd", "ip", "nft", "dnsmasq", "qemu-system-x86_64", "mke2fs"]) {
    try {
      execFileSync("sh", ["-c", `command -v ${program}`]);
    } catch {
      return `needs ${program}`;
    }
  }
  return undefined;
}

export class World implements AsyncDisposable {
  readonly paths: PlatformPaths;
  readonly containerd: PrivateContainerd;
  readonly #options: WorldOptions;
  readonly #directory: string;
  #agent: AgentProcess | undefined;
  #hostId: string | undefined;
  #images: BootImages | undefined;

  private constructor(options: WorldOptions) {
    this.#options = options;
    this.#directory = mkdtempSync("/tmp/lm-e2e-");
    this.paths = platformPaths(`e${randomBytes(4).toString("hex")}`, {
      stateDirectory: join(this.#directory, "s"),
      runDirectory: join(this.#directory, "r"),
    });
    for (const directory of [this.paths.stateDirectory, this.paths.runDirectory]) mkdirSync(directory, { mode: 0o711 });
    this.containerd = new PrivateContainerd({
      program: "/usr/bin/containerd",
      major: 1,
      directory: join(this.paths.stateDirectory, "containerd"),
    });
  }

  /** A host with a running containerd and no agent yet. */
  static async open(options: WorldOptions = {}): Promise<World> {
    const world = new World(options);
    try {
      execFileSync("chmod", ["0711", world.#directory]);
      await world.containerd.start();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts an agent, and waits until it serves. */
  async start(options: StartOptions = {}): Promise<AgentProcess> {
    const agent = this.launch(options);
    const { host } = await agent.ready();
    this.#hostId ??= (await host.getHost({})).hostId;
    return agent;
  }

  /** What the command line of every VMM of this host holds; undefined before the first agent served. */
  get vmmMark(): string | undefined {
    return this.#hostId === undefined ? undefined : `lmvm.${this.#hostId.slice(0, 8)}.`;
  }

  /** Starts an agent, and does not wait. */
  launch(options: StartOptions = {}): AgentProcess {
    const { failpoint, args = [], env = {} } = options;
    const agent = new AgentProcess({
      args: [...this.#flags(), ...(this.#options.args ?? []), ...args],
      env: {
        ...(this.#options.fake === true ? { LIQUIDMETAL_FAKE_HYPERVISOR: "1" } : {}),
        ...(failpoint === undefined ? {} : { LIQUIDMETAL_FAILPOINT: failpoint }),
        ...env,
      },
      socket: this.paths.agentSocket,
      logPath: join(this.#directory, "flintlockd.log"),
    });
    this.#agent = agent;
    return agent;
  }

  get agent(): AgentProcess {
    if (this.#agent === undefined) throw new Error("no agent was started");
    return this.#agent;
  }

  /** What a user can do with the microVMs of the agent that serves now. */
  async microvms(): Promise<Microvms> {
    return new Microvms(await this.agent.ready());
  }

  /** A kernel and a root volume, in this world's containerd. */
  async importImages(): Promise<BootImages> {
    this.#images ??= await bootImages();
    const { images } = await this.agent.ready();
    for (const { layout } of [this.#images.kernel, this.#images.root]) {
      await images.importImage(layoutArchive(layout), { timeoutMs: 120_000 });
    }
    return this.#images;
  }

  get kernel(): BootImages["kernel"] {
    return this.#built().kernel;
  }

  get root(): BootImages["root"] {
    return this.#built().root;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Timers of waits do not hold the event loop.
    const hold = setInterval(() => undefined, 60_000);
    try {
      await this.#removeAll();
    } finally {
      clearInterval(hold);
    }
  }

  async #removeAll(): Promise<void> {
    await this.#agent?.kill();
    await this.containerd.kill();
    const { vmmMark } = this;
    if (vmmMark !== undefined) for (const { pid } of processesWith(vmmMark)) await this.#end(pid, vmmMark);
    for (const mark of platformMarks(this.paths)) {
      for (const pid of findPlatformProcesses([mark])) await this.#end(pid, mark);
    }
    await removeLeftovers(this.paths, { data: true });
    await rm(this.#directory, { recursive: true, force: true });
    const left = await leftoversOf(this.paths, { data: true });
    if (left.length > 0) throw new Error(`the world left something behind: ${JSON.stringify(left)}`);
  }

  async #end(pid: number, mark: string): Promise<void> {
    const identity = identify(pid, mark);
    if (identity === undefined) return;
    // A stopped process does not heed SIGTERM.
    signalIfOurs(identity, "SIGCONT");
    await terminate(identity, systemClock, 1_000);
  }

  #built(): BootImages {
    if (this.#images === undefined) throw new Error("the images have not been imported");
    return this.#images;
  }

  #flags(): readonly string[] {
    const { paths } = this;
    const flags: Readonly<Record<string, string>> = {
      "platform-name": paths.name,
      "state-dir": paths.agentState,
      "run-dir": join(paths.runDirectory, "vm"),
      "grpc-endpoint": "",
      "listen-unix": paths.agentSocket,
      "containerd-socket": this.containerd.address,
      network: "embedded",
      "network-namespace": paths.networkNamespace,
      "log-level": "debug",
      "log-format": "json",
    };
    return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  }
}
