/** The fronts of the host agent: gRPC and HTTP/JSON over the application port. */
export type { ApiMetrics } from "./api-metrics.ts";
export { openApiText } from "./openapi.ts";
export { type ApiServers, type ApiServersOptions, startApiServers } from "./start.ts";
