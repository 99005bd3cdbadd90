/**
 * One private host to measure: containerd and flintlockd of its own, in a temporary directory and a network namespace that vanish with it.
 *
 * Guests have no egress. What others run on the machine is neither seen nor touched.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Connection, connect } from "@liquidmetal/api/client";
import { renderContainerdConfig } from "@liquidmetal/images";
import { type BootImages, bootImages, layoutArchive } from "../../tests/assets/boot-images.ts";
import { onEnd } from "./cleanup.ts";
import { childOf, costOf, type ProcessCost } from "./processes.ts";
import { programOf } from "./program.ts";

export interface BenchHostOptions {
  /** Machines that only sleep instead of QEMU's. */
  readonly sleepingVmms: boolean;
  /** How much of memory, processors and disk may be promised. Default: what is there. */
  readonly overcommit?: boolean;
  readonly say: (line: string) => void;
}

export interface HostCosts {
  readonly flintlockd: ProcessCost;
  readonly spawner: ProcessCost;
  readonly containerd: ProcessCost;
}

const startTimeoutMs = 90_000;

export class BenchHost implements AsyncDisposable {
  readonly images: BootImages;
  readonly directory: string;
  readonly platform: string;
  readonly socket: string;
  readonly #options: BenchHostOptions;
  readonly #dispose: () => Promise<void>;
  #containerd: ChildProcess | undefined;
  #agent: ChildProcess | undefined;
  #connection: Connection | undefined;

  private constructor(options: BenchHostOptions, images: BootImages) {
    this.#options = options;
    this.images = images;
    this.directory = mkdtempSync(join(tmpdir(), "lmb-"));
    // VMMs run as users of their own and have to pass through.
    chmodSync(this.directory, 0o711);
    this.platform = `bench${process.pid}`;
    this.socket = join(this.directory, "api.sock");
    this.#dispose = onEnd(() => this.#remove());
  }

  /** Starts everything and imports a kernel and a root volume. */
  static async start(options: BenchHostOptions): Promise<BenchHost> {
    const images = await bootImages();
    const host = new BenchHost(options, images);
    await host.#startContainerd();
    await host.startAgent();
    for (const image of [images.kernel, images.root]) {
      await host.connection.images.importImage(layoutArchive(image.layout), { timeoutMs: 600_000 });
    }
    return host;
  }

  get connection(): Connection {
    if (this.#connection === undefined) throw new Error("the host is not running");
    return this.#connection;
  }

  /** Another connection, with sockets of its own. */
  connect(): Connection {
    return connect({ address: `unix:${this.socket}`, timeoutMs: 120_000 });
  }

  /** Resolves with the milliseconds until the API answered. */
  async startAgent(): Promise<number> {
    const { program, args } = programOf("flintlockd");
    const startedMs = performance.now();
    const log = openSync(join(this.directory, "flintlockd.log"), "a");
    const profile = process.env["BENCH_CPU_PROFILE"];
    const profiling = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
    this.#agent = spawn(program, [...profiling, ...args, "run", "--config", this.#writeConfig()], {
      env: {
        PATH: process.env["PATH"],
        HOME: process.env["HOME"],
        MALLOC_ARENA_MAX: "2",
        ...(this.#options.sleepingVmms ? { LIQUIDMETAL_FAKE_HYPERVISOR: "1" } : {}),
      },
      stdio: ["ignore", log, log],
    });
    const ended = new Promise<never>((_, reject) => {
      this.#agent?.once("exit", (code) => reject(new Error(`flintlockd ended with ${code}:\n${this.#logTail()}`)));
    });
    ended.catch(() => undefined);
    this.#connection = this.connect();
    await Promise.race([this.#connection.ready(startTimeoutMs), ended]);
    return performance.now() - startedMs;
  }

  /** Ends the agent as a crash would (or politely, so that it writes its profile); guests live on. */
  async stopAgent(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    this.#connection?.close();
    this.#connection = undefined;
    await ended(this.#agent, signal);
    this.#agent = undefined;
  }

  costs(): HostCosts {
    const agent = this.#agent?.pid ?? 0;
    const spawner = childOf(agent, "cgroupRoot") ?? agent;
    return { flintlockd: costOf(agent), spawner: costOf(spawner), containerd: costOf(this.#containerd?.pid ?? 0) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispose();
  }

  async #startContainerd(): Promise<void> {
    const state = join(this.directory, "c");
    const config = join(this.directory, "containerd.toml");
    const version = execFileSync("containerd", ["--version"], { encoding: "utf8" });
    const major = Number(/\bv?(\d+)\.\d+/.exec(version)?.[1] ?? 1) >= 2 ? 2 : 1;
    writeFileSync(config, renderContainerdConfig({ major, root: join(this.directory, "croot"), state }));
    const log = openSync(join(this.directory, "containerd.log"), "a");
    this.#containerd = spawn("containerd", ["--config", config], { stdio: ["ignore", log, log] });
    const probe = connect({ address: `unix:${state}/containerd.sock` });
    try {
      await probe.ready(startTimeoutMs);
    } finally {
      probe.close();
    }
  }

  #writeConfig(): string {
    const many = this.#options.overcommit === true;
    const values: Record<string, string | number> = {
      "platform-name": this.platform,
      "state-dir": join(this.directory, "s"),
      "run-dir": join(this.directory, "r"),
      "grpc-endpoint": "",
      "listen-unix": this.socket,
      "containerd-socket": join(this.directory, "c", "containerd.sock"),
      network: "embedded",
      "network-egress": "deny",
      // Room for thousands; in a namespace of its own it meets nobody.
      "network-subnet": "10.231.0.0/20",
      "network-namespace": this.platform,
      "log-format": "json",
      "log-level": process.env["BENCH_LOG_LEVEL"] ?? "",
      ...(many ? { "overcommit-vcpu": "1000", "overcommit-memory": "100", "overcommit-disk": "100" } : {}),
    };
    const path = join(this.directory, "flintlockd.yaml");
    const lines = Object.entries(values).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
    writeFileSync(path, lines.join(""));
    return path;
  }

  #logTail(): string {
    return readFileSync(join(this.directory, "flintlockd.log"), "utf8").slice(-2_000);
  }

  async #remove(): Promise<void> {
    this.#connection?.close();
    await ended(this.#agent, process.env["BENCH_CPU_PROFILE"] === undefined ? "SIGKILL" : "SIGTERM");
    await killAllIn(this.platform);
    await ended(this.#containerd, "SIGTERM");
    unmountBelow(this.directory);
    quietly("ip", "netns", "delete", this.platform);
    removeCgroups(this.platform);
    if (process.env["BENCH_KEEP"] === undefined)
      rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.removeAllListeners("exit");
  const done = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await Promise.race([gone, done]);
}

/** VMMs and dnsmasq: everything that lives in the bench's own network namespace. Resolves when they are gone, so that their groups can go. */
async function killAllIn(namespace: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const pids = quietly("ip", "netns", "pids", namespace).trim();
    if (pids === "") return;
    for (const pid of pids.split("\n")) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It ended meanwhile.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function unmountBelow(directory: string): void {
  const points = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "");
  for (const point of points.filter((path) => path.startsWith(`${directory}/`)).reverse())
    quietly("umount", "--lazy", point);
}

function removeCgroups(platform: string): void {
  const root = "/sys/fs/cgroup";
  for (const hierarchy of ["", ...readdirSync(root)]) removeTree(join(root, hierarchy, "liquidmetal", platform));
}

function removeTree(path: string): void {
  try {
    for (const entry of readdirSync(path, { withFileTypes: true }))
      if (entry.isDirectory()) removeTree(join(path, entry.name));
    rmdirSync(path);
  } catch {
    // Not there, or a process is still on its way out.
  }
}

function quietly(program: string, ...args: string[]): string {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return "";
  }
}
