/** Why a host could not be dialled, in words that tell a person what to look at. Branches on Node's error codes, never on texts. */
import { PlatformError } from "@liquidmetal/foundation";

/** Where on the way it failed. */
export type DialStage = "connect" | "proxy" | "tls" | "handshake";

const tcpTexts: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there (connection refused)",
  ETIMEDOUT: "nothing answers there (timed out)",
  EHOSTUNREACH: "there is no route to it, or it is down",
  ENETUNREACH: "there is no route to its network",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  ENOTFOUND: "its name cannot be resolved",
  EAI_AGAIN: "its name cannot be resolved: the name server does not answer",
};

const unknownAuthority: ReadonlySet<string> = new Set([
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
]);

const noTls: ReadonlySet<string> = new Set([
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG",
  "ERR_SSL_HTTP_REQUEST",
  "ERR_SSL_RECORD_LAYER_FAILURE",
]);

/** UNAVAILABLE for what lies on the way; UNAUTHENTICATED when the host refuses our certificate. `details.stage` says where. */
export function dialFailure(stage: DialStage, target: string, error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  const code = codeOf(error);
  const details = { stage, target, ...(code === "" ? {} : { cause: code }) };
  const refusal = /^ERR_SSL_.*ALERT_(.*)$/.exec(code)?.[1];
  if (refusal !== undefined && refusal !== "PROTOCOL_VERSION" && refusal !== "HANDSHAKE_FAILURE") {
    const alert = refusal.toLowerCase().replaceAll("_", " ");
    return new PlatformError("UNAUTHENTICATED", `${target} refuses our client certificate (${alert})`, {
      cause: error,
      details,
      remedy: "give a client certificate and key that its client authority has signed and that have not expired",
    });
  }
  return new PlatformError("UNAVAILABLE", `${target}: ${reasonOf(stage, code, error)}`, { cause: error, details });
}

function reasonOf(stage: DialStage, code: string, error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (code === "CERT_HAS_EXPIRED") return "its certificate has expired";
  if (code === "CERT_NOT_YET_VALID") return "its certificate is not valid yet; compare the clocks";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `its certificate is for another name (${altNames(text)})`;
  if (unknownAuthority.has(code))
    return "its certificate is signed by an authority that we were not told to trust (ca.crt)";
  if (noTls.has(code)) return "it does not speak TLS there (plain text, or another service)";
  if (code.endsWith("ALERT_PROTOCOL_VERSION") || code === "ERR_SSL_UNSUPPORTED_PROTOCOL") {
    return "it speaks none of the TLS versions 1.2 and 1.3";
  }
  if (code.endsWith("ALERT_HANDSHAKE_FAILURE")) return "it refuses the TLS handshake";
  if (stage === "tls" && (code === "ECONNRESET" || code === "EPIPE"))
    return "it closed the connection during the TLS handshake";
  return tcpTexts[code] ?? text;
}

/** Node says: `Hostname/IP does not match certificate's altnames: Host: a. is not in the cert's altnames: DNS:b`. */
function altNames(text: string): string {
  return text.replace(/^.*altnames: (?=Host|IP)/, "");
}

function codeOf(error: unknown): string {
  // Several addresses of one name were tried: the first failure stands for all.
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
