/**
 * Watching: what was, then what is, then what changes, without a gap.
 *
 * The subscription is made first and everything that was is read in the same turn of the event loop, so nothing can fall in between and nothing
 * comes twice. A watcher that reads too slowly is ended with WATCHER_TOO_SLOW and goes on from its last position.
 */
import { create } from "@bufbuild/protobuf";
import {
  recordToWire,
  type WatchRequest,
  type WatchResponse,
  WatchResponse_Type,
  WatchResponseSchema,
} from "@liquidmetal/api";
import { PlatformError } from "@liquidmetal/foundation";
import type { EventRecord, MicroVmRecord } from "@liquidmetal/microvm";
import type { Application, Change } from "../engine/application.ts";
import { eventToWire } from "./host-facts-to-wire.ts";

/** Changes that may wait for one watcher. */
const backlogMax = 4_096;

type Filter = (subject: { readonly uid: string; readonly namespace: string }) => boolean;

export async function* watch(
  application: Application,
  request: WatchRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchResponse> {
  const wanted: Filter = ({ uid, namespace }) =>
    (request.uid === "" || request.uid === uid) && (request.namespace === "" || request.namespace === namespace);
  using changes = application.changes({ capacity: backlogMax, signal });
  const { last } = application.positions();
  const missed = eventsAfter(application, Number(request.afterPosition)).filter(wanted);
  const present = request.snapshot ? application.list({}).filter((record) => wanted(identity(record))) : [];

  for (const event of missed) yield replayed(application, event);
  for (const record of present) yield response(WatchResponse_Type.SNAPSHOT, last, record);
  if (request.snapshot) yield create(WatchResponseSchema, { type: WatchResponse_Type.SYNCED, position: BigInt(last) });
  for await (const change of changes) {
    if (wanted(identity(change.record))) yield changed(change);
  }
  signal.throwIfAborted();
  if (changes.overflowed) {
    throw new PlatformError("WATCHER_TOO_SLOW", `more than ${backlogMax} changes were waiting for this watcher`);
  }
  throw new PlatformError("UNAVAILABLE", "the agent is stopping");
}

/** Events after a position; 0 = none, from now on. Throws POSITION_EXPIRED when some of them are no longer kept. */
function eventsAfter(application: Application, position: number): readonly EventRecord[] {
  if (position === 0) return [];
  const { first, last } = application.positions();
  if (position < first - 1 || position > last) {
    throw new PlatformError(
      "POSITION_EXPIRED",
      `events after ${position} are not kept; the host has ${first} to ${last}`,
    );
  }
  return application.events({ afterPosition: position });
}

function replayed(application: Application, event: EventRecord): WatchResponse {
  const record = application.get(event.uid);
  return create(WatchResponseSchema, {
    type: record.ok ? WatchResponse_Type.CHANGED : WatchResponse_Type.DELETED,
    position: BigInt(event.position),
    event: eventToWire(event),
    ...(record.ok ? { microvm: recordToWire(record.value) } : {}),
  });
}

function changed(change: Change): WatchResponse {
  const type = change.kind === "deleted" ? WatchResponse_Type.DELETED : WatchResponse_Type.CHANGED;
  return response(type, change.position, change.record, change.event);
}

function response(
  type: WatchResponse_Type,
  position: number,
  record: MicroVmRecord,
  event?: EventRecord,
): WatchResponse {
  return create(WatchResponseSchema, {
    type,
    position: BigInt(position),
    microvm: recordToWire(record),
    ...(event === undefined ? {} : { event: eventToWire(event) }),
  });
}

function identity(record: MicroVmRecord): { readonly uid: string; readonly namespace: string } {
  return { uid: record.uid, namespace: record.spec.namespace };
}
