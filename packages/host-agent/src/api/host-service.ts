/** Our additive service: facts of the host, watch, events, the verbs, console and logs. */
import { create } from "@bufbuild/protobuf";
import {
  type Host,
  ListEventsResponseSchema,
  LogsRequest_Source,
  LogsResponseSchema,
  type MicroVMResponse,
  MicroVMResponseSchema,
  recordToWire,
} from "@liquidmetal/api";
import type { ServiceHandlers } from "@liquidmetal/api/server";
import { type PlatformError, PlatformError as PlatformFailure, type Result } from "@liquidmetal/foundation";
import type { MicroVmRecord } from "@liquidmetal/microvm";
import { type ApiContext, orThrow } from "./api-context.ts";
import { serialConsole } from "./console.ts";
import { eventToWire, hostToWire } from "./host-facts-to-wire.ts";
import { readLogs } from "./log-reader.ts";
import { watch } from "./watch.ts";

/** Events in one answer, unless fewer are asked for. */
const eventsMax = 1_000;

export function hostService(context: ApiContext): ServiceHandlers<typeof Host> {
  const { application } = context;
  return {
    getHost: async () => hostToWire(await application.host(), application.positions().last),
    watch: (request, { signal }) => watch(application, request, signal),
    listEvents: async ({ uid, afterPosition, limit }) => {
      const events = application.events({
        ...(uid === "" ? {} : { uid }),
        ...(afterPosition > 0n ? { afterPosition: Number(afterPosition) } : {}),
        limit: limit > 0 ? Math.min(limit, eventsMax) : eventsMax,
      });
      return create(ListEventsResponseSchema, { events: events.map(eventToWire) });
    },
    startMicroVM: async ({ uid }) => answer(await application.setDesired(named(uid), "running")),
    stopMicroVM: async ({ uid, force }) => answer(await application.setDesired(named(uid), "stopped", { force })),
    rebootMicroVM: async ({ uid, force }) => answer(await application.reboot(named(uid), { force })),
    pauseMicroVM: async ({ uid }) => answer(await application.setDesired(named(uid), "paused")),
    resumeMicroVM: async ({ uid }) => answer(await application.setDesired(named(uid), "running")),
    console: (requests, { signal }) => serialConsole(application, requests, signal),
    logs: async function* ({ uid, source, follow, tailLines }, { signal }) {
      const files = orThrow(application.logFiles(named(uid), source === LogsRequest_Source.VMM ? "vmm" : "console"));
      const ending = new AbortController();
      // A follower of a microVM that is deleted has nothing more to wait for.
      using _listener = follow ? endWhenDeleted(context, uid, ending) : undefined;
      const both = AbortSignal.any([signal, ending.signal]);
      for await (const data of readLogs(files, { tailLines, follow, signal: both })) {
        yield create(LogsResponseSchema, { data });
      }
    },
  };
}

function endWhenDeleted({ application }: ApiContext, uid: string, ending: AbortController): Disposable {
  const changes = application.changes({ capacity: 1_024, signal: ending.signal });
  const listen = async (): Promise<void> => {
    for await (const change of changes) if (change.record.uid === uid && change.kind === "deleted") ending.abort();
    // Overflow: too busy to have seen everything; look once.
    if (changes.overflowed && !application.get(uid).ok) ending.abort();
  };
  void listen();
  return { [Symbol.dispose]: () => changes[Symbol.dispose]() };
}

function answer(result: Result<MicroVmRecord, PlatformError>): MicroVMResponse {
  return create(MicroVMResponseSchema, { microvm: recordToWire(orThrow(result)) });
}

function named(uid: string): string {
  if (uid === "") throw new PlatformFailure("REQUEST_INVALID", "invalid request: uid is required");
  return uid;
}
