/**
 * A Kubernetes node from power-on to pods that run, seen from the host: user data has kubeadm make a cluster of it, and every stage is a mark on the
 * console, timed on the host's clock (a guest's own drifts under emulation).
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { buildRecipe } from "@liquidmetal/image-builder";
import { bootImages, layoutArchive } from "../../assets/boot-images.ts";
import type { Microvms } from "./microvms.ts";
import { processesWith } from "./processes.ts";
import { World } from "./world.ts";

export interface BroughtUpNode {
  /** By stage, in the order in which they came. */
  readonly reached: ReadonlyMap<string, Reached>;
  /** Lines `key=value …` that the guest said of itself at the end. */
  readonly facts: readonly string[];
}

export interface Reached {
  /** Since the microVM was running. */
  readonly seconds: number;
  /** Processor time that the hypervisor has used until then: on a busy machine, the figure to compare. */
  readonly cpuSeconds: number;
}

/** What the console says at the end of each stage. */
const stages: readonly (readonly [stage: string, mark: RegExp])[] = [
  ["cloud-init has begun", /lm-node: boot/],
  ["user's commands run", /lm-node: runcmd/],
  ["certificates made", /\[certs\] Generating "sa" key/],
  ["kubelet healthy", /The kubelet is healthy after/],
  ["API server healthy", /kube-apiserver is healthy after/],
  ["kubeadm init done", /lm-node: initialised/],
  ["node Ready", /lm-node: Ready/],
  ["CoreDNS available", /lm-node: CoreDNS/],
  ["the end", /lm-node: end/],
];

/** What fails ends the wait at once. */
const failure = /lm-node: failed[^\n]*|Kernel panic[^\n]*/;
/** From power-on. On two idle processors without KVM it takes about 100 s. */
const defaultDeadlineMs = 660_000;

/** Builds `node/kubernetes` (or takes it from the cache), boots it in `world`, and waits for the end. Leaves the microVM to the world. */
export async function bringUpNode(
  world: World,
  parameters: Readonly<Record<string, string>>,
  deadlineMs: number = defaultDeadlineMs,
): Promise<BroughtUpNode> {
  const node = await buildRecipe({ recipe: "node/kubernetes", parameters });
  const { kernel } = await bootImages();
  await world.start();
  const microvms = await world.microvms();
  for (const { layout } of [kernel, node]) {
    await microvms.connection.images.importImage(layoutArchive(layout), { timeoutMs: 300_000 });
  }
  const uid = await microvms.create({
    id: "node",
    namespace: "e2e",
    vcpu: 2,
    memoryInMb: 3_072,
    kernel: { image: kernel.reference, filename: kernel.elfKernelPath, addNetworkConfig: true },
    initrd: { image: kernel.reference, filename: kernel.initrdPath },
    rootVolume: { id: "root", source: { containerSource: node.reference }, sizeInMb: 8_192 },
    interfaces: [{ deviceId: "eth0", type: 1 }],
    metadata: { "user-data": Buffer.from(userData).toString("base64") },
  });
  await microvms.until(uid, "it runs", ({ phase }) => phase === "running", 180_000);
  return await follow(microvms, uid, () => cpuSecondsOf(world.vmmMark ?? ""), deadlineMs);
}

/** Boots one and asserts what has to hold of every version: Ready, everything running, nothing pulled. */
export async function assertNodeWorks(
  parameters: Readonly<Record<string, string>>,
  report: (line: string) => void,
  deadlineMs: number = defaultDeadlineMs,
): Promise<BroughtUpNode> {
  await using world = await World.open();
  const node = await bringUpNode(world, parameters, deadlineMs);
  for (const [stage, { seconds, cpuSeconds }] of node.reached) {
    report(`${seconds.toFixed(1).padStart(6)} s, ${cpuSeconds.toFixed(1).padStart(6)} s of CPU  ${stage}`);
  }
  for (const fact of node.facts) report(fact);
  const values = (key: string): string[] =>
    node.facts.filter((fact) => fact.startsWith(`${key}=`)).map((fact) => fact.slice(key.length + 1));
  assert.deepEqual(values("version"), [`v${parameters["kubernetes"] ?? "1.36.3"}`]);
  const pods = values("pod").map((line) => line.split(" "));
  const parts = [
    "coredns",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "liquidmetal-cni",
  ];
  for (const part of parts)
    assert.ok(
      pods.some(([name]) => name?.startsWith(part)),
      `a pod of ${part}`,
    );
  assert.deepEqual(
    pods.filter(([, phase, ready]) => phase !== "Running" || ready !== "true"),
    [],
    "all pods run and are ready",
  );
  assert.deepEqual(values("pulling"), ["0"], "no image was pulled");
  return node;
}

async function follow(
  microvms: Microvms,
  uid: string,
  cpuSeconds: () => number,
  deadlineMs: number,
): Promise<BroughtUpNode> {
  const start = performance.now();
  const signal = AbortSignal.timeout(deadlineMs);
  const reached = new Map<string, Reached>();
  let printed = "";
  try {
    for await (const { data } of microvms.connection.host.logs({ uid, follow: true }, { signal })) {
      printed += Buffer.from(data).toString("latin1");
      for (const [stage, mark] of stages) {
        if (reached.has(stage) || !mark.test(printed)) continue;
        reached.set(stage, { seconds: (performance.now() - start) / 1000, cpuSeconds: cpuSeconds() });
      }
      const failed = failure.exec(printed);
      if (failed !== null && /lm-node: end|panic/.test(printed)) throw new Error(failed[0]);
      if (reached.has("the end")) return { reached, facts: factsOf(printed) };
    }
  } catch (error) {
    const so = [...reached].map(([stage, { seconds }]) => `${stage} at ${seconds.toFixed(0)} s`).join(", ");
    throw new Error(`the node did not come up (${so}):\n${printed.slice(-6_000)}`, { cause: error });
  }
  throw new Error(`the console ended: ${printed.slice(-2_000)}`);
}

/** User and system time of the processes whose command line has `mark`; the kernel counts in 10 ms (proc(5)). */
function cpuSecondsOf(mark: string): number {
  let ticks = 0;
  for (const { pid } of processesWith(mark)) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It has ended since.
    }
  }
  return ticks / 100;
}

const factsOf = (printed: string): string[] =>
  [...printed.matchAll(/lm-fact: ([^\r\n]*)/g)].map((found) => found[1] ?? "");

/** What a person would do who reads the recipe: the example configuration, and the shipped manifest of the network. */
const script = `#!/bin/sh
exec </dev/null >/dev/console 2>&1
mark() { echo "lm-node: $*"; }
fail() {
  mark "failed: $*"
  journalctl --no-pager -n 60 -u kubelet -u containerd -o cat
  mark end
  exit 1
}
export KUBECONFIG=/etc/kubernetes/admin.conf
mark runcmd
kubeadm init --config /usr/share/liquidmetal/kubeadm.yaml || fail kubeadm init
mark initialised
kubectl create --validate=false -f /usr/share/liquidmetal/cni.yaml || fail the network
kubectl wait --for=condition=Ready node --all --timeout=240s || fail the node is not ready
mark Ready
kubectl -n kube-system wait --for=condition=Available deployment/coredns --timeout=240s || fail CoreDNS
mark CoreDNS
kubectl -n kube-system wait --for=condition=Ready pod --all --timeout=120s || fail pods
echo "lm-fact: version=$(kubectl get nodes -o jsonpath='{.items[0].status.nodeInfo.kubeletVersion}')"
kubectl get pods -A -o jsonpath='{range .items[*]}{"lm-fact: pod="}{.metadata.name}{" "}{.status.phase}{" "}{.status.containerStatuses[0].ready}{"\\n"}{end}'
echo "lm-fact: pulling=$(kubectl get events -A -o jsonpath='{.items[*].reason}' | tr ' ' '\\n' | grep -c -e '^Pulling$' -e ErrImage)"
kubectl get pods -A -o jsonpath='{range .items[*]}{"lm-fact: times="}{.metadata.name}{" made "}{.metadata.creationTimestamp}{" runs since "}{.status.containerStatuses[0].state.running.startedAt}{"\\n"}{end}'
echo "lm-fact: ready since $(kubectl get nodes -o jsonpath='{.items[0].status.conditions[?(@.type=="Ready")].lastTransitionTime}'), made $(kubectl get nodes -o jsonpath='{.items[0].metadata.creationTimestamp}')"
echo "lm-fact: memory=$(free -m | awk '/^Mem/ {print $3}') MiB used"
mark end
`;

const userData = `#cloud-config
bootcmd:
  - [sh, -c, 'echo "lm-node: boot" >/dev/console']
write_files:
  - path: /run/lm-node.sh
    permissions: "0755"
    encoding: b64
    content: ${Buffer.from(script).toString("base64")}
runcmd:
  - [/run/lm-node.sh]
`;
