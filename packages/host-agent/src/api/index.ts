/** The fronts of the host agent: gRPC and HTTP/JSON over the application port. */
export { type ApiServers, startApiServers } from "./start.ts";
