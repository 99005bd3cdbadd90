/** An API server in memory, for tests. */
export type { CallHook, CallMatch, FakeCall, ScriptedFailure, Verb } from "./call-script.ts";
export { FakeCluster, type FakeClusterOptions } from "./fake-cluster.ts";
export type { RequestHandler } from "./fake-server.ts";
export type { JsonObject, JsonValue } from "./json.ts";
export type { Admission, AdmissionRequest } from "./object-writer.ts";
