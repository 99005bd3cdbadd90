/**
 * Where everything of one platform lies. All of it follows from the name, so several platforms on one machine never meet.
 *
 * The default platform uses `/var/lib/liquidmetal` and `/run/liquidmetal`; platform `x` uses `/var/lib/liquidmetal-x` and `/run/liquidmetal-x`.
 */
import { join } from "node:path";
import { PlatformError } from "@liquidmetal/foundation";

export interface PlatformPaths {
  readonly name: string;
  /** Survives a reboot. */
  readonly stateDirectory: string;
  /** Sockets, configuration that is rendered, records of processes: void after a reboot. */
  readonly runDirectory: string;
  readonly configFile: string;
  readonly lockFile: string;
  readonly logDirectory: string;
  readonly sshDirectory: string;
  /** Guests to start again at the next `up`. */
  readonly resumeFile: string;
  readonly containerdConfig: string;
  readonly containerdRoot: string;
  readonly containerdState: string;
  readonly containerdSocket: string;
  readonly agentConfig: string;
  readonly agentState: string;
  readonly agentSocket: string;
  readonly supervisorSocket: string;
  readonly recordDirectory: string;
  /** Of the management plane: its data, keys and programs. 0700. */
  readonly managementDirectory: string;
  /** Of the management plane's administrator; works on this host. 0600. */
  readonly managementKubeconfig: string;
  /** Name of the network namespace, where one is used. */
  readonly networkNamespace: string;
}

/** A Unix socket's path has at most 107 bytes. */
const socketPathBytes = 107;
const namePattern = /^[a-z][a-z0-9-]{0,31}$/;

/** Throws REQUEST_INVALID for a name or directory that cannot be used. */
export function platformPaths(
  name: string,
  directories: { readonly stateDirectory?: string | undefined; readonly runDirectory?: string | undefined } = {},
): PlatformPaths {
  if (!namePattern.test(name)) {
    throw invalid(
      `'${name}' is not a name for a platform`,
      "use lower-case letters, digits and hyphens, a letter first, at most 32",
    );
  }
  const suffix = name === "default" ? "" : `-${name}`;
  const stateDirectory = directories.stateDirectory ?? `/var/lib/liquidmetal${suffix}`;
  const runDirectory = directories.runDirectory ?? `/run/liquidmetal${suffix}`;
  for (const directory of [stateDirectory, runDirectory]) {
    if (!/^\/[^\0]+$/.test(directory) || directory.includes("/../"))
      throw invalid(`'${directory}' is not an absolute path`, "write it in full");
  }
  const paths: PlatformPaths = {
    name,
    stateDirectory,
    runDirectory,
    configFile: join(stateDirectory, "platform.json"),
    lockFile: join(stateDirectory, "supervisor.lock"),
    logDirectory: join(stateDirectory, "log"),
    sshDirectory: join(stateDirectory, "ssh"),
    resumeFile: join(stateDirectory, "resume.json"),
    containerdConfig: join(runDirectory, "containerd.toml"),
    containerdRoot: join(stateDirectory, "containerd"),
    containerdState: join(runDirectory, "containerd"),
    containerdSocket: join(runDirectory, "containerd.sock"),
    agentConfig: join(runDirectory, "flintlockd.yaml"),
    agentState: join(stateDirectory, "agent"),
    agentSocket: join(runDirectory, "flintlockd.sock"),
    supervisorSocket: join(runDirectory, "supervisor.sock"),
    recordDirectory: join(runDirectory, "processes"),
    managementDirectory: join(stateDirectory, "management"),
    managementKubeconfig: join(stateDirectory, "management", "admin.kubeconfig"),
    networkNamespace: `lm-${name}`,
  };
  if (Buffer.byteLength(paths.supervisorSocket) > socketPathBytes) {
    throw invalid(`'${runDirectory}' is too long for sockets`, "choose a shorter run directory");
  }
  return paths;
}

function invalid(message: string, remedy: string): PlatformError {
  return new PlatformError("REQUEST_INVALID", message, { remedy });
}
