/** Port: what the API measures of each call. Absent = nothing is measured. */
export interface ApiMetrics {
  /** `status`: gRPC's number for gRPC, HTTP's for HTTP. `method`: the RPC's path or the route's pattern, so it is bounded. */
  callFinished(call: {
    readonly protocol: "grpc" | "http";
    readonly method: string;
    readonly status: number;
    readonly durationMs: number;
  }): void;
}
