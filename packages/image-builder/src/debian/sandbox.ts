/**
 * Runs what belongs to a guest, its maintainer scripts and a recipe's, where it can do no harm: in namespaces of its own for users, mounts, processes,
 * network, IPC and names.
 *
 * What is in reach: the machine's /usr read-only (and its links /bin, /lib …), an empty memory file system /build, /tmp, and what comes in through
 * stdin. Nothing of the machine can be written, no other file be read, no process be seen, no address be reached but the loopback of its own.
 * Results leave through stdout. When it ends, is cancelled or we die, all processes and mounts in it are gone.
 */
import { lstat, readlink } from "node:fs/promises";
import { type ToolOptions, type ToolResult, tryTool } from "../system-tool.ts";
import { UserNamespace } from "./user-namespace.ts";

export interface SandboxOptions
  extends Pick<ToolOptions, "writeInput" | "outputFile" | "onErrorLine" | "signal" | "timeoutMs"> {
  readonly environment: Readonly<Record<string, string>>;
  /** Most bytes that /build holds. Default: half of the machine's memory. */
  readonly scratchMaxBytes?: number | undefined;
}

/** The folder that is writable in there. */
export const scratch = "/build";

/** Programs of the machine that a Debian needs, wherever the links lead. */
const topLevelFolders = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/** Fails where there can be no sandbox: asked before anything is downloaded for it. Errors: TOOL_MISSING, CAPABILITY_MISSING, CANCELLED. */
export async function assertSandbox(signal?: AbortSignal): Promise<void> {
  await using _users = await UserNamespace.open(signal);
}

/** Runs bash with `script`. Errors: TOOL_MISSING, CAPABILITY_MISSING, CANCELLED. */
export async function runInSandbox(script: string, options: SandboxOptions): Promise<ToolResult> {
  await using users = await UserNamespace.open(options.signal);
  const { environment, scratchMaxBytes, ...tool } = options;
  const [enter, ...entry] = users.entry;
  const variables = {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: scratch,
    TMPDIR: scratch,
    LC_ALL: "C.UTF-8",
    ...environment,
  };
  const args = [
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--die-with-parent",
    "--new-session",
    "--cap-add",
    "ALL",
    "--hostname",
    "localhost",
    "--clearenv",
    ...Object.entries(variables).flatMap(([name, value]) => ["--setenv", name, value]),
    ...(await machinePrograms()),
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
    ...(scratchMaxBytes === undefined ? [] : ["--size", String(scratchMaxBytes)]),
    "--tmpfs",
    scratch,
    "--chdir",
    scratch,
    "--",
    "bash",
    "-euo",
    "pipefail",
    "-c",
    // The caller's umask would be in the modes of everything that maintainer scripts and mmdebstrap make.
    `umask 022\n${script}`,
  ];
  return await tryTool(enter, [...entry, "bwrap", ...args], { ...tool, cwd: "/" });
}

async function machinePrograms(): Promise<string[]> {
  const args = ["--ro-bind", "/usr", "/usr"];
  for (const folder of topLevelFolders) {
    const stats = await lstat(`/${folder}`).catch(() => undefined);
    if (stats?.isSymbolicLink()) args.push("--symlink", await readlink(`/${folder}`), `/${folder}`);
    else if (stats?.isDirectory()) args.push("--ro-bind", `/${folder}`, `/${folder}`);
  }
  // awk and others are links through here.
  return [...args, "--ro-bind-try", "/etc/alternatives", "/etc/alternatives"];
}
