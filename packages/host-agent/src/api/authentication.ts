/**
 * Token authentication, the same for gRPC and HTTP: `Basic base64(token)` as upstream has it, and `Bearer token`.
 *
 * Tokens are compared as SHA-256 digests in constant time, so neither length nor prefix leaks. The texts are upstream's: people grep for them.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { PlatformError } from "@liquidmetal/foundation";

/** What the `authorization` header proves: undefined when it is right, else why not. */
export type Authenticator = (authorization: string | undefined) => PlatformError | undefined;

/** Absent token = everyone is let in. */
export function authenticator(token: string | undefined): Authenticator {
  if (token === undefined || token === "") return () => undefined;
  const expected = digest(token);
  return (authorization) => {
    if (authorization === undefined) return unextractable("Request unauthenticated with basic");
    const space = authorization.indexOf(" ");
    if (space < 0) return unextractable("Bad authorization string");
    const scheme = authorization.slice(0, space).toLowerCase();
    const credential = authorization.slice(space + 1).trim();
    if (scheme !== "basic" && scheme !== "bearer") return unextractable("Request unauthenticated with basic");
    if (credential === "") return refused("empty authentication token");
    const presented = scheme === "basic" ? Buffer.from(credential, "base64") : credential;
    if (timingSafeEqual(digest(presented), expected)) return undefined;
    return refused("failed basic authentication. Check the token supplied");
  };
}

function digest(value: string | Buffer): Buffer {
  return createHash("sha256").update(value).digest();
}

function unextractable(inner: string): PlatformError {
  return new PlatformError(
    "UNAUTHENTICATED",
    `could not extract token from request header: rpc error: code = Unauthenticated desc = ${inner}`,
  );
}

function refused(inner: string): PlatformError {
  return new PlatformError("UNAUTHENTICATED", `invalid auth token: ${inner}`);
}
