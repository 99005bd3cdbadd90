/**
 * The certificates and keys of one management plane, in a folder of its own (0700).
 *
 * Two authorities: one for everything that speaks with the API server or is called by it, one for etcd alone, so that no client of the API is one of etcd.
 * Authorities live ten years, leaves one; a leaf is made again when less than a quarter of its time is left or its authority or names changed. The programs
 * read their files again by themselves, so that a renewal needs no restart. Keys of service accounts are never replaced: tokens in use depend on them.
 */
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "@liquidmetal/foundation";
import { alone } from "./folder-lock.ts";
import { type CertificateRequest, type KeyPairFiles, makeCertificate } from "./openssl.ts";

export interface PlaneCertificates {
  readonly directory: string;
  /** Of the API server, its clients and the webhooks that it calls. */
  readonly authority: KeyPairFiles;
  /** For 127.0.0.1, ::1, localhost and the API server's names in a cluster. */
  readonly serving: KeyPairFiles;
  /** Member of system:masters: whatever RBAC says. */
  readonly admin: KeyPairFiles;
  readonly controllerManager: KeyPairFiles;
  readonly etcdAuthority: KeyPairFiles;
  /** Server and peer. */
  readonly etcd: KeyPairFiles;
  readonly etcdClient: KeyPairFiles;
  /** PEM: private and public key that sign and check tokens of service accounts. */
  readonly serviceAccounts: { readonly privateKey: string; readonly publicKey: string };
}

export interface CertificatesOptions {
  /** Beside the loopback names, as in `DNS:plane.example` or `IP:10.0.0.1`. */
  readonly alternativeNames?: readonly string[];
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

const authorityDays = 3650;
const leafDays = 365;
const renewalShare = 0.25;
const loopback = ["DNS:localhost", "IP:127.0.0.1", "IP:::1"] as const;
const inCluster = [
  "DNS:kubernetes",
  "DNS:kubernetes.default",
  "DNS:kubernetes.default.svc",
  "DNS:kubernetes.default.svc.cluster.local",
  "IP:10.96.0.1",
] as const;

/** Makes what is missing, renews what is old; what is good stays as it is. Call it at every start, and once a day while the plane runs. */
export async function planeCertificates(
  directory: string,
  options: CertificatesOptions = {},
): Promise<PlaneCertificates> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { clock = systemClock, signal } = options;
  // Two that renew at once would leave the key of one with the certificate of the other.
  return alone(directory, { clock, ...(signal && { signal }) }, () => ensureAll(directory, options));
}

async function ensureAll(directory: string, options: CertificatesOptions): Promise<PlaneCertificates> {
  const files = (name: string): KeyPairFiles => ({
    certificate: join(directory, `${name}.crt`),
    key: join(directory, `${name}.key`),
  });
  const made: PlaneCertificates = {
    directory,
    authority: files("ca"),
    serving: files("serving"),
    admin: files("admin"),
    controllerManager: files("kube-controller-manager"),
    etcdAuthority: files("etcd-ca"),
    etcd: files("etcd"),
    etcdClient: files("etcd-client"),
    serviceAccounts: { privateKey: join(directory, "sa.key"), publicKey: join(directory, "sa.pub") },
  };
  const ensured = (pair: KeyPairFiles, request: CertificateRequest): Promise<void> => ensure(pair, request, options);
  const authority = { usage: "authority", days: authorityDays } as const;
  await Promise.all([
    ensured(made.authority, { ...authority, commonName: "liquidmetal management plane" }),
    ensured(made.etcdAuthority, { ...authority, commonName: "liquidmetal management plane etcd" }),
    serviceAccountKeys(made.serviceAccounts),
  ]);
  const signed = { days: leafDays, authority: made.authority } as const;
  const etcd = { days: leafDays, authority: made.etcdAuthority } as const;
  const alternativeNames = [...loopback, ...inCluster, ...(options.alternativeNames ?? [])];
  await Promise.all([
    ensured(made.serving, { ...signed, usage: "server", commonName: "kube-apiserver", alternativeNames }),
    ensured(made.admin, {
      ...signed,
      usage: "client",
      commonName: "liquidmetal-admin",
      organizations: ["system:masters"],
    }),
    ensured(made.controllerManager, { ...signed, usage: "client", commonName: "system:kube-controller-manager" }),
    ensured(made.etcd, { ...etcd, usage: "peer", commonName: "etcd", alternativeNames: [...loopback] }),
    ensured(made.etcdClient, { ...etcd, usage: "client", commonName: "kube-apiserver-etcd-client" }),
  ]);
  return made;
}

async function ensure(
  files: KeyPairFiles,
  request: CertificateRequest,
  { clock = systemClock, signal }: CertificatesOptions,
): Promise<void> {
  if (await isGood(files, request, clock.nowMs())) return;
  await makeCertificate(files, { ...request, ...(signal && { signal }) });
}

async function isGood(files: KeyPairFiles, request: CertificateRequest, nowMs: number): Promise<boolean> {
  try {
    const certificate = new X509Certificate(await readFile(files.certificate));
    // They are renamed one after the other: a crash between the two leaves a pair that does not fit.
    if (!certificate.checkPrivateKey(createPrivateKey(await readFile(files.key)))) return false;
    const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
    if (nowMs < from || nowMs > to - (to - from) * renewalShare) return false;
    if (request.authority !== undefined) {
      const authority = new X509Certificate(await readFile(request.authority.certificate));
      if (!certificate.verify(authority.publicKey)) return false;
    }
    return (request.alternativeNames ?? []).every((name) => isFor(certificate, name));
  } catch {
    // Missing, cut off, or no certificate at all: made anew.
    return false;
  }
}

function isFor(certificate: X509Certificate, alternativeName: string): boolean {
  const [kind, ...rest] = alternativeName.split(":");
  const name = rest.join(":");
  return (kind === "IP" ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined;
}

async function serviceAccountKeys(files: PlaneCertificates["serviceAccounts"]): Promise<void> {
  const there = await Promise.all(
    Object.values(files).map((file) =>
      access(file).then(
        () => true,
        () => false,
      ),
    ),
  );
  if (there.every((each) => each)) return;
  const { privateKey, publicKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  await writeFile(files.privateKey, privateKey, { mode: 0o600 });
  await writeFile(files.publicKey, publicKey, { mode: 0o644 });
}
