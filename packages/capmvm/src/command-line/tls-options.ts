/** TLS as Kubernetes programs are told about it: versions and cipher suites by the names of Go's crypto/tls. */
import { getCiphers } from "node:tls";

const versions: Readonly<Record<string, "TLSv1.2" | "TLSv1.3">> = {
  VersionTLS12: "TLSv1.2",
  VersionTLS13: "TLSv1.3",
};

/** Undefined for names that Go does not have, and for TLS 1.0 and 1.1, which nobody shall speak any more. */
export function parseTlsVersion(name: string): "TLSv1.2" | "TLSv1.3" | undefined {
  return versions[name];
}

/**
 * `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` is OpenSSL's `ECDHE-RSA-AES128-GCM-SHA256`. Undefined for what Node does not have.
 *
 * Suites of TLS 1.3 are the same by name; Go does not let anybody choose them, and takes them without effect.
 */
export function parseCipherSuite(name: string): string | undefined {
  const wanted = openSslName(name);
  return getCiphers().includes(wanted.toLowerCase()) ? wanted : undefined;
}

function openSslName(name: string): string {
  if (!name.includes("_WITH_")) return name;
  const [exchange = "", cipher = ""] = name.replace(/^TLS_/, "").split("_WITH_");
  const form = cipher
    .replace(/AES_(\d+)_CBC/, "AES$1")
    .replace(/AES_(\d+)/, "AES$1")
    .replace(/CHACHA20_POLY1305(_SHA256)?/, "CHACHA20-POLY1305")
    .replaceAll("_", "-");
  return exchange === "RSA" ? form : `${exchange.replaceAll("_", "-")}-${form}`;
}
