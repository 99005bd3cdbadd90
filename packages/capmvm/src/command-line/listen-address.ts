/** Addresses to listen on, as Go writes them: `:9440`, `127.0.0.1:9440`, `[::1]:9440`. */
export interface ListenAddress {
  /** Absent = all addresses. */
  readonly host?: string;
  readonly port: number;
}

/** Undefined when it is none. Port 0 = any free one. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text);
  if (match === null) return undefined;
  const [, ipv6, name = "", digits = ""] = match;
  const port = Number(digits);
  if (port > 65_535) return undefined;
  const host = ipv6 ?? name;
  return host === "" ? { port } : { host, port };
}
