/**
 * etcd, kube-apiserver and kube-controller-manager on 127.0.0.1.
 *
 * Flags as measured to work without a kubelet, containers or cloud. Of Kubernetes' controllers only those run that Cluster API needs: without the aggregation
 * of ClusterRoles its managers may do nothing, and say so only in their logs.
 */
import { join } from "node:path";
import type { PlaneCertificates } from "../certificates/plane-certificates.ts";
import type { ProcessPlan } from "./process-plan.ts";

export const apiServerPorts = ["etcd", "etcd-peer", "kube-apiserver", "kube-controller-manager"] as const;

export interface ApiServerPlanOptions {
  /** The plane's own (0700): etcd's data and kubeconfigs lie in it. */
  readonly directory: string;
  readonly certificates: PlaneCertificates;
  readonly ports: Readonly<Record<(typeof apiServerPorts)[number], number>>;
  /** Environment of the Go programs. */
  readonly environment: Readonly<Record<string, string>>;
  /** Path of the controller manager's kubeconfig; absent = it is not run. */
  readonly controllerManagerKubeconfig?: string;
  /** False: etcd does not flush. Only for planes that are thrown away. */
  readonly durable: boolean;
  readonly apiServerArguments: readonly string[];
}

export const etcdUrl = (ports: ApiServerPlanOptions["ports"]): string => `https://127.0.0.1:${ports.etcd}`;
export const apiServerUrl = (ports: ApiServerPlanOptions["ports"]): string =>
  `https://127.0.0.1:${ports["kube-apiserver"]}`;

const deadlineMs = 120_000;
const serviceRange = "10.96.0.0/16";

const controllers = [
  "namespace-controller",
  "garbage-collector-controller",
  "clusterrole-aggregation-controller",
  "serviceaccount-controller",
  "serviceaccount-token-controller",
  "root-ca-certificate-publisher-controller",
] as const;

export function apiServerPlan(options: ApiServerPlanOptions): readonly ProcessPlan[] {
  const { controllerManagerKubeconfig } = options;
  return [
    etcd(options),
    kubeApiServer(options),
    ...(controllerManagerKubeconfig === undefined ? [] : [controllerManager(options, controllerManagerKubeconfig)]),
  ];
}

function etcd({ directory, certificates, ports, environment, durable }: ApiServerPlanOptions): ProcessPlan {
  const { etcd: own, etcdAuthority, etcdClient } = certificates;
  const [client, peer] = [etcdUrl(ports), `https://127.0.0.1:${ports["etcd-peer"]}`];
  return {
    name: "etcd",
    program: "etcd",
    arguments: [
      "--name=management-plane",
      `--data-dir=${join(directory, "etcd")}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=management-plane=${peer}`,
      "--client-cert-auth=true",
      `--trusted-ca-file=${etcdAuthority.certificate}`,
      `--cert-file=${own.certificate}`,
      `--key-file=${own.key}`,
      "--peer-client-cert-auth=true",
      `--peer-trusted-ca-file=${etcdAuthority.certificate}`,
      `--peer-cert-file=${own.certificate}`,
      `--peer-key-file=${own.key}`,
      ...(durable ? [] : ["--unsafe-no-fsync"]),
    ],
    environment,
    ready: {
      url: `${client}/health`,
      authority: etcdAuthority.certificate,
      certificate: etcdClient.certificate,
      key: etcdClient.key,
      deadlineMs,
    },
    after: [],
  };
}

function kubeApiServer({ certificates, ports, environment, apiServerArguments }: ApiServerPlanOptions): ProcessPlan {
  const { authority, serving, etcdAuthority, etcdClient, serviceAccounts, admin } = certificates;
  return {
    name: "kube-apiserver",
    program: "kube-apiserver",
    arguments: [
      `--etcd-servers=${etcdUrl(ports)}`,
      `--etcd-cafile=${etcdAuthority.certificate}`,
      `--etcd-certfile=${etcdClient.certificate}`,
      `--etcd-keyfile=${etcdClient.key}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${ports["kube-apiserver"]}`,
      "--advertise-address=127.0.0.1",
      "--endpoint-reconciler-type=none",
      `--tls-cert-file=${serving.certificate}`,
      `--tls-private-key-file=${serving.key}`,
      `--client-ca-file=${authority.certificate}`,
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${serviceAccounts.publicKey}`,
      `--service-account-signing-key-file=${serviceAccounts.privateKey}`,
      "--authorization-mode=RBAC",
      `--service-cluster-ip-range=${serviceRange}`,
      ...apiServerArguments,
    ],
    environment,
    ready: {
      url: `${apiServerUrl(ports)}/readyz`,
      authority: authority.certificate,
      certificate: admin.certificate,
      key: admin.key,
      deadlineMs,
    },
    after: ["etcd"],
  };
}

function controllerManager(
  { certificates, ports, environment }: ApiServerPlanOptions,
  kubeconfig: string,
): ProcessPlan {
  const { authority, serving, serviceAccounts } = certificates;
  const port = ports["kube-controller-manager"];
  return {
    name: "kube-controller-manager",
    program: "kube-controller-manager",
    arguments: [
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      `--tls-cert-file=${serving.certificate}`,
      `--tls-private-key-file=${serving.key}`,
      `--root-ca-file=${authority.certificate}`,
      `--service-account-private-key-file=${serviceAccounts.privateKey}`,
      "--leader-elect=false",
      "--use-service-account-credentials=true",
      `--controllers=${controllers.join(",")}`,
    ],
    environment,
    ready: { url: `https://127.0.0.1:${port}/healthz`, authority: authority.certificate, deadlineMs },
    after: ["kube-apiserver"],
  };
}
