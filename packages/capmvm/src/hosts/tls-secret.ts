/**
 * The TLS material of a secret: `ca.crt`, and the client's pair `tls.crt` and `tls.key` where there is one; `server-name` where the certificate of the hosts
 * is for another name than their address. Everything is looked at here, so that a person reads what is wrong with which key, and not an error of OpenSSL's.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { accessProblem } from "./access-problem.ts";
import type { HostTls } from "./host.ts";
import type { SecretContent } from "./secret-reader.ts";

const block = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Throws HOST_ACCESS_INVALID. `title` names the secret. */
export function tlsOf(secret: SecretContent, title: string, nowMs: number): HostTls {
  const ca = required(secret, "ca.crt", title);
  const authorities = certificates(ca, `key ca.crt of ${title}`);
  if (authorities.every((one) => Date.parse(one.validTo) < nowMs)) {
    throw accessProblem(
      "invalid",
      `key ca.crt of ${title} holds no authority that is still valid (${expiry(authorities)})`,
      "put the present authority of the hosts' certificates there",
    );
  }
  const serverName = secret.get("server-name")?.toString().trim();
  const named = serverName ? { serverName } : {};
  const [cert, key] = [secret.get("tls.crt"), secret.get("tls.key")];
  if (cert === undefined && key === undefined) return { ca, ...named };
  checkPair(required(secret, "tls.crt", title), required(secret, "tls.key", title), title, nowMs);
  return { ca, cert: required(secret, "tls.crt", title), key: required(secret, "tls.key", title), ...named };
}

function checkPair(cert: Buffer, keyText: Buffer, title: string, nowMs: number): void {
  const [leaf] = certificates(cert, `key tls.crt of ${title}`);
  const key = privateKey(keyText, `key tls.key of ${title}`);
  if (leaf === undefined) return;
  if (!leaf.checkPrivateKey(key)) {
    const message = `key tls.key of ${title} is not the private key of the certificate in tls.crt`;
    throw accessProblem("invalid", message, "put a certificate and its own key there");
  }
  if (Date.parse(leaf.validTo) < nowMs) {
    const message = `the client certificate in key tls.crt of ${title} has expired (${expiry([leaf])})`;
    throw accessProblem("invalid", message, "issue a new client certificate, and put it and its key there");
  }
  if (Date.parse(leaf.validFrom) > nowMs) {
    const message = `the client certificate in key tls.crt of ${title} is not valid before ${iso(leaf.validFrom)}`;
    throw accessProblem("invalid", message, "compare the clocks, or wait until then");
  }
}

function required(secret: SecretContent, key: string, title: string): Buffer {
  const value = secret.get(key);
  if (value !== undefined && value.length > 0) return value;
  throw accessProblem(
    "missing",
    `${title} has no key ${key}`,
    "a TLS secret has ca.crt, and tls.crt and tls.key if the hosts want client certificates",
  );
}

function certificates(pem: Buffer, where: string): readonly X509Certificate[] {
  const blocks = pem.toString("latin1").match(block) ?? [];
  try {
    if (blocks.length > 0) return blocks.map((one) => new X509Certificate(one));
  } catch {
    // Told below: what OpenSSL says of it helps nobody.
  }
  throw accessProblem(
    "invalid",
    `${where} is not a certificate in PEM form`,
    "put a file there that begins with -----BEGIN CERTIFICATE-----",
  );
}

function privateKey(pem: Buffer, where: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    const remedy = "put an unencrypted key there that begins with -----BEGIN PRIVATE KEY-----";
    throw accessProblem("invalid", `${where} is not a private key in PEM form`, remedy);
  }
}

function expiry(list: readonly X509Certificate[]): string {
  return list.map(({ subject, validTo }) => `${subject.replaceAll("\n", ", ")} until ${iso(validTo)}`).join("; ");
}

function iso(date: string): string {
  return new Date(Date.parse(date)).toISOString();
}
