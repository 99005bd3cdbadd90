/** Flags that the `lm cluster` commands share. */
import type { Flag, Positional } from "../../program/flag.ts";

/** Which management cluster. */
export const managementFlags: readonly Flag[] = [
  {
    name: "kubeconfig",
    value: "FILE",
    summary: "kubeconfig of the management cluster",
    default: "LM_KUBECONFIG, else the local platform's management plane",
    complete: "file",
  },
  { name: "kube-context", value: "NAME", summary: "context of that kubeconfig; alone, of kubectl's own (KUBECONFIG)" },
  {
    name: "namespace",
    short: "n",
    value: "NAMESPACE",
    summary: "namespace of the cluster",
    default: "the kubeconfig's, else default",
  },
];

export const nameArgument: Positional = {
  name: "NAME",
  summary: "name of the cluster",
  required: true,
  complete: "cluster",
};

export const timeoutFlag = (text: string): Flag => ({
  name: "timeout",
  value: "DURATION",
  summary: "how long to wait at most (90s, 5m, 1h30m)",
  default: text,
});

export const waitFlag: Flag = {
  name: "wait",
  value: "ready",
  valueOptional: true,
  summary: "wait until everything that was asked for is available, showing the tree meanwhile",
};

/** Which images machines are made of. */
export const imageFlags: readonly Flag[] = [
  {
    name: "image",
    value: "REF",
    summary: "node image of the Kubernetes version",
    default: "the one on the local platform's host",
    complete: "image",
  },
  {
    name: "kernel",
    value: "REF",
    summary: "image that holds the kernel",
    default: "the newest one there",
    complete: "image",
  },
  {
    name: "kernel-file",
    value: "PATH",
    summary: "path of the kernel inside its image",
    default: "what its labels say",
  },
];
