/**
 * X.509 by the openssl program (3.0 or newer): Node reads certificates and makes keys, but signs no certificates.
 *
 * Keys are EC P-256: made in milliseconds, and every program of a management plane takes them. Each file appears whole or not at all.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, rename, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { PlatformError } from "@liquidmetal/foundation";

const run = promisify(execFile);

export interface KeyPairFiles {
  /** PEM, 0644. */
  readonly certificate: string;
  /** PEM, PKCS #8, 0600. */
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** Groups, for Kubernetes. */
  readonly organizations?: readonly string[];
  /** As openssl writes them: `DNS:localhost`, `IP:127.0.0.1`. */
  readonly alternativeNames?: readonly string[];
  readonly usage: "authority" | "server" | "client" | "peer";
  readonly days: number;
  /** Who signs; absent = itself. */
  readonly authority?: KeyPairFiles;
  readonly signal?: AbortSignal;
}

const timeoutMs = 30_000;
const keyOptions = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"] as const;
/** Nothing of the machine's own configuration may add to a certificate. */
const configuration = "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\n";

const usages: Readonly<Record<CertificateRequest["usage"], readonly string[]>> = {
  authority: ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"],
  server: leaf("serverAuth"),
  client: leaf("clientAuth"),
  peer: leaf("serverAuth,clientAuth"),
};

/** Makes a key and its certificate, over what is there. TOOL_MISSING without openssl. */
export async function makeCertificate(files: KeyPairFiles, request: CertificateRequest): Promise<void> {
  const temporary = `${files.key}.${randomBytes(6).toString("hex")}`;
  const made = { config: `${temporary}.cnf`, certificate: `${temporary}.crt`, key: `${temporary}.key` };
  const { authority, alternativeNames = [] } = request;
  const extensions = [
    ...usages[request.usage],
    ...(alternativeNames.length > 0 ? [`subjectAltName=${alternativeNames.join(",")}`] : []),
  ];
  try {
    await writeFile(made.config, configuration, { mode: 0o600 });
    await openssl(
      [
        ...["req", "-x509", "-new", "-sha256", ...keyOptions, "-config", made.config],
        ...["-subj", subject(request), "-days", String(request.days), "-utf8"],
        ...(authority ? ["-CA", authority.certificate, "-CAkey", authority.key] : []),
        ...extensions.flatMap((extension) => ["-addext", extension]),
        ...["-keyout", made.key, "-out", made.certificate],
      ],
      request.signal,
    );
    await chmod(made.key, 0o600);
    await chmod(made.certificate, 0o644);
    await rename(made.key, files.key);
    await rename(made.certificate, files.certificate);
  } finally {
    await Promise.all(Object.values(made).map((file) => rm(file, { force: true })));
  }
}

function leaf(extendedKeyUsage: string): readonly string[] {
  return [
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    `extendedKeyUsage=${extendedKeyUsage}`,
  ];
}

function subject({ commonName, organizations = [] }: CertificateRequest): string {
  const escaped = (text: string): string => text.replace(/[\\/+=]/g, "\\$&");
  return [...organizations.map((each) => `/O=${escaped(each)}`), `/CN=${escaped(commonName)}`].join("");
}

async function openssl(args: readonly string[], signal?: AbortSignal): Promise<void> {
  try {
    await run("openssl", args, { timeout: timeoutMs, ...(signal && { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      throw new PlatformError("TOOL_MISSING", "the program openssl is not installed", {
        remedy: "apt-get install openssl",
        details: { tool: "openssl", package: "openssl" },
      });
    }
    throw PlatformError.from(error, "INTERNAL", "openssl could not make a certificate");
  }
}
