/**
 * What a Node made from a template will have, for the cluster autoscaler when there is no Node yet to look at (scale from zero). Pure.
 *
 * A guest sees a little less memory and disk than its machine has; the autoscaler takes that into account by itself. Disk is told only when the template says how
 * large the root volume is. The architecture is told when all hosts that may take such a machine, and are known, have the same one: else the autoscaler's
 * own default holds, which is better than a guess.
 *
 * Source: Cluster API contract, InfraMachineTemplate, "support cluster autoscaling from zero".
 */
import type { MicrovmCluster, MicrovmMachineTemplate, NodeInfo } from "../api/index.ts";

type TemplateStatus = NonNullable<MicrovmMachineTemplate["status"]>;

export function templateStatusOf(
  template: MicrovmMachineTemplate,
  cluster: MicrovmCluster | undefined,
): TemplateStatus {
  const { vcpu, memoryMiB, rootVolume } = template.spec.template.spec;
  const platforms = platformsOf(template, cluster);
  // Hosts that cannot be asked for a while do not make what was known untrue.
  const architecture = platforms.length === 0 ? template.status?.nodeInfo?.architecture : architectureOf(platforms);
  return {
    capacity: {
      cpu: String(vcpu),
      memory: `${memoryMiB}Mi`,
      ...(rootVolume.sizeMiB === undefined ? {} : { "ephemeral-storage": `${rootVolume.sizeMiB}Mi` }),
    },
    nodeInfo: { ...(architecture === undefined ? {} : { architecture }), operatingSystem: "linux" },
  };
}

const architectures: Readonly<Record<string, NonNullable<NodeInfo["architecture"]>>> = {
  "linux/amd64": "amd64",
  "linux/arm64": "arm64",
  "linux/s390x": "s390x",
  "linux/ppc64le": "ppc64le",
};

function architectureOf([first = "", ...others]: readonly string[]): NodeInfo["architecture"] | undefined {
  return others.length > 0 ? undefined : architectures[first];
}

/** Of the hosts that may take such a machine, without variants ("linux/arm64" for "linux/arm64/v8"); each once. */
function platformsOf(template: MicrovmMachineTemplate, cluster: MicrovmCluster | undefined): readonly string[] {
  const wanted = Object.entries(template.spec.template.spec.hostSelector?.matchLabels ?? {});
  const hosts = cluster?.spec.placement.staticPool.hosts ?? [];
  // Labels that hosts report are not in the pool: a host that is not ruled out by what the pool says may still be meant.
  const fitting = hosts.filter(({ labels = {} }) => wanted.every(([key, value]) => (labels[key] ?? value) === value));
  const endpoints = new Set(fitting.map(({ endpoint }) => endpoint));
  const known = (cluster?.status?.hosts ?? []).flatMap(({ endpoint, platform }) =>
    endpoints.has(endpoint) && platform !== undefined ? [platform.split("/").slice(0, 2).join("/")] : [],
  );
  return [...new Set(known)];
}
