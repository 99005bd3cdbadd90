/**
 * A user namespace with 65,536 user and group ids of its own: root in it is nobody outside. Everything that belongs to a guest runs in one.
 *
 * It lives as long as a small process that holds it and ends with us, even when we are killed. Root maps a range of ids that no account has; others
 * need a range in /etc/subuid and /etc/subgid and the set-uid programs newuidmap and newgidmap.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { PlatformError } from "@liquidmetal/foundation";
import { runTool } from "../system-tool.ts";

/** As many ids as a Debian system knows. */
const idCount = 65_536;
/** The last of the range that systemd keeps for containers (524288 to 1879048191): no login user is there. */
const rootRangeStart = 1_879_048_192 - idCount;
const startTimeoutMs = 10_000;

export class UserNamespace implements AsyncDisposable {
  readonly #holder: ChildProcess;
  readonly #pid: number;

  private constructor(holder: ChildProcess, pid: number) {
    this.#holder = holder;
    this.#pid = pid;
  }

  /** Errors: TOOL_MISSING, CAPABILITY_MISSING (the kernel or the machine's configuration does not allow it), CANCELLED. */
  static async open(signal?: AbortSignal): Promise<UserNamespace> {
    signal?.throwIfAborted();
    const holder = spawn("unshare", ["--user", "cat"], { stdio: ["pipe", "pipe", "pipe"], cwd: "/" });
    try {
      const pid = await started(holder);
      const namespace = new UserNamespace(holder, pid);
      await mapIds(pid, signal);
      return namespace;
    } catch (error) {
      holder.kill("SIGKILL");
      throw error;
    }
  }

  /** What has to stand before a command for it to run as root of the namespace. */
  get entry(): readonly [string, ...string[]] {
    return ["nsenter", `--user=/proc/${this.#pid}/ns/user`, "--setuid", "0", "--setgid", "0", "--"];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const gone = once(this.#holder, "exit");
    this.#holder.kill("SIGKILL");
    await gone;
  }
}

/** Once it answers, it is in its namespace. */
async function started(holder: ChildProcess): Promise<number> {
  let said = "";
  holder.stderr?.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-1000);
  });
  holder.stdin?.on("error", () => {});
  const failed = Promise.withResolvers<never>();
  holder.once("error", (error) => failed.reject(error));
  holder.once("exit", () => failed.reject(new Error(said.trim())));
  failed.promise.catch(() => {});
  holder.stdin?.write("\n");
  const signal = AbortSignal.timeout(startTimeoutMs);
  try {
    if (holder.stdout !== null) await Promise.race([once(holder.stdout, "data", { signal }), failed.promise]);
  } catch (error) {
    throw refused(error instanceof Error ? error.message : String(error), error);
  }
  if (holder.pid === undefined) throw refused("it has no process");
  return holder.pid;
}

async function mapIds(pid: number, signal: AbortSignal | undefined): Promise<void> {
  if (process.getuid?.() === 0) {
    for (const kind of ["uid_map", "gid_map"]) {
      await writeFile(`/proc/${pid}/${kind}`, `0 ${rootRangeStart} ${idCount}\n`).catch((error: unknown) => {
        throw refused(`the ids ${rootRangeStart} and up cannot be mapped`, error);
      });
    }
    return;
  }
  for (const [tool, file] of [
    ["newuidmap", "/etc/subuid"],
    ["newgidmap", "/etc/subgid"],
  ] as const) {
    const start = await subordinateRange(file);
    await runTool(tool, [String(pid), "0", String(start), String(idCount)], { ...(signal && { signal }) });
  }
}

async function subordinateRange(file: string): Promise<number> {
  const { username, uid } = userInfo();
  const text = await readFile(file, "utf8").catch(() => "");
  for (const line of text.split("\n")) {
    const [owner, start, count] = line.split(":");
    if ((owner === username || owner === String(uid)) && Number(count) >= idCount) return Number(start);
  }
  throw new PlatformError("CAPABILITY_MISSING", `${file} gives ${username} no range of ${idCount} ids to build with`, {
    remedy: `as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}; or build as root`,
  });
}

const refused = (why: string, cause?: unknown): PlatformError =>
  new PlatformError("CAPABILITY_MISSING", `this machine does not let us make a user namespace: ${why}`, {
    remedy:
      "allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or build as root",
    cause,
  });
