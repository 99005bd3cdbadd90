/**
 * The quickstart: from nothing to a Kubernetes cluster of two microVMs whose network answers. Every stage takes what an earlier run left.
 *
 * What the cluster was made with is kept in the platform's state: a rerun asks for the same, also when a newer image was built meanwhile.
 */
import { join } from "node:path";
import { managementPrograms } from "@liquidmetal/management-plane";
import { type ClusterChoices, readChoices, writeChoices } from "./cluster-choices.ts";
import { type BuiltImage, buildImages, importImages } from "./images.ts";
import { Kubectl } from "./kubectl.ts";
import { machineFacts, type NodeSizes, nodeSizes, whatIsShort } from "./machine-size.ts";
import { nextStepsOfCluster } from "./next-steps.ts";
import { installMissing } from "./packages.ts";
import { clusterRecipes } from "./recipes.ts";
import { stageTimes } from "./stage-times.ts";
import type { Walk } from "./walk.ts";
import { askWeb, deployWeb, execArguments, throughApiServerArguments } from "./web-service.ts";

const cluster = "demo";

export async function bringUpCluster(walk: Walk): Promise<void> {
  const before = readChoices(choicesFile(walk));
  // What runs already has its room.
  if (before === undefined) await walk.stage("This machine has room", () => requireRoom(walk));
  await installMissing(walk, ["run", "images", "builds"]);
  await compilePrograms(walk);
  // On a rerun there is often nothing to build.
  if (before !== undefined) await bringUpPlatform(walk);
  const state = before === undefined ? undefined : await stateOfCluster(walk);
  if (state !== "ready") {
    const images = await buildImages(walk, "Kernel and node image", clusterRecipes);
    if (before === undefined) await bringUpPlatform(walk);
    await importImages(walk, images);
    await makeCluster(walk, images, state === undefined ? undefined : before);
  }
  await useCluster(walk);
}

const choicesFile = (walk: Walk): string => join(walk.paths.stateDirectory, "quickstart.json");

function bringUpPlatform(walk: Walk): Promise<string> {
  return walk.stage("Platform (lm up --management-plane)", (_stage, report) =>
    walk.lm(["up", "--management-plane"], { onLine: report }),
  );
}

/** `before`: what the one that is there was asked for with. */
async function makeCluster(walk: Walk, images: readonly BuiltImage[], before?: ClusterChoices): Promise<void> {
  const [kernel, node] = images.map(({ reference }) => reference);
  if (kernel === undefined || node === undefined) throw new Error("an image was not built");
  const sizes = nodeSizes(machineFacts(walk.paths.stateDirectory));
  const choices = before ?? { arguments: createArguments({ kernel, node, sizes }) };
  writeChoices(choicesFile(walk), choices);
  await walk.shown(`Cluster ${cluster}: one control plane, one worker`, () =>
    walk.lm(choices.arguments, { shown: true }),
  );
}

async function requireRoom(walk: Walk): Promise<void> {
  const short = whatIsShort(machineFacts(walk.paths.stateDirectory));
  if (short.length > 0) throw new Error(`this machine is too small for the cluster:\n  ${short.join("\n  ")}`);
}

/** `lm up --management-plane` would do it, too: here it is a stage of its own. */
function compilePrograms(walk: Walk): Promise<boolean> {
  return walk.stage(
    "Programs of Kubernetes and Cluster API",
    async (_stage, report) => {
      let compiled = false;
      await managementPrograms({
        report: (line) => {
          compiled = true;
          report(line);
        },
        signal: walk.signal,
      });
      return compiled;
    },
    (compiled) => (compiled ? "compiled" : "cached"),
  );
}

/** `undefined` where there is none. */
async function stateOfCluster(walk: Walk): Promise<string | undefined> {
  const listed = JSON.parse(await walk.lm(["cluster", "list", "-n", "default", "-o", "json"])) as readonly {
    readonly name: string;
    readonly state: string;
  }[];
  return listed.find(({ name }) => name === cluster)?.state;
}

interface Wanted {
  readonly kernel: string;
  readonly node: string;
  readonly sizes: NodeSizes;
}

export function createArguments({ kernel, node, sizes }: Wanted): readonly string[] {
  const { vcpu, controlPlaneMemoryMiB, workerMemoryMiB } = sizes;
  return [
    ...["cluster", "create", cluster, "-n", "default", "--control-plane-count", "1", "--worker-count", "1"],
    ...["--image", node, "--kernel", kernel, "--vcpu", String(vcpu)],
    ...["--control-plane-memory", String(controlPlaneMemoryMiB), "--worker-memory", String(workerMemoryMiB)],
    ...["--wait", "--timeout", "25m"],
  ];
}

async function useCluster(walk: Walk): Promise<void> {
  const kubectl = new Kubectl(walk, cluster);
  await walk.stage("Nodes are Ready, CoreDNS answers", async (_stage, report) => {
    await kubectl.run(["wait", "--for=condition=Ready", "node", "--all", "--timeout=5m"], report);
    await kubectl.run(["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=6m"], report);
  });
  await walk.stage("A web service on both nodes", (_stage, report) => deployWeb(kubectl, report));
  const answers = await walk.stage("It answers through the cluster's network", (_stage, report) =>
    askWeb(walk, kubectl, report),
  );
  await walk.show(["cluster", "describe", cluster]);
  await walk.show(["cluster", "get-nodes", cluster]);
  const [first, second] = answers.pods;
  if (first === undefined || second === undefined) return;
  const shown = (args: readonly string[], output: string): void =>
    walk.print(`\n$ ${kubectl.typed(args)}\n${output.trimEnd()}\n`);
  shown(throughApiServerArguments, answers.throughApiServer);
  shown(execArguments(first, "http://web", "--times", "4"), answers.byName);
  shown(execArguments(first, `http://${second.address}:8080`), answers.acrossNodes);
  walk.print(`\n${stageTimes(walk.times)}`);
  walk.print(`\n${nextStepsOfCluster(cluster, walk.paths.name)}`);
}
