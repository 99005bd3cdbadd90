/** The server side of gRPC: handlers as promises and async iterables, bound to a grpc-js server. */
export type { CallContext, MethodHandler, ServiceHandlers } from "./handlers.ts";
export { type BindOptions, bindService, type CallStatus, statusOf } from "./server.ts";
export { deserializer, methodPath, serializer, serviceDefinition } from "./service-definition.ts";
