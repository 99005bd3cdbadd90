/**
 * How a registry wants to be asked: not at all, with basic credentials, or with a token fetched elsewhere.
 *
 * Source: distribution's token authentication specification (`WWW-Authenticate: Bearer realm=…,service=…,scope=…`), and Docker's OAuth2 variant.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { Credentials } from "./credentials.ts";
import { type HttpTimeouts, httpRequest, readBody, type TlsSettings } from "./http-request.ts";

export interface Challenge {
  readonly scheme: "basic" | "bearer";
  readonly parameters: Readonly<Record<string, string>>;
}

/** Parses a `WWW-Authenticate` header; undefined = nothing in it that we can do. */
export function parseChallenge(header: string): Challenge | undefined {
  const bearer = /(?:^|,\s*)bearer\s+/i.exec(header);
  if (bearer !== null) {
    const parameters: Record<string, string> = {};
    const text = header.slice(bearer.index + bearer[0].length);
    for (const [, key, quoted, bare] of text.matchAll(/([a-zA-Z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^,\s]+))/g)) {
      if (key !== undefined) parameters[key.toLowerCase()] = quoted?.replace(/\\(.)/g, "$1") ?? bare ?? "";
    }
    return { scheme: "bearer", parameters };
  }
  return /(?:^|,\s*)basic\b/i.test(header) ? { scheme: "basic", parameters: {} } : undefined;
}

export interface AuthorizationRequest extends HttpTimeouts {
  readonly challenge: Challenge;
  readonly repository: string;
  /** What the token has to allow, as in `repository:a/b:pull,push`; in place of what the challenge says. */
  readonly scopes?: readonly string[] | undefined;
  readonly credentials: Credentials | undefined;
  readonly tls: TlsSettings;
  /** Host whose TLS settings `tls` are. */
  readonly host: string;
  readonly signal?: AbortSignal | undefined;
}

/** The `authorization` header that answers a challenge. IMAGE_UNAUTHORIZED when there is none. */
export async function authorize(request: AuthorizationRequest): Promise<string> {
  const { challenge, credentials } = request;
  if (challenge.scheme === "basic") {
    if (credentials === undefined)
      throw new PlatformError(
        "IMAGE_UNAUTHORIZED",
        `${request.host} wants a user name and password, and none are configured`,
      );
    return basic(credentials);
  }
  return `Bearer ${await fetchToken(request)}`;
}

function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

async function fetchToken(request: AuthorizationRequest): Promise<string> {
  const { challenge, credentials, repository } = request;
  const { realm = "", service, scope } = challenge.parameters;
  const url = URL.parse(realm);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new PlatformError("IMAGE_UNAUTHORIZED", `${request.host} names no token service`);
  }
  const scopes = request.scopes ?? [scope ?? `repository:${repository}:pull`];
  const token = credentials?.identityToken;
  const form = new URLSearchParams(service === undefined ? {} : { service });
  // OAuth2 takes them as one field, the older form as several.
  for (const one of token === undefined ? scopes : [scopes.join(" ")]) form.append("scope", one);
  if (token === undefined) for (const [key, value] of form) url.searchParams.append(key, value);
  else
    for (const [key, value] of Object.entries({
      grant_type: "refresh_token",
      client_id: "liquidmetal",
      refresh_token: token,
    }))
      form.set(key, value);
  const response = await httpRequest({
    ...request,
    url,
    headers: {
      accept: "application/json",
      ...(token === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
      ...(token === undefined && credentials !== undefined ? { authorization: basic(credentials) } : {}),
    },
    ...(token === undefined ? {} : { method: "POST" as const, body: form.toString() }),
    tls: url.host === request.host ? request.tls : {},
  });
  const body = await readBody(response, 1024 * 1024);
  if (response.status === 401 || response.status === 403) {
    throw new PlatformError(
      "IMAGE_UNAUTHORIZED",
      `the token service ${url.host} refuses access to ${repository} (${response.status})`,
    );
  }
  if (response.status !== 200) {
    throw new PlatformError("IMAGE_PULL_FAILED", `the token service ${url.host} answered ${response.status}`);
  }
  const found = tokenIn(body);
  if (found === undefined) throw new PlatformError("IMAGE_PULL_FAILED", `the token service ${url.host} sent no token`);
  return found;
}

function tokenIn(body: Buffer): string | undefined {
  try {
    const { token, access_token: accessToken } = JSON.parse(body.toString("utf8")) as {
      token?: unknown;
      access_token?: unknown;
    };
    return [token, accessToken].find((one): one is string => typeof one === "string" && one !== "");
  } catch {
    return undefined;
  }
}
