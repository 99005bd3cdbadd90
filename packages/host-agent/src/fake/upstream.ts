/**
 * How upstream's flintlockd answers, where it differs from ours: labels, provider and times are dropped, nothing of our own fields is told, a name may
 * be taken twice, deleting what is gone fails, and nearly every failure is UNKNOWN with a text.
 */
import { clone, create } from "@bufbuild/protobuf";
import { type Metadata, ResponderBuilder, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import {
  errorCodeKey,
  errorRemedyKey,
  type flintlock,
  grpcStatus,
  MicroVMSchema,
  MicroVMStatusSchema,
} from "@liquidmetal/api";
import { PlatformError } from "@liquidmetal/foundation";
import type { MicroVmHandlers } from "../api/microvm-service.ts";
import type { PlayedHost } from "./played-host.ts";

export function upstreamHandlers(handlers: MicroVmHandlers, host: PlayedHost): MicroVmHandlers {
  const shown = <T extends { microvm?: flintlock.MicroVM | undefined }>(response: T): T =>
    response.microvm === undefined ? response : { ...response, microvm: projected(response.microvm) };
  return {
    ...handlers,
    createMicroVM: async (request, context) => shown(await handlers.createMicroVM(request, context)),
    getMicroVM: async (request, context) => shown(await handlers.getMicroVM(request, context)),
    listMicroVMs: async (request, context) => {
      const response = await handlers.listMicroVMs(request, context);
      return { ...response, microvm: response.microvm.map((microVm) => projected(microVm)) };
    },
    listMicroVMsStream: async function* (request, context) {
      // Upstream ignores the name here.
      const { name: _ignored, ...rest } = request;
      for await (const message of handlers.listMicroVMsStream(rest, context)) yield shown(message);
    },
    deleteMicroVM: async (request, context) => {
      if (request.uid !== "" && !host.get(request.uid).ok) {
        throw new PlatformError(
          "MICROVM_NOT_FOUND",
          `deleting microvm: checking to see if spec exists: microvm spec //${request.uid} not found`,
        );
      }
      return await handlers.deleteMicroVM(request, context);
    },
    serverInfo: async () => {
      throw new PlatformError(
        "CAPABILITY_MISSING",
        "unknown method ServerInfo for service microvm.services.api.v1alpha1.MicroVM",
      );
    },
  };
}

/** Statuses as upstream words them, without our trailing metadata. */
export const upstreamStatuses: ServerInterceptor = (definition, call) => {
  const responder = new ResponderBuilder()
    .withSendStatus((status, next) => {
      const code = status.metadata?.get(errorCodeKey)[0];
      if (code === undefined) return next(status);
      const details = withoutHint(status.details ?? "", status.metadata);
      next({
        code: upstreamStatus(String(code), details, definition.path),
        details: upstreamText(definition.path, details),
        metadata: null,
      });
    })
    .build();
  return new ServerInterceptingCall(call, responder);
};

function upstreamStatus(code: string, details: string, path: string): number {
  if (code === "UNAUTHENTICATED") return grpcStatus.UNAUTHENTICATED;
  if (code === "CANCELLED") return grpcStatus.CANCELLED;
  if (code === "UNAVAILABLE") return grpcStatus.UNAVAILABLE;
  if (path.endsWith("/ServerInfo")) return grpcStatus.UNIMPLEMENTED;
  if (details.startsWith("invalid request") || details.startsWith("invalid create")) return grpcStatus.INVALID_ARGUMENT;
  return grpcStatus.UNKNOWN;
}

function upstreamText(path: string, details: string): string {
  if (path.endsWith("/GetMicroVM") && details.endsWith("not found")) {
    const uid = details.split(" ")[1] ?? "";
    return `getting microvm: error attempting to locate microvm with uid: ${uid}: microvm spec //${uid} not found`;
  }
  if (details.startsWith("invalid request")) return "invalid request";
  if (!path.endsWith("/CreateMicroVM") || details.startsWith("invalid create")) return details;
  const rules = details.replace(/^validation failures found in the microVM spec:\n/, "");
  const failed = rules !== details;
  return failed
    ? `creating microvm: an error occurred when attempting to validate microvm spec: validation failures found: ${rules}`
    : `creating microvm: ${details}`;
}

function withoutHint(details: string, metadata: Metadata | null | undefined): string {
  const hint = ` (hint: ${metadata?.get(errorRemedyKey)[0]?.toString() ?? ""})`;
  return details.endsWith(hint) ? details.slice(0, -hint.length) : details;
}

/** A copy with what upstream never returns left out. */
function projected(microVm: flintlock.MicroVM): flintlock.MicroVM {
  const copy = clone(MicroVMSchema, microVm);
  const { spec, status } = copy;
  if (spec !== undefined) {
    spec.labels = {};
    for (const name of ["provider", "createdAt", "updatedAt", "deletedAt"] as const) delete spec[name];
  }
  if (status === undefined) return copy;
  const { state, retry, vsockPath, volumes } = status;
  copy.status = create(MicroVMStatusSchema, { state, retry, vsockPath, volumes });
  return copy;
}
