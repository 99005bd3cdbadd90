/** Every connection that comes in is joined with one to a Unix socket. */
import { connect, createServer, type Server, type Socket } from "node:net";
import { join, keepAliveMs } from "./joined-sockets.ts";

export interface ForwarderOptions {
  /** Where to. */
  readonly socketPath: string;
  /** Connections at once; more wait for nothing and are closed. Default 512. */
  readonly limit?: number;
}

/** Not listening yet. */
export function forwarder({ socketPath, limit = 512 }: ForwarderOptions): Server {
  const server = createServer(
    { allowHalfOpen: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs },
    (client: Socket) => {
      const upstream = connect({ path: socketPath, allowHalfOpen: true });
      void join(client, upstream);
    },
  );
  server.maxConnections = limit;
  return server;
}
