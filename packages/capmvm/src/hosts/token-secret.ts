/**
 * The token of one host in a secret with one key a host: the host's address without the port, as upstream has it.
 *
 * Keys of secrets cannot have colons, so in IPv6 addresses hyphens take their place (`fd00--1`), and a host may have a key for one port of it
 * (`10.0.0.1-9090`). An empty value says that this host wants no token.
 */
import { accessProblem } from "./access-problem.ts";
import type { Endpoint } from "./endpoint.ts";
import type { SecretContent } from "./secret-reader.ts";

/** The keys that may hold the token of a host, the most precise first. */
export function tokenKeys({ host, port }: Endpoint): readonly string[] {
  const plain = host.replaceAll(":", "-");
  return [`${plain}-${port}`, plain];
}

/** Undefined: this host wants none. Throws HOST_ACCESS_INVALID. `title` names the secret. */
export function tokenOf(secret: SecretContent, endpoint: Endpoint, title: string): string | undefined {
  const keys = tokenKeys(endpoint);
  const key = keys.find((one) => secret.has(one));
  if (key === undefined) {
    throw accessProblem(
      "missing",
      `${title} has no token for ${endpoint.text}: no key ${keys.toReversed().join(" or ")}`,
      "add the key with the host's token; an empty value says that it wants none",
    );
  }
  // A file that was put in whole ends with a line feed; a token never does.
  const token = secret.get(key)?.toString().trim() ?? "";
  if (/[^\x20-\x7e]/.test(token)) {
    const message = `key ${key} of ${title} holds something that cannot be a token: it has characters beside printable ASCII`;
    throw accessProblem("invalid", message, "put the bare token there, without base64 of your own");
  }
  return token === "" ? undefined : token;
}
