/**
 * The evidence of a platform with clusters: what its parts, its API objects, the clusters' own objects, the consoles and the guests tell. Every witness is asked
 * in its own way, and where a part is down the files it left are taken.
 */
import { existsSync, readdirSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { platformPaths } from "../../../packages/platform/src/paths.ts";
import { lmProgram, ofPlatform, outcomeOf, outputOf } from "./command.ts";
import { type Evidence, gather, type Witness } from "./evidence.ts";

export interface ClusterEvidenceOptions {
  readonly folder: string;
  readonly platform: string;
  /** Names, in the namespace default. */
  readonly clusters: readonly string[];
  /** Private key that the guests' root accepts. */
  readonly sshKey?: string;
  readonly witnessMs?: number;
}

const keptLogBytes = 2 * 1_048_576;
const managementKinds = [
  ...["clusters", "machines", "machinedeployments", "machinesets", "machinehealthchecks"].map(
    (each) => `${each}.cluster.x-k8s.io`,
  ),
  ...["kubeadmcontrolplanes.controlplane.cluster.x-k8s.io", "kubeadmconfigs.bootstrap.cluster.x-k8s.io"],
  ...["microvmclusters", "microvmmachines", "microvmmachinetemplates"].map(
    (each) => `${each}.infrastructure.cluster.x-k8s.io`,
  ),
  ...["clusterresourcesets", "clusterresourcesetbindings"].map((each) => `${each}.addons.cluster.x-k8s.io`),
];
/** What a guest tells of itself, each in one go. */
const guestCommands: Readonly<Record<string, string>> = {
  "kubelet.txt": "journalctl --no-pager -b -u kubelet -n 3000",
  "containerd.txt": "journalctl --no-pager -b -u containerd -n 1000",
  "cloud-init.txt": "cloud-init status --long; cat /var/log/cloud-init-output.log",
  "machine.txt":
    "uptime; free -m; ip addr; ip route; systemctl --failed --no-pager; crictl ps -a 2>/dev/null || ctr -n k8s.io tasks ls",
  "keepalived.txt": "journalctl --no-pager -b -u keepalived -n 500",
};

/** Folder for the evidence of what failed: below LM_TEST_LOGS, else the system's folder for temporary files. */
export function evidenceFolder(title: string, temporary: string): string {
  const when = new Date().toISOString().replaceAll(/[:.]/g, "-");
  return join(process.env["LM_TEST_LOGS"] ?? temporary, `lm-evidence-${title}-${when}`);
}

export async function clusterEvidence(options: ClusterEvidenceOptions): Promise<Evidence> {
  const { folder, platform, clusters, witnessMs = 30_000 } = options;
  const paths = platformPaths(platform);
  const lm = async (args: readonly string[], signal: AbortSignal): Promise<string> => {
    const { code, stdout, stderr } = await outcomeOf(lmProgram, ofPlatform(platform, args), {
      timeoutMs: witnessMs,
      signal,
    });
    // `lm status` of a platform that is not well ends with 1 and says how it is.
    if (code !== 0 && stdout === "") throw new Error(`lm ended with ${code}: ${stderr.trim()}`);
    return `${stdout}${stderr === "" ? "" : `\n# ${stderr.replaceAll("\n", "\n# ")}`}`;
  };
  const [microvms, programs] = await Promise.all([
    microvmsOf(lm, paths.agentState, witnessMs),
    kubectlOf(lm, witnessMs),
  ]);
  const kubectl = (kubeconfig: string, args: readonly string[], signal: AbortSignal): Promise<string> => {
    if (programs === undefined) throw new Error("the platform does not say where its kubectl is");
    const quick = `--request-timeout=${Math.max(1, Math.round(witnessMs / 2_000))}s`;
    return outputOf(programs, ["--kubeconfig", kubeconfig, ...args, quick], { timeoutMs: witnessMs, signal });
  };
  const management =
    (...args: readonly string[]) =>
    (signal: AbortSignal) =>
      kubectl(paths.managementKubeconfig, args, signal);
  const witnesses: readonly Witness[] = [
    ...machineWitnesses(paths.networkNamespace),
    { file: "platform/status.json", tell: (signal) => lm(["status", "-o", "json"], signal) },
    { file: "platform/microvms.json", tell: (signal) => lm(["vm", "list", "-A", "-o", "json"], signal) },
    ...filesIn(paths.logDirectory).map((path) => ({ file: `platform/log/${basename(path)}`, tell: () => endOf(path) })),
    { file: "management/objects.yaml", tell: management("get", managementKinds.join(","), "-A", "-o", "yaml") },
    { file: "management/events.txt", tell: management("get", "events", "-A", "--sort-by=.lastTimestamp") },
    ...clusters.flatMap((name) => clusterWitnesses(name, lm, kubectl, folder)),
    ...microvms.flatMap((microvm) => guestWitnesses(microvm, lm, options.sshKey)),
  ];
  return gather(folder, witnesses, { witnessMs, totalMs: witnessMs * 6, concurrency: 3 });
}

type Lm = (args: readonly string[], signal: AbortSignal) => Promise<string>;
type Kubectl = (kubeconfig: string, args: readonly string[], signal: AbortSignal) => Promise<string>;

function machineWitnesses(namespace: string): readonly Witness[] {
  const said = (program: string, args: readonly string[]) => (signal: AbortSignal) =>
    outputOf(program, args, { timeoutMs: 20_000, signal });
  return [
    { file: "machine/processes.txt", tell: said("ps", ["-ww", "-eo", "pid,ppid,pcpu,rss,etime,args"]) },
    {
      file: "machine/load.txt",
      tell: async () => `${await readFile("/proc/loadavg", "utf8")}\n${await readFile("/proc/meminfo", "utf8")}`,
    },
    { file: "machine/links.txt", tell: said("ip", ["-n", namespace, "-d", "addr"]) },
    { file: "machine/neighbours.txt", tell: said("ip", ["-n", namespace, "neigh"]) },
    { file: "machine/rules.txt", tell: said("ip", ["netns", "exec", namespace, "nft", "list", "ruleset"]) },
  ];
}

function clusterWitnesses(name: string, lm: Lm, kubectl: Kubectl, folder: string): readonly Witness[] {
  const file = join(folder, `${name}.kubeconfig`);
  const kubeconfig = once((signal) => lm(["cluster", "kubeconfig", name, "--out", file], signal));
  const inside =
    (...args: readonly string[]) =>
    async (signal: AbortSignal) => {
      await kubeconfig(signal);
      return kubectl(file, args, signal);
    };
  return [
    { file: `${name}/describe.txt`, tell: (signal) => lm(["cluster", "describe", name, "--conditions"], signal) },
    { file: `${name}/nodes.yaml`, tell: inside("get", "nodes", "-o", "yaml") },
    { file: `${name}/pods.txt`, tell: inside("get", "pods", "-A", "-o", "wide") },
    { file: `${name}/pods.yaml`, tell: inside("get", "pods", "-A", "-o", "yaml") },
    { file: `${name}/events.txt`, tell: inside("get", "events", "-A", "--sort-by=.lastTimestamp") },
    {
      file: `${name}/logs.txt`,
      tell: inside(
        "logs",
        "-n",
        "kube-system",
        "-l",
        "k8s-app in (kube-dns,liquidmetal-cni)",
        "--prefix",
        "--tail=300",
      ),
    },
  ];
}

interface KnownMicrovm {
  readonly uid: string;
  readonly name: string;
  readonly directory: string;
}

function guestWitnesses(
  { uid, name, directory }: KnownMicrovm,
  lm: Lm,
  sshKey: string | undefined,
): readonly Witness[] {
  const folder = `microvm/${name}`;
  const key = sshKey === undefined ? [] : ["--identity", sshKey];
  return [
    // From the files and not by the agent: they are there also when it is not.
    { file: `${folder}/console.log`, tell: () => endOf(join(directory, "console.log")) },
    { file: `${folder}/vmm.log`, tell: () => endOf(join(directory, "vmm.log")) },
    { file: `${folder}/describe.txt`, tell: (signal) => lm(["vm", "describe", uid], signal) },
    ...Object.entries(guestCommands).map(([file, command]) => ({
      file: `${folder}/${file}`,
      tell: (signal: AbortSignal) => lm(["vm", "ssh", uid, ...key, "--timeout", "10s", "--", command], signal),
    })),
  ];
}

/** By the agent's files: `vm/NAMESPACE/NAME/UID`. */
async function microvmsOf(lm: Lm, agentState: string, timeoutMs: number): Promise<readonly KnownMicrovm[]> {
  const root = join(agentState, "vm");
  const found = directoriesIn(root).flatMap((namespace) =>
    directoriesIn(join(root, namespace)).flatMap((name) =>
      directoriesIn(join(root, namespace, name)).map((uid) => ({
        uid,
        name,
        directory: join(root, namespace, name, uid),
      })),
    ),
  );
  if (found.length > 0) return found;
  const list = await lm(["vm", "list", "-A", "-o", "json"], AbortSignal.timeout(timeoutMs)).catch(() => "[]");
  const known: readonly { readonly uid: string; readonly name: string }[] = JSON.parse(list);
  return known.map(({ uid, name }) => ({ uid, name, directory: join(root, "unknown", name, uid) }));
}

async function kubectlOf(lm: Lm, timeoutMs: number): Promise<string | undefined> {
  try {
    const status = JSON.parse(await lm(["status", "-o", "json"], AbortSignal.timeout(timeoutMs)));
    return status.managementPlane?.kubectl ?? undefined;
  } catch {
    return undefined;
  }
}

/** Several witnesses need the same thing first. */
function once(make: (signal: AbortSignal) => Promise<string>): (signal: AbortSignal) => Promise<string> {
  let made: Promise<string> | undefined;
  return (signal) => {
    made ??= make(signal);
    return made;
  };
}

async function endOf(path: string): Promise<string> {
  await using file = await open(path);
  const { size } = await file.stat();
  const start = Math.max(0, size - keptLogBytes);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, keptLogBytes)), { position: start });
  return buffer.subarray(0, bytesRead).toString("utf8");
}

function filesIn(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(directory, entry.name)] : [],
  );
}

function directoriesIn(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}
