/** The typed client of a flintlock host. Loads gRPC: import it only where a host is talked to. */
export type { CallOptions, ServiceClient } from "./call-types.ts";
export { type Connection, type ConnectOptions, type ConnectTls, connect, type LastingConnection } from "./connect.ts";
export { serviceClient } from "./service-client.ts";
