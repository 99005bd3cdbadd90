/**
 * flintlock's own service. The texts and edge cases of upstream that clients know are kept; its crashes are not.
 *
 * Deleting what is gone succeeds (brigade relies on it); getting what is gone is NOT_FOUND with "not found" in its text (the Cluster API
 * provider looks for that).
 */
import { create } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import {
  CreateMicroVMResponseSchema,
  GetMicroVMResponseSchema,
  ListMessageSchema,
  ListMicroVMsResponseSchema,
  type MicroVM,
  recordToWire,
  ServerInfoResponseSchema,
  specFromWire,
} from "@liquidmetal/api";
import type { ServiceHandlers } from "@liquidmetal/api/server";
import { PlatformError } from "@liquidmetal/foundation";
import { validateSpec } from "@liquidmetal/microvm";
import { type ApiContext, orThrow } from "./api-context.ts";
import { announcedVersion } from "./server-version.ts";

export type MicroVmHandlers = ServiceHandlers<typeof MicroVM>;

export function microVmService(context: ApiContext): MicroVmHandlers {
  const { application, config, log } = context;
  return {
    createMicroVM: async ({ microvm }) => {
      if (microvm === undefined) throw invalid("invalid create microvm request: MicroVMSpec required");
      const draft = specFromWire(microvm, ({ field, original, sanitised }) => {
        log.warn("api.image_sanitised", { field, originalImage: original, sanitizedImage: sanitised });
      });
      const spec = orThrow(validateSpec(draft, { metadataBytes: config.api.metadataLimitBytes }));
      const record = orThrow(await application.create(spec));
      return create(CreateMicroVMResponseSchema, { microvm: recordToWire(record) });
    },
    deleteMicroVM: async ({ uid }) => {
      if (uid === "") throw invalid("invalid request: uid is required");
      const deleted = await application.delete(uid);
      if (!deleted.ok && deleted.error.code !== "MICROVM_NOT_FOUND") throw deleted.error;
      return create(EmptySchema);
    },
    getMicroVM: async ({ uid }) => {
      if (uid === "") throw invalid("invalid request: uid is required");
      return create(GetMicroVMResponseSchema, { microvm: recordToWire(orThrow(application.get(uid))) });
    },
    listMicroVMs: async ({ namespace, name }) => {
      const records = application.list(listFilter(namespace, name));
      return create(ListMicroVMsResponseSchema, { microvm: records.map(recordToWire) });
    },
    listMicroVMsStream: async function* ({ namespace, name }, { signal }) {
      if (namespace === "") throw invalid("invalid request: namespace is required");
      for (const record of application.list(listFilter(namespace, name))) {
        signal.throwIfAborted();
        yield create(ListMessageSchema, { microvm: recordToWire(record) });
      }
    },
    serverInfo: async () => {
      const { version } = await application.host();
      return create(ServerInfoResponseSchema, { version: announcedVersion(version) });
    },
  };
}

function listFilter(namespace: string, name: string | undefined): { namespace?: string; name?: string } {
  return { ...(namespace === "" ? {} : { namespace }), ...(name ? { name } : {}) };
}

function invalid(message: string): PlatformError {
  return new PlatformError("REQUEST_INVALID", message);
}
