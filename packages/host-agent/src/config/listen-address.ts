/** Where a server listens: `host:port`, `[v6]:port`, or `unix:/path` (the socket is made with mode 0600). */
import { err, ok, PlatformError, type Result } from "@liquidmetal/foundation";

export type ListenAddress =
  | {
      readonly kind: "tcp";
      readonly host: string;
      readonly port: number;
      /** True when only this machine can reach it. */
      readonly loopback: boolean;
    }
  | { readonly kind: "unix"; readonly path: string };

/** A Unix socket's path has at most 107 bytes on Linux. */
const socketPathMax = 107;

export function parseListenAddress(text: string): Result<ListenAddress, PlatformError> {
  const path = /^unix:(?:\/\/)?(\/.*)$/.exec(text)?.[1];
  if (path !== undefined) {
    const length = Buffer.byteLength(path);
    if (length <= socketPathMax) return ok({ kind: "unix", path });
    return invalid(`the socket path ${path} has ${length} bytes; Linux takes at most ${socketPathMax}`);
  }
  const match = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]*):([0-9]{1,5})$/.exec(text);
  const [, host = "", portText = ""] = match ?? [];
  const port = Number(portText);
  if (match === null || port > 65_535) return invalid(`'${text}' is no listen address: write host:port or unix:/path`);
  return ok({ kind: "tcp", host, port, loopback: isLoopback(host) });
}

export function formatListenAddress(address: ListenAddress): string {
  return address.kind === "unix"
    ? `unix:${address.path}`
    : `${address.host === "" ? "[::]" : address.host}:${address.port}`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(?:\.[0-9]{1,3}){3}$/.test(host);
}

function invalid(message: string): Result<never, PlatformError> {
  return err(new PlatformError("CONFIG_INVALID", message));
}
