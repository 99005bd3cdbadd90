/**
 * Runs the tools that unpack, configure and compile source code of others: without privileges, without a network, out of reach of everything but one
 * directory, and gone with whoever started them.
 *
 * As root the commands run as `nobody` in namespaces of their own (mounts, network, processes, IPC), and see the directory as /usr/src: of the same
 * source the same paths, wherever the cache lies. Their process namespace ends with them, so nothing of a cancelled build stays, and the kernel takes
 * the mount away with it. An ordinary user has no privileges to lose: the commands run in the directory itself.
 *
 * The environment is empty but for what is said here: a CFLAGS or MAKEFLAGS of the caller would be an input that no cache key has.
 */
import { chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { runTool, type ToolOptions } from "../system-tool.ts";

export interface BuildSandbox {
  /** Runs a program in the directory. Errors: TOOL_MISSING, IMAGE_BUILD_FAILED with the end of its stderr, CANCELLED. */
  run(program: string, args: readonly string[], options?: SandboxOptions): Promise<Buffer>;
  /** Makes what the caller wrote into the directory belong to the commands. */
  give(path: string): Promise<void>;
}

export type SandboxOptions = Pick<ToolOptions, "timeoutMs" | "onLine" | "onErrorLine" | "signal"> & {
  /** The program's own variables. */
  readonly environment?: Readonly<Record<string, string>>;
};

/** User and group `nobody` and `nogroup` of Debian, 65534: the kernel's overflow id, which owns nothing anywhere. */
const nobody = 65_534;
const searchPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/** `directory` is ours alone and empty; it gets a folder `tmp`. */
export async function openSandbox(directory: string): Promise<BuildSandbox> {
  const root = process.getuid?.() === 0;
  const give = async (path: string): Promise<void> => {
    if (root) await chown(path, nobody, nobody);
  };
  await mkdir(join(directory, "tmp"));
  await give(directory);
  await give(join(directory, "tmp"));
  const seenAs = root ? "/usr/src" : directory;
  return {
    give,
    run: (program, args, { environment = {}, ...options } = {}) => {
      const variables = {
        PATH: searchPath,
        LC_ALL: "C",
        TZ: "UTC",
        HOME: "/nonexistent",
        TMPDIR: `${seenAs}/tmp`,
        ...environment,
      };
      const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
      const command = ["env", "-i", ...assignments, program, ...args];
      // Whatever becomes of this process: the kernel ends the command with it.
      return runTool("setpriv", ["--pdeathsig", "KILL", ...(root ? unprivileged(directory, command) : command)], {
        cwd: directory,
        ...options,
      });
    },
  };
}

/** The mount is made with root's rights in the new namespace; then they are given up for good. */
const enter = 'mount --bind "$1" /usr/src && cd /usr/src && shift && exec "$@"';

const unprivileged = (directory: string, command: readonly string[]): readonly string[] => [
  ...["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--"],
  ...["sh", "-c", enter, "sh", directory],
  ...[
    "setpriv",
    `--reuid=${nobody}`,
    `--regid=${nobody}`,
    "--clear-groups",
    "--no-new-privs",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--",
  ],
  ...command,
];
