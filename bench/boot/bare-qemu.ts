/**
 * The same machine without us: QEMU's own command with the words that the agent used, on files of its own.
 *
 * Left out is what only serves the agent: `-S` (it would wait to be continued), the pid file and the control socket. The disk is a fresh overlay of the same base,
 * the tap is the original's, whose microVM is stopped meanwhile, so that the guest meets the same network.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { dirname, join } from "node:path";
import { onEnd } from "../world/cleanup.ts";

/** What the agent started. */
export interface Original {
  readonly pid: number;
  readonly directory: string;
  readonly runDirectory: string;
  readonly volumePath: string;
  readonly seedPath: string;
}

export interface BareMachine {
  readonly words: readonly string[];
  readonly namespace: string;
  /** Files by which it enters groups like the original's: equal shares of a busy machine. */
  readonly cgroups: readonly string[];
  /** Where the guest speaks: the agent's port and the console. */
  readonly sockets: readonly string[];
}

const readyTimeoutMs = 180_000;
const readyMark = /"event":\s*"ready"|liquidmetal: ready/;

/** Makes the files; call while the original runs. */
export function prepareBare(original: Original, namespace: string, scratch: string): BareMachine {
  const { volumePath, seedPath, directory, runDirectory } = original;
  mkdirSync(scratch, { recursive: true });
  const volume = join(scratch, "volume.qcow2");
  overlay(volumePath, volume);
  const seed = join(scratch, "seed.img");
  copyFileSync(seedPath, seed);
  const words = withoutControl(wordsOf(original.pid)).map((word) =>
    word
      .replaceAll(volumePath, volume)
      .replaceAll(seedPath, seed)
      .replaceAll(runDirectory, scratch)
      .replaceAll(directory, scratch),
  );
  const cgroups = siblingsOf(original.pid);
  return { words, namespace, cgroups, sockets: ["agent", "console"].map((name) => join(scratch, name)) };
}

/** Runs it until its guest says that it is ready; milliseconds from the spawn to then. */
export async function bootBare(machine: BareMachine): Promise<number> {
  const { words, namespace, sockets, cgroups } = machine;
  const startedMs = performance.now();
  const enter = 'while [ "$1" != -- ]; do echo 0 > "$1"; shift; done; shift; exec "$@"';
  const inside = ["nsenter", `--net=/run/netns/${namespace}`, "--", ...words];
  const child = spawn("sh", ["-c", enter, "sh", ...cgroups, "--", ...inside], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const end = onEnd(() => kill(child));
  try {
    await guestReady(child, sockets);
    return performance.now() - startedMs;
  } finally {
    await end();
  }
}

function wordsOf(pid: number): readonly string[] {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").replace(/\0$/, "").split("\0");
}

/** Groups beside those of a process, one in each hierarchy of version 1 (proc_pid_cgroup(5)) and in that of version 2. */
function siblingsOf(pid: number): readonly string[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  return lines.flatMap((line) => {
    const [, controllers = "", path = ""] = line.split(":");
    if (!path.startsWith("/liquidmetal/")) return [];
    const mount = controllers === "" ? unifiedMount() : join("/sys/fs/cgroup", controllers);
    const group = join(mount, dirname(path), "bare");
    mkdirSync(group, { recursive: true });
    return [join(group, "cgroup.procs")];
  });
}

function unifiedMount(): string {
  return existsSync("/sys/fs/cgroup/unified") ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup";
}

function overlay(volumePath: string, path: string): void {
  const shown: Record<string, unknown> = JSON.parse(
    execFileSync("qemu-img", ["info", "-U", "--output=json", volumePath], { encoding: "utf8" }),
  );
  const { "full-backing-filename": base, "backing-filename-format": format } = shown;
  if (typeof base !== "string" || typeof format !== "string") throw new Error(`${volumePath} is no overlay`);
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-b", base, "-F", format, path]);
}

function withoutControl(words: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "-S") continue;
    const control = word === "-chardev" && words[index + 1]?.includes("id=control") === true;
    if (word === "-pidfile" || word === "-mon" || control) index++;
    else kept.push(word);
  }
  return kept;
}

async function guestReady(child: ChildProcess, sockets: readonly string[]): Promise<void> {
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(), readyTimeoutMs);
  const failed = new Promise<never>((_, reject) => {
    child.once("exit", (code) => reject(new Error(`bare QEMU ended with code ${code}`)));
    stop.signal.addEventListener("abort", () => reject(new Error("the bare guest did not get ready in time")));
  });
  failed.catch(() => undefined);
  try {
    await Promise.race([failed, ...sockets.map((path) => spokenOn(path, stop.signal))]);
  } finally {
    clearTimeout(late);
    stop.abort();
  }
}

/** Resolves when the guest has said on this socket that it is ready. */
async function spokenOn(path: string, signal: AbortSignal): Promise<void> {
  while (!(await heard(path, signal))) {
    signal.throwIfAborted();
    // QEMU has not made its socket yet.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function heard(path: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    let text = "";
    const end = (seen: boolean): void => {
      signal.removeEventListener("abort", abandon);
      socket.destroy();
      resolve(seen);
    };
    const abandon = (): void => end(false);
    signal.addEventListener("abort", abandon);
    socket.on("error", abandon);
    socket.on("close", abandon);
    socket.on("data", (chunk: Buffer) => {
      text = (text + chunk.toString("latin1")).slice(-8_192);
      if (readyMark.test(text)) end(true);
    });
  });
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}
