/** `lm cluster create`. */
import type { Command } from "../../program/command.ts";
import type { Flag } from "../../program/flag.ts";
import { imageFlags, managementFlags, nameArgument, timeoutFlag, waitFlag } from "./flags.ts";

const sizeFlags = (role: string, of: string): readonly Flag[] => [
  { name: `${role}vcpu`, value: "COUNT", summary: `virtual processors ${of}` },
  { name: `${role}memory`, value: "SIZE", summary: `memory ${of} (3G, or MiB)` },
  { name: `${role}disk`, value: "SIZE", summary: `size of the root volume ${of} (10G, or MiB)` },
];

export const command: Command = {
  path: ["cluster", "create"],
  summary: "Create a Kubernetes cluster on microVMs",
  description:
    "Declares a cluster to a management cluster, from the templates that 'clusterctl generate cluster' uses, too: the same objects, by server-side apply. " +
    "Without --image and --kernel the images are those that the local platform's host has. The same command again finishes a creation that was cut off. " +
    "With --wait it shows the tree of conditions until the cluster is available; Ctrl-C leaves the cluster as it is.",
  positionals: [nameArgument],
  flags: [
    {
      name: "kubernetes-version",
      value: "VERSION",
      summary: "as in v1.36.3",
      default: "the newest of the node images there",
    },
    { name: "control-plane-count", value: "COUNT", summary: "control planes: 1, 3, 5 …", default: "1" },
    { name: "worker-count", value: "COUNT", summary: "workers", default: "1" },
    ...sizeFlags("", "of every machine"),
    ...sizeFlags("control-plane-", "of a control plane"),
    ...sizeFlags("worker-", "of a worker"),
    ...imageFlags,
    { name: "initrd", value: "REF", summary: "image that holds the initrd", complete: "image" },
    { name: "initrd-file", value: "PATH", summary: "path of the initrd inside its image" },
    {
      name: "flavor",
      value: "NAME",
      summary: "which of the templates",
      default: "embedded on the local platform, else keepalived",
      choices: ["embedded", "keepalived", "kube-vip", "cni", "plain", "topology"],
    },
    {
      name: "from",
      value: "FILE|clusterclass",
      summary: "a template of your own, or the ClusterClass 'microvm' (as --flavor topology)",
      complete: "file",
    },
    {
      name: "endpoint",
      value: "ADDRESS[:PORT]",
      summary: "where the API server is reached",
      default: "an address of the platform's network",
    },
    {
      name: "host",
      value: "ADDRESS",
      summary: "flintlockd (host:port) that machines may run on, as the management cluster reaches it",
      repeatable: true,
      replacesGlobal: true,
      default: "the local platform's",
    },
    { name: "pod-cidr", value: "CIDR", summary: "network of the pods", default: "172.25.0.0/16" },
    { name: "service-cidr", value: "CIDR", summary: "network of the services", default: "172.26.0.0/16" },
    {
      name: "cni",
      value: "true|false",
      valueOptional: true,
      summary: "the network of the node image, by a ClusterResourceSet",
      default: "what the flavour has: true for embedded, keepalived and cni",
    },
    {
      name: "set",
      value: "VARIABLE=VALUE",
      summary: "any variable of the template (docs/capmvm.md)",
      repeatable: true,
    },
    ...managementFlags,
    waitFlag,
    timeoutFlag("30m"),
    { name: "dry-run", summary: "print the manifests and create nothing" },
  ],
  examples: [
    "lm cluster create demo --wait",
    "lm cluster create demo --control-plane-count 3 --worker-count 2 --memory 3G --kubernetes-version v1.36.3",
    "lm cluster create prod --kubeconfig mgmt.yaml --host 10.0.0.1:9090 --host 10.0.0.2:9090 --endpoint 10.0.0.240 --kubernetes-version v1.36.3 --image registry.local/node:v1.36.3 --kernel registry.local/kernel:6.1",
    "lm cluster create demo --dry-run | kubectl apply -f -",
  ],
  run: async (invocation, session) => (await import("../../cluster/create.ts")).createCluster(invocation, session),
};
