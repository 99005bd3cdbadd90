/**
 * What a management plane is made of, in which versions, and how it is linked.
 *
 * Kubernetes and etcd are linked exactly as the recipes in images/node/containers link them: a node image and a management plane share one compile. A test
 * compares the two. Cluster API's managers say their version by the same variables as upstream's releases.
 */

/** A module, the packages of one run of the compiler, and which program each of them is. */
export interface Software {
  readonly module: string;
  /** With its v. */
  readonly version: string;
  /** Below the folder of images. */
  readonly lock: string;
  /** Import paths by our name of the program. Absent packages of the lock are compiled all the same where `together` says so. */
  readonly programs: Readonly<Partial<Record<ProgramName, string>>>;
  /** All packages of the lock in one run, because recipes do so too. Otherwise only `programs`. */
  readonly together: boolean;
  readonly variables: Readonly<Record<string, string>>;
  /** What a first compile means for whoever waits for it. */
  readonly work: string;
}

export const programNames = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kubectl",
  "kubeadm",
  "cluster-api-controller",
  "kubeadm-bootstrap-controller",
  "kubeadm-control-plane-controller",
  "clusterctl",
  "kustomize",
] as const;

export type ProgramName = (typeof programNames)[number];

export const kubernetesVersion = "v1.36.3";
export const etcdVersion = "v3.6.8";
export const clusterApiVersion = "v1.13.6";
export const kustomizeVersion = "v5.7.1";

const clusterApiModule = "sigs.k8s.io/cluster-api";

const clusterApi = {
  module: clusterApiModule,
  version: clusterApiVersion,
  lock: `management/locks/cluster-api-${clusterApiVersion.slice(1)}`,
  together: false,
  variables: versionVariables([`${clusterApiModule}/version`], clusterApiVersion),
} as const;

export const managementSoftware: readonly Software[] = [
  {
    module: "go.etcd.io/etcd/server/v3",
    version: etcdVersion,
    lock: `node/locks/etcd-${etcdVersion.slice(1)}`,
    programs: { etcd: "go.etcd.io/etcd/server/v3" },
    together: true,
    variables: {},
    work: "seconds",
  },
  {
    module: "k8s.io/kubernetes",
    version: kubernetesVersion,
    lock: `node/locks/kubernetes-${kubernetesVersion.slice(1)}`,
    programs: {
      "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
      "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
      kubectl: "k8s.io/kubernetes/cmd/kubectl",
      kubeadm: "k8s.io/kubernetes/cmd/kubeadm",
    },
    together: true,
    variables: versionVariables(["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"], kubernetesVersion),
    work: "about six minutes on two processors",
  },
  {
    ...clusterApi,
    programs: {
      "cluster-api-controller": clusterApiModule,
      "kubeadm-bootstrap-controller": `${clusterApiModule}/bootstrap/kubeadm`,
      clusterctl: `${clusterApiModule}/cmd/clusterctl`,
    },
    work: "about two minutes on two processors",
  },
  // Go names programs by the last part of their path: two called kubeadm cannot be compiled in one run.
  {
    ...clusterApi,
    programs: { "kubeadm-control-plane-controller": `${clusterApiModule}/controlplane/kubeadm` },
    work: "seconds after the first part of it",
  },
  {
    module: "sigs.k8s.io/kustomize/kustomize/v5",
    version: kustomizeVersion,
    lock: `management/locks/kustomize-${kustomizeVersion.slice(1)}`,
    programs: { kustomize: "sigs.k8s.io/kustomize/kustomize/v5" },
    together: true,
    variables: { "sigs.k8s.io/kustomize/api/provenance.version": kustomizeVersion },
    work: "seconds",
  },
];

function versionVariables(packages: readonly string[], version: string): Readonly<Record<string, string>> {
  const [major = "", minor = ""] = version.slice(1).split(".");
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor, gitCommit: "", gitTreeState: "archive" };
  return Object.fromEntries(
    packages.flatMap((path) => Object.entries(values).map(([name, value]) => [`${path}.${name}`, value])),
  );
}
