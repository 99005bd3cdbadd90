/** Events of one microVM or of the whole host; `--follow` goes on. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Event } from "../client/messages.ts";
import type { Json } from "../output/format.ts";
import { printList } from "../output/print.ts";
import type { Column } from "../output/table.ts";
import type { Invocation } from "../program/command.ts";
import type { Session } from "../program/session.ts";
import { findMicroVm } from "./target.ts";

export async function showEvents(invocation: Invocation, session: Session): Promise<number | undefined> {
  const host = await session.host();
  const [name] = invocation.positionals;
  const uid = name === undefined ? undefined : (await findMicroVm(session, host, name)).uid;
  const limit = invocation.flags.integer("limit", { min: 1, max: 100_000 });
  const shape = {
    columns: eventColumns(uid === undefined),
    json: jsonOfEvent,
    name: (event: Event) => String(event.position),
  };
  const filter = uid === undefined ? {} : { uid };
  const kept = await host.events(filter, { signal: session.signal });
  const shown = limit === undefined ? kept : kept.slice(-limit);
  if (!invocation.flags.on("follow")) {
    await printList(session, shown, shape);
    if (shown.length === 0 && session.format === "table") session.note("No events.");
    return undefined;
  }
  const widths: number[] = [];
  const line = async (event: Event, header: boolean): Promise<void> =>
    session.format === "json"
      ? session.print(JSON.stringify(jsonOfEvent(event)))
      : printList(session, [event], shape, { header, kept: widths });
  let header = true;
  for (const event of shown) {
    await line(event, header);
    header = false;
  }
  const afterPosition = kept.at(-1)?.position;
  const resume = afterPosition === undefined ? {} : { afterPosition };
  for await (const message of host.watch({ ...filter, ...resume }, { signal: session.signal })) {
    if (message.event === undefined) continue;
    await line(message.event, header);
    header = false;
  }
  return undefined;
}

export function eventColumns(withName: boolean): readonly Column<Event>[] {
  return [
    {
      header: "TIME",
      value: (event) => (event.at === undefined ? "-" : new Date(timestampMs(event.at)).toISOString()),
    },
    { header: "SEVERITY", value: (event) => event.severity },
    ...(withName ? [{ header: "MICROVM", value: (event: Event) => `${event.namespace}/${event.name}` }] : []),
    { header: "REASON", value: (event) => event.reason },
    { header: "MESSAGE", value: (event) => event.message, elastic: true },
  ];
}

function jsonOfEvent(event: Event): Json {
  return {
    position: Number(event.position),
    at: event.at === undefined ? null : new Date(timestampMs(event.at)).toISOString(),
    severity: event.severity,
    namespace: event.namespace,
    name: event.name,
    uid: event.uid,
    reason: event.reason,
    message: event.message,
  };
}
