/**
 * A workload cluster without guests: its API server is real (a second kube-apiserver on the plane's etcd, under a prefix of its own), its nodes are played.
 *
 * The certificate authorities and keys are made before the Cluster and given to Cluster API as a user's own; KCP is told of an external etcd, because a stacked one
 * has members that cannot be played. `played-guests.ts` plays the boot of the guests.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  embeddedKubeconfig,
  freePorts,
  type KeyPairFiles,
  type ManagementPlane,
  type Manifest,
  makeCertificate,
  type PlaneProcess,
} from "@liquidmetal/management-plane";
import { JsonApi } from "./json-api.ts";

export interface PlayedClusterOptions {
  readonly name: string;
  readonly namespace: string;
}

export class PlayedCluster implements Disposable {
  readonly name: string;
  readonly namespace: string;
  /** What the MicrovmCluster's endpoint has to be. */
  readonly endpoint: { readonly host: string; readonly port: number };
  /** To be applied before the Cluster. */
  readonly secrets: readonly Manifest[];
  readonly kubeconfigFile: string;
  readonly api: JsonApi;
  readonly process: PlaneProcess;
  readonly plane: ManagementPlane;
  /** The plane's etcd, as KCP is told of it. */
  readonly externalEtcd: object;

  private constructor(
    plane: ManagementPlane,
    { name, namespace }: PlayedClusterOptions,
    parts: Pick<PlayedCluster, "endpoint" | "secrets" | "kubeconfigFile" | "api" | "process">,
  ) {
    this.plane = plane;
    this.name = name;
    this.namespace = namespace;
    this.endpoint = parts.endpoint;
    this.secrets = parts.secrets;
    this.kubeconfigFile = parts.kubeconfigFile;
    this.api = parts.api;
    this.process = parts.process;
    this.externalEtcd = {
      external: {
        endpoints: [plane.etcdUrl],
        caFile: "/etc/kubernetes/pki/etcd/ca.crt",
        certFile: "/etc/kubernetes/pki/apiserver-etcd-client.crt",
        keyFile: "/etc/kubernetes/pki/apiserver-etcd-client.key",
      },
    };
  }

  static async start(plane: ManagementPlane, options: PlayedClusterOptions): Promise<PlayedCluster> {
    const { name, namespace } = options;
    const directory = join(plane.directory, `workload-${namespace}-${name}`);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const files = await makeFiles(directory);
    const { port } = await freePorts(["port"]);
    const url = `https://127.0.0.1:${port}`;
    const processName = `workload-${namespace}-${name}`;
    await plane.startAll([
      {
        name: processName,
        program: "kube-apiserver",
        arguments: apiServerArguments(plane, files, { port, prefix: `/workload/${namespace}/${name}` }),
        environment: {},
        ready: {
          url: `${url}/readyz`,
          authority: files.ca.certificate,
          certificate: files.admin.certificate,
          key: files.admin.key,
          deadlineMs: 120_000,
        },
        after: [],
      },
    ]);
    const kubeconfigFile = join(directory, "admin.kubeconfig");
    await writeFile(kubeconfigFile, await embeddedKubeconfig(url, files.ca.certificate, files.admin), { mode: 0o600 });
    const [ca, cert, key] = await Promise.all(
      [files.ca.certificate, files.admin.certificate, files.admin.key].map((file) => readFile(file, "utf8")),
    );
    return new PlayedCluster(plane, options, {
      endpoint: { host: "127.0.0.1", port },
      secrets: await userSecrets(plane, options, files, kubeconfigFile),
      kubeconfigFile,
      api: new JsonApi({ url, ca: ca ?? "", cert: cert ?? "", key: key ?? "" }),
      process: plane.process(processName),
    });
  }

  [Symbol.dispose](): void {
    this.api[Symbol.dispose]();
  }
}

interface ClusterFiles {
  readonly ca: KeyPairFiles;
  readonly proxy: KeyPairFiles;
  readonly serving: KeyPairFiles;
  readonly admin: KeyPairFiles;
  readonly accounts: KeyPairFiles;
}

async function makeFiles(directory: string): Promise<ClusterFiles> {
  const pair = (name: string): KeyPairFiles => ({
    certificate: join(directory, `${name}.crt`),
    key: join(directory, `${name}.key`),
  });
  const [ca, proxy, serving, admin, accounts] = [pair("ca"), pair("proxy"), pair("serving"), pair("admin"), pair("sa")];
  const days = 10;
  await Promise.all([
    makeCertificate(ca, { usage: "authority", commonName: "kubernetes", days }),
    makeCertificate(proxy, { usage: "authority", commonName: "front-proxy-ca", days }),
  ]);
  const names = ["DNS:localhost", "IP:127.0.0.1"];
  await Promise.all([
    makeCertificate(serving, {
      usage: "server",
      commonName: "kube-apiserver",
      days,
      authority: ca,
      alternativeNames: names,
    }),
    makeCertificate(admin, {
      usage: "client",
      commonName: "test",
      organizations: ["system:masters"],
      days,
      authority: ca,
    }),
  ]);
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  await Promise.all([
    writeFile(accounts.key, privateKey, { mode: 0o600 }),
    writeFile(accounts.certificate, publicKey, { mode: 0o600 }),
  ]);
  return { ca, proxy, serving, admin, accounts };
}

function apiServerArguments(
  { etcdUrl, certificates }: ManagementPlane,
  { ca, serving, accounts }: ClusterFiles,
  { port, prefix }: { readonly port: number; readonly prefix: string },
): readonly string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    `--etcd-prefix=${prefix}`,
    `--etcd-cafile=${certificates.etcdAuthority.certificate}`,
    `--etcd-certfile=${certificates.etcdClient.certificate}`,
    `--etcd-keyfile=${certificates.etcdClient.key}`,
    "--bind-address=127.0.0.1",
    `--secure-port=${port}`,
    "--advertise-address=127.0.0.1",
    "--endpoint-reconciler-type=none",
    `--tls-cert-file=${serving.certificate}`,
    `--tls-private-key-file=${serving.key}`,
    `--client-ca-file=${ca.certificate}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${accounts.certificate}`,
    `--service-account-signing-key-file=${accounts.key}`,
    "--service-cluster-ip-range=10.96.0.0/16",
    "--enable-bootstrap-token-auth=true",
    "--authorization-mode=Node,RBAC",
    // Nobody makes the service accounts that static pods would need.
    "--disable-admission-plugins=ServiceAccount",
  ];
}

/** As kubeadm's users give them: the public key of service accounts stands where others have a certificate. */
async function userSecrets(
  plane: ManagementPlane,
  { name, namespace }: PlayedClusterOptions,
  files: ClusterFiles,
  kubeconfigFile: string,
): Promise<readonly Manifest[]> {
  const { etcdAuthority, etcdClient } = plane.certificates;
  const base64 = async (file: string): Promise<string> => (await readFile(file)).toString("base64");
  const secret = (
    purpose: string,
    data: Readonly<Record<string, string>>,
    type = "cluster.x-k8s.io/secret",
  ): Manifest => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name: `${name}-${purpose}`,
      namespace,
      labels: { "cluster.x-k8s.io/cluster-name": name, "clusterctl.cluster.x-k8s.io/move": "" },
    },
    type,
    data,
  });
  const tls = async ({ certificate, key }: KeyPairFiles): Promise<Readonly<Record<string, string>>> => ({
    "tls.crt": await base64(certificate),
    "tls.key": await base64(key),
  });
  return [
    secret("ca", await tls(files.ca)),
    secret("proxy", await tls(files.proxy)),
    secret("sa", await tls(files.accounts)),
    secret("etcd", { "tls.crt": await base64(etcdAuthority.certificate) }),
    secret("apiserver-etcd-client", await tls(etcdClient)),
    // Without it Cluster API tries too early, and again only half a minute later. The type says that it is the user's.
    secret("kubeconfig", { value: await base64(kubeconfigFile) }, "Opaque"),
  ];
}
