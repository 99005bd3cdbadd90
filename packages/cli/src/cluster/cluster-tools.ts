/**
 * kubectl and clusterctl as users know them, against the clusters of `lm`: the platform's own programs, so that nothing has to be installed beside it.
 *
 * The kubeconfig goes into a file that only this user can read, and that is gone when the program ends.
 */
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localPlatform, setting } from "../client/open.ts";
import type { Invocation } from "../program/command.ts";
import { runInForeground } from "../program/foreground.ts";
import type { Session } from "../program/session.ts";
import { readWorkloadKubeconfig } from "./kubeconfig.ts";
import { kubeconfigText } from "./kubeconfig-merge.ts";
import { findCluster, meansLocalPlatform, openManagementCluster } from "./management-cluster.ts";

type Tool = "kubectl" | "clusterctl";

export async function runKubectl({ flags, positionals }: Invocation, session: Session): Promise<number> {
  const cluster = flags.text("cluster");
  if (cluster === undefined) return runOnManagement("kubectl", positionals, session);
  const directory = await mkdtemp(join(tmpdir(), "lm-kubectl-"));
  try {
    await chmod(directory, 0o700);
    const file = join(directory, "kubeconfig");
    await writeFile(file, await workloadKubeconfig(session, cluster), { mode: 0o600 });
    return await run("kubectl", positionals, session, { KUBECONFIG: file });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export function runClusterctl({ positionals }: Invocation, session: Session): Promise<number> {
  return runOnManagement("clusterctl", positionals, session);
}

async function workloadKubeconfig(session: Session, cluster: string): Promise<string> {
  await using management = await openManagementCluster(session);
  await findCluster(session, management, cluster);
  return kubeconfigText(await readWorkloadKubeconfig(session, management, cluster));
}

async function runOnManagement(tool: Tool, args: readonly string[], session: Session): Promise<number> {
  const { flags, terminal } = session;
  // Says what is wrong where there is none.
  await (await openManagementCluster(session))[Symbol.asyncDispose]();
  const file = meansLocalPlatform(session)
    ? localPlatform(session).managementKubeconfig
    : (flags.text("kubeconfig") ?? setting(terminal.env, "LM_KUBECONFIG"));
  const context = flags.text("kube-context");
  const namespace = flags.text("namespace");
  const contextFlag = tool === "kubectl" ? "--context" : "--kubeconfig-context";
  const further = [
    ...(context === undefined ? [] : [contextFlag, context]),
    ...(namespace === undefined ? [] : ["--namespace", namespace]),
  ];
  // kubectl takes them anywhere before a '--' of its own, clusterctl only after its verb.
  const words = tool === "kubectl" ? [...further, ...args] : [...args, ...further];
  return run(tool, words, session, file === undefined ? {} : { KUBECONFIG: file });
}

/** The platform's program, else the one that PATH has. */
async function programOf(tool: Tool, session: Session): Promise<string> {
  const software = join(localPlatform(session).managementDirectory, "software.json");
  const text = await readFile(software, "utf8").catch(() => "{}");
  const programs: Readonly<Record<string, unknown>> = Object(Object(JSON.parse(text)).programs);
  const own = programs[tool];
  return typeof own === "string" ? own : tool;
}

async function run(
  tool: Tool,
  args: readonly string[],
  session: Session,
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const program = await programOf(tool, session);
  const env = {
    ...session.terminal.env,
    // Never asks the internet whether there is a newer one.
    CLUSTERCTL_DISABLE_VERSIONCHECK: "true",
    ...environment,
  };
  const remedy = `run 'lm up --management-plane', which brings it, or install ${tool}`;
  return runInForeground({ program, name: tool, args, env, remedy }, session);
}
