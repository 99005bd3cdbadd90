/**
 * The wire: generated messages, conversions between them and the domain, and the tables from failures to statuses.
 *
 * Light on purpose: nothing here loads gRPC. The client is `@liquidmetal/api/client`, the server binding `@liquidmetal/api/server`.
 */
export {
  errorCodeKey,
  errorFromWire,
  errorRemedyKey,
  errorText,
  exitCodeOf,
  type GrpcStatusName,
  grpcStatus,
  grpcStatusName,
  grpcStatusOf,
  httpStatusOf,
} from "./error-status.ts";
export * from "./gen/liquidmetal/host/v1/host_pb.js";
export * from "./gen/services/microvm/v1alpha1/microvms_pb.js";
export type * as flintlock from "./gen/types/microvm_pb.js";
export type { MicroVMSpec, MicroVMStatus, NetworkInterfaceStatus } from "./gen/types/microvm_pb.js";
export {
  MicroVMSchema,
  MicroVMSpecSchema,
  MicroVMStatus_MicroVMState,
  MicroVMStatusSchema,
  Mount_MountType,
  NetworkInterface_IfaceType,
} from "./gen/types/microvm_pb.js";
export { messageFromJson, messageToJson } from "./json.ts";
export { normaliseMac } from "./mac-address.ts";
export { recordToWire } from "./record-to-wire.ts";
export { type SanitisedImage, sanitiseImage, specFromWire } from "./spec-from-wire.ts";
