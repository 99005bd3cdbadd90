/**
 * Starts programs that outlive us.
 *
 * A program for which nothing special is asked is executed directly. Otherwise it is reached through a chain of `exec`s that keeps the pid:
 * `unshare` (private mounts) → `sh` with a constant script (enters cgroups, makes device nodes) → `nsenter` (network namespace) → `setpriv` (user, no
 * capabilities, no_new_privs) → `bash` with a constant script (only to put the token into argv[0]) → the program. Links that are not needed are left out.
 * User data travels as arguments only, never inside a script.
 *
 * The call is answered when the program itself is executed: /proc/PID/cmdline has ceased to be a link of the chain.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, fchownSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { ProcessIdentity, SpawnRequest } from "@liquidmetal/microvm";
import type { Cgroups } from "./cgroups.ts";
import { bootId, readCommandLine, readStat } from "./procfs.ts";
import { Refusal, systemCode } from "./refusal.ts";

export interface Launched {
  readonly identity: ProcessIdentity;
  readonly child: ChildProcess;
}

/** Words of the preparation that the script does, before `--`; each is one action with its operand. */
const chainMark = "liquidmetal-chain";
const prepareScript = `set -e
while [ "$1" != -- ]; do
  case "$1" in
    enter) echo 0 > "$2" || echo "cgroup $2 was not entered" >&2; shift 2 ;;
    kvm) mount -t tmpfs -o mode=0755,size=64k tmpfs /tmp; mknod -m 0666 /tmp/kvm c 10 232
         mount --bind /tmp/kvm /dev/kvm; umount -l /tmp; shift ;;
    tun) mount -t tmpfs -o mode=0755,size=64k tmpfs /dev/net; mknod -m 0666 /dev/net/tun c 10 200; shift ;;
  esac
done
shift
exec "$@"`;
const renameScript = 'name=$1 program=$2; shift 2; exec -a "$name" "$program" "$@"';
const executeTimeoutMs = 10_000;

export async function launch(request: SpawnRequest, cgroups: Cgroups): Promise<Launched> {
  const path = request.env?.["PATH"] ?? process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin";
  const program = resolveProgram(request.program, path);
  const inArguments = request.args.some((argument) => argument.includes(request.token));
  const argv0 = inArguments ? program : `${request.program}:${request.token}`;
  const chain = chainOf(request, cgroups);
  const renamed =
    chain.length > 0 && !inArguments ? ["bash", "-c", renameScript, chainMark, argv0, program] : [program];
  const [first = program, ...rest] = [...chain, ...renamed, ...request.args];
  const opened: number[] = [];
  try {
    const files = openAll(request, opened);
    const child = spawn(first, rest, {
      ...(chain.length === 0 ? { argv0 } : {}),
      cwd: request.cwd ?? "/",
      env: { ...request.env, PATH: path },
      detached: true,
      stdio: ["ignore", ...files],
    });
    const identity = await identify(child, request, first);
    if (chain.length > 0) await executed(child, identity, request);
    return { identity, child };
  } finally {
    for (const file of opened) closeSync(file);
  }
}

/** Absolute path of a program that can be executed, or the reason why not. */
export function resolveProgram(program: string, path: string): string {
  const candidates = program.includes("/") ? [program] : path.split(delimiter).map((folder) => join(folder, program));
  let denied = false;
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch (error) {
      denied ||= systemCode(error) === "EACCES";
    }
  }
  throw new Refusal(
    "PROCESS_FAILED",
    `${program}: ${denied ? "may not be executed (permission denied)" : "not found"}`,
  );
}

/** The links before the program; empty when it can be executed at once. */
function chainOf(request: SpawnRequest, cgroups: Cgroups): string[] {
  const actions = request.cgroup === undefined ? [] : cgroups.create(request.cgroup).flatMap((file) => ["enter", file]);
  const owner = request.identity;
  if (request.privateKvm === true && !openableBy("/dev/kvm", owner)) actions.push("kvm");
  if (request.privateTun === true && !openableBy("/dev/net/tun", owner)) actions.push("tun");
  const privateMounts = actions.includes("tun") || actions.includes("kvm");
  return [
    ...(privateMounts ? ["unshare", "--mount", "--propagation", "slave", "--"] : []),
    ...(actions.length > 0 ? ["sh", "-c", prepareScript, chainMark, ...actions, "--"] : []),
    ...(request.networkNamespace === undefined ? [] : enterNetwork(request.networkNamespace)),
    ...(owner === undefined ? [] : dropTo(owner)),
  ];
}

export function enterNetwork(name: string): string[] {
  const path = `/run/netns/${name}`;
  try {
    accessSync(path);
  } catch {
    throw new Refusal("PROCESS_FAILED", `network namespace ${name} does not exist (${path})`);
  }
  return ["nsenter", `--net=${path}`, "--"];
}

function dropTo(owner: { readonly uid: number; readonly gid: number }): string[] {
  const user = [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, "--clear-groups"];
  return ["setpriv", ...user, "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"];
}

/** By the permission bits alone; a device that an access list opens is made private too, which harms nothing. */
function openableBy(path: string, owner: { readonly uid: number; readonly gid: number } | undefined): boolean {
  if (owner === undefined || owner.uid === 0) return true;
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  const bits = stat.uid === owner.uid ? stat.mode >> 6 : stat.gid === owner.gid ? stat.mode >> 3 : stat.mode;
  return (bits & 6) === 6;
}

function openAll(request: SpawnRequest, opened: number[]): ("ignore" | number)[] {
  const keep = (file: number): number => {
    opened.push(file);
    return file;
  };
  const output = (path: string | undefined): "ignore" | number =>
    path === undefined ? "ignore" : keep(openOutput(path, request.identity));
  const outputs = [output(request.stdoutPath), output(request.stderrPath)];
  return [...outputs, ...(request.openFiles ?? []).map((path) => keep(openFor(path, constants.O_RDWR)))];
}

/** Opens for appending, without following a link and only a file of one name: its folder may belong to the program's own user. */
function openOutput(path: string, owner: { readonly uid: number; readonly gid: number } | undefined): number {
  const file = openFor(
    path,
    constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  );
  const stat = fstatSync(file);
  if (!stat.isFile() || stat.nlink !== 1) {
    closeSync(file);
    throw new Refusal("PROCESS_FAILED", `${path} is not a plain file`);
  }
  if (owner !== undefined) fchownSync(file, owner.uid, owner.gid);
  return file;
}

function openFor(path: string, flags: number): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    throw new Refusal("PROCESS_FAILED", `${path} cannot be opened: ${String(error)}`);
  }
}

function identify(child: ChildProcess, request: SpawnRequest, program: string): Promise<ProcessIdentity> {
  return new Promise((resolve, reject) => {
    child.once("error", (error) =>
      reject(new Refusal("PROCESS_FAILED", `${program} cannot be executed: ${error.message}`)),
    );
    child.once("spawn", () => {
      const pid = child.pid ?? 0;
      // It is our child and not collected before this turn ends, so its entry is still there even when it has ended.
      const startTime = readStat(pid)?.startTime ?? "0";
      resolve({ pid, startTime, bootId, token: request.token });
    });
  });
}

/** Waits until the chain has become the program, or has failed. */
async function executed(child: ChildProcess, identity: ProcessIdentity, request: SpawnRequest): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      if (child.exitCode === 0) return;
      throw new Refusal("PROCESS_FAILED", failureOf(child, request));
    }
    const words = readCommandLine(identity.pid);
    if (words.length > 0 && !isLink(words)) return;
    const waitedMs = performance.now() - startedMs;
    if (waitedMs > executeTimeoutMs) {
      child.kill("SIGKILL");
      throw new Refusal("PROCESS_FAILED", `${request.program} was not executed within ${executeTimeoutMs} ms`);
    }
    // Closely while it is fresh: a chain is done within a few milliseconds, and a look costs some hundredths of one.
    await new Promise((resolve) => setTimeout(resolve, Math.min(1 + waitedMs / 10, 20)));
  }
}

function isLink(words: readonly string[]): boolean {
  const [name = "", second = "", third = ""] = words;
  if (name === "unshare") return second === "--mount" && third === "--propagation";
  if (name === "sh" || name === "bash") return words[3] === chainMark;
  if (name === "nsenter") return second.startsWith("--net=/run/netns/");
  if (name === "setpriv") return second.startsWith("--reuid=") && words[3] === "--clear-groups";
  // The fork of us that has not executed anything yet.
  return name === process.argv0 || name === process.execPath;
}

function failureOf(child: ChildProcess, request: SpawnRequest): string {
  const who = request.identity === undefined ? "" : ` as user ${request.identity.uid}`;
  const how = child.signalCode === null ? `code ${child.exitCode}` : `signal ${child.signalCode}`;
  const reason = child.exitCode === 126 ? ", permission denied" : child.exitCode === 127 ? ", not found" : "";
  const said = request.stderrPath === undefined ? "" : tailOf(request.stderrPath);
  return `${request.program} could not be executed${who}: ended with ${how}${reason}${said === "" ? "" : `: ${said}`}`;
}

function tailOf(path: string): string {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const buffer = Buffer.alloc(512);
      const { size } = fstatSync(file);
      const length = readSync(file, buffer, 0, buffer.length, Math.max(0, size - buffer.length));
      return buffer.subarray(0, length).toString("utf8").trim().split("\n").slice(-3).join("; ");
    } finally {
      closeSync(file);
    }
  } catch {
    return "";
  }
}
