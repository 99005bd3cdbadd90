/**
 * Where a host is, and how it is spoken to.
 *
 * Forms: `unix:/path` or `/path`; `HOST:PORT` (plain text on this machine, TLS elsewhere); `grpc://HOST:PORT` (plain); `grpcs://HOST:PORT` (TLS).
 * Plain text to an address that is not this machine needs --insecure: tokens and user data would be readable on the way.
 */
import { PlatformError } from "@liquidmetal/foundation";

export interface TlsFiles {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface HostAddress {
  /** Target in gRPC's naming. */
  readonly target: string;
  readonly display: string;
  readonly local: boolean;
  readonly tls?: TlsFiles;
  /** What to do when nobody answers there. */
  readonly remedy: string;
}

export interface AddressOptions {
  readonly insecure: boolean;
  /** Given files mean TLS. */
  readonly tls?: TlsFiles;
}

export function parseHostAddress(text: string, options: AddressOptions): HostAddress {
  const socketPath = /^(?:unix:(?:\/\/)?)?(\/.+)$/.exec(text)?.[1];
  if (socketPath !== undefined) {
    return {
      target: `unix:${socketPath}`,
      display: socketPath,
      local: true,
      remedy: "start the local platform with 'lm up', or name a host with --host or LM_HOST",
    };
  }
  const match = /^(?:(grpcs?):\/\/)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?\/?$/.exec(text);
  const [, scheme, hostname = "", portText = "9090"] = match ?? [];
  const port = Number(portText);
  if (match === null || port < 1 || port > 65_535) {
    throw new PlatformError("REQUEST_INVALID", `'${text}' is not the address of a host`, {
      remedy: "write unix:/path, host:port, or grpcs://host:port",
    });
  }
  const target = `${hostname}:${port}`;
  const wantsTls = scheme === "grpcs" || options.tls !== undefined || (scheme === undefined && !isLoopback(hostname));
  const tls =
    wantsTls && !(options.insecure && scheme !== "grpcs" && options.tls === undefined)
      ? (options.tls ?? {})
      : undefined;
  if (tls === undefined && !isLoopback(hostname) && !options.insecure) {
    throw new PlatformError(
      "REQUEST_INVALID",
      `plain text to ${target} would show tokens and user data to the network`,
      {
        remedy: "use grpcs://, or say --insecure if that is meant",
      },
    );
  }
  return {
    target,
    display: target,
    local: false,
    ...(tls === undefined ? {} : { tls }),
    remedy: `check that flintlockd runs there${tls === undefined ? "" : ", that it speaks TLS,"} and that the port is open`,
  };
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
