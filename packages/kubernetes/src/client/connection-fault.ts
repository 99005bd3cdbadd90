/** What went wrong when no answer came: whether the server may have acted, and whether its certificate is the matter. */
import { ApiError } from "./api-error.ts";

/** The request was never sent: no connection came about. */
const neverSent: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_PRX_TLS",
]);

const certificateCodes =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO$)/;

export interface ConnectionFault {
  /** False: surely nothing happened on the server. */
  readonly mayHaveActed: boolean;
  /** New credentials from disk may help. */
  readonly isCertificate: boolean;
  readonly error: ApiError;
}

/** `error` as thrown by the HTTP client. */
export function connectionFault(error: unknown, server: string, operation: string): ConnectionFault {
  const chain = causes(error);
  const codes = chain.map(codeOf);
  const text = chain.map((link) => (link instanceof Error ? link.message : String(link))).find((part) => part !== "");
  const isCertificate = codes.some((code) => certificateCodes.test(code));
  const inHandshake = chain.some((link) => /before secure TLS connection|HTTP Tunneling/.test(String(link)));
  const why = text ?? codes.find((code) => code !== "") ?? "the connection broke";
  return {
    mayHaveActed: !(isCertificate || inHandshake || codes.some((code) => neverSent.has(code))),
    isCertificate,
    error: new ApiError(`${server} cannot be reached: ${why}`, { httpStatus: 0, operation, cause: error }),
  };
}

function causes(error: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  for (let link = error; link !== undefined && chain.length < 6; ) {
    chain.push(link);
    // Several addresses of one name were tried.
    if (link instanceof AggregateError) chain.push(...link.errors);
    link = link instanceof Error ? link.cause : undefined;
  }
  return chain;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
