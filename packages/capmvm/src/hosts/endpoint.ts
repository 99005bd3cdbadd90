/** `host:port` as users write it: names, IPv4, IPv6 in brackets. */
import { isIP, isIPv6 } from "node:net";
import { err, ok, PlatformError, type Result } from "@liquidmetal/foundation";

export interface Endpoint {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** As it is dialled and as it stands in provider ids. */
  readonly text: string;
}

const dnsName = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?$/;

/** HOST_ACCESS_INVALID when it is none. */
export function parseEndpoint(text: string): Result<Endpoint, PlatformError> {
  const [, bracketed, plain, portText = ""] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const port = Number(portText);
  const named = bracketed === undefined ? isIP(host) === 4 || dnsName.test(host) : isIPv6(host);
  if (named && port > 0 && port <= 65_535) return ok({ host, port, text });
  return err(
    new PlatformError("HOST_ACCESS_INVALID", `'${text}' is not the endpoint of a host`, {
      remedy: "write host:port, 10.0.0.1:9090 or [fd00::1]:9090",
    }),
  );
}
