/**
 * Port: processes that outlive us.
 *
 * The adapter is a tiny separate process that forks, so that the agent (large, busy) never does. What it starts runs in a session of
 * its own, with its output in files, and lives on when the spawner or the agent dies. A closed set of typed requests; no shell text.
 *
 * Identity: every long-lived process carries a `token` in its command line. With the start time and the boot id this proves that a pid is ours.
 * "Cannot read" is never a match.
 */
import type { PlatformError, Result } from "@liquidmetal/foundation";
import type { ProcessIdentity } from "../record.ts";

export interface SpawnRequest {
  /** Absolute path, or a name looked up in the spawner's PATH. */
  readonly program: string;
  readonly args: readonly string[];
  /** Must stand in `args` (or is added to argv[0] as `program:token`), so that /proc/PID/cmdline proves identity. */
  readonly token: string;
  readonly cwd?: string;
  /** The whole environment; nothing is inherited but PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files to which output is appended, created 0600 with the owner of `identity`. Default /dev/null. */
  readonly stdoutPath?: string;
  readonly stderrPath?: string;
  /** Runs as this user and group, without supplementary groups and capabilities, with no_new_privs. Default: as the spawner. */
  readonly identity?: { readonly uid: number; readonly gid: number };
  /** Name of a network namespace (`ip netns`) to run in. Default: the spawner's own. */
  readonly networkNamespace?: string;
  /** cgroup to be put in before the program starts. */
  readonly cgroup?: CgroupRequest;
  /** A private mount namespace in which /dev/net/tun can be opened by `identity`, whatever the host's permissions are. */
  readonly privateTun?: boolean;
  /** The same for /dev/kvm. */
  readonly privateKvm?: boolean;
  /** Files that the spawner opens for reading and writing; the program inherits them as descriptors 3, 4, … in this order (macvtap devices). */
  readonly openFiles?: readonly string[];
}

/** Path below the platform's cgroup root, and limits; works on v1, hybrid and v2 (what a hierarchy lacks is left out). */
export interface CgroupRequest {
  readonly name: string;
  readonly memoryMaxBytes?: number;
  /** 100 = one processor. */
  readonly cpuMaxPercent?: number;
  /** How many busy processes it counts as where processors are short: the guest's vCPUs. 1 to 1,024; default one. */
  readonly cpuWeight?: number;
  readonly pidsMax?: number;
}

export interface ProcessExit {
  readonly identity: ProcessIdentity;
  /** Absent when it is not known: a process adopted after a restart is not our child. */
  readonly code?: number;
  readonly signal?: string;
}

/** A short-lived command: waited for, its output returned. */
export interface RunRequest {
  readonly program: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly networkNamespace?: string;
  /** A private mount namespace: whatever it mounts is gone when it ends, however it ends. */
  readonly privateMounts?: boolean;
  /** Milliseconds; then it is killed with its process group and the result is `DEADLINE_EXCEEDED`. Default 30,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  readonly code: number;
  /** At most 1 MiB each; the rest is dropped. */
  readonly stdout: string;
  readonly stderr: string;
}

export type LivenessVerdict = "alive" | "gone" | "unverifiable";

export interface Spawner {
  /** Starts a process; resolves when the program itself has been executed (not merely a wrapper forked), or with the error of starting it. */
  spawn(request: SpawnRequest): Promise<Result<ProcessIdentity, PlatformError>>;
  run(request: RunRequest): Promise<Result<RunResult, PlatformError>>;
  /** Sends a signal, only after identity was proven. `gone` and `unverifiable` are not signalled; the verdict says so. */
  signal(
    identity: ProcessIdentity,
    signal: "SIGTERM" | "SIGKILL" | "SIGINT" | "SIGHUP" | "SIGSTOP" | "SIGCONT",
  ): Promise<LivenessVerdict>;
  verdict(identity: ProcessIdentity): Promise<LivenessVerdict>;
  /** Resolves when the process has ended (child or adopted), within about 200 ms of its end for adopted ones and at once for children. Never rejects but by `signal`. */
  exited(identity: ProcessIdentity, options?: { readonly signal?: AbortSignal }): Promise<ProcessExit>;
  /** Every process on the host whose command line carries a token of ours with this prefix: for the orphan sweep. */
  findByTokenPrefix(prefix: string): Promise<readonly ProcessIdentity[]>;
  /** Removes the cgroup of an ended process, if there is one. */
  removeCgroup(name: string): Promise<void>;
  close(): Promise<void>;
}
