/** A microVM in full: what it is, how it is and why, its devices, its last events. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { PlatformError } from "@liquidmetal/foundation";
import type { Event } from "../client/messages.ts";
import { printOne, renderFields } from "../output/print.ts";
import { renderTable } from "../output/table.ts";
import type { Invocation } from "../program/command.ts";
import { age } from "../program/duration.ts";
import type { Session } from "../program/session.ts";
import { eventColumns } from "./events.ts";
import { findMicroVm } from "./target.ts";
import { type MicroVmView, presentation } from "./view.ts";

const eventLimit = 10;

export async function describeMicroVm(invocation: Invocation, session: Session): Promise<number | undefined> {
  const host = await session.host();
  const view = await findMicroVm(session, host, invocation.positionals[0] ?? "");
  const events = await lastEvents(session, view);
  const nowMs = session.clock.nowMs();
  await printOne(session, view, presentation(nowMs, true), (item) => describe(item, events, nowMs));
  return undefined;
}

async function lastEvents(session: Session, view: MicroVmView): Promise<readonly Event[]> {
  const host = await session.host();
  try {
    return (await host.events({ uid: view.uid }, { signal: session.signal })).slice(-eventLimit);
  } catch (error) {
    // Another flintlock server has no events: the rest is still worth showing.
    if (error instanceof PlatformError && error.kind === "unsupported") return [];
    throw error;
  }
}

export function describe(view: MicroVmView, events: readonly Event[], nowMs: number): string {
  const { spec, status } = view.microvm;
  const kernel = spec?.kernel;
  const head = renderFields([
    ["Name", view.name],
    ["Namespace", view.namespace],
    ["UID", view.uid],
    [
      "Phase",
      view.desired === "" || view.desired === view.phase ? view.phase : `${view.phase} (wanted: ${view.desired})`,
    ],
    ["Reason", view.reason],
    ["Message", view.message],
    ["Ready", view.ready ? "yes, the guest says so" : "no"],
    ["Addresses", view.addresses.join(", ")],
    [
      "Created",
      view.createdAtMs === undefined
        ? ""
        : `${new Date(view.createdAtMs).toISOString()} (${age(nowMs - view.createdAtMs)} ago)`,
    ],
    ["Boots", String(view.boots)],
    ["Next retry", status?.nextRetryAt === undefined ? "" : new Date(timestampMs(status.nextRetryAt)).toISOString()],
    ["Last exit", status?.lastExit === undefined ? "" : `${status.lastExit.cause}: ${status.lastExit.message}`],
    ["Provider", view.provider],
    ["vCPU", String(view.vcpu)],
    ["Memory", `${view.memoryMiB} MiB`],
    [
      "Kernel",
      kernel === undefined ? "" : `${kernel.image}${kernel.filename === undefined ? "" : ` (${kernel.filename})`}`,
    ],
    [
      "Arguments",
      Object.entries(kernel?.cmdline ?? {})
        .map(([key, value]) => (value === "" ? key : `${key}=${value}`))
        .join(" "),
    ],
    ["Initrd", spec?.initrd === undefined ? "" : `${spec.initrd.image} (${spec.initrd.filename ?? "default file"})`],
    [
      "Labels",
      Object.entries(view.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join("\n"),
    ],
    ["Metadata", Object.keys(spec?.metadata ?? {}).join(", ")],
    ["vsock", status?.vsockPath],
  ]);
  return [head, volumeTable(view), interfaceTable(view), eventTable(events)].filter((part) => part !== "").join("\n");
}

function volumeTable(view: MicroVmView): string {
  const { spec, status } = view.microvm;
  const volumes = [...(spec?.rootVolume === undefined ? [] : [spec.rootVolume]), ...(spec?.additionalVolumes ?? [])];
  if (volumes.length === 0) return "";
  return `Volumes:\n${renderTable(volumes, [
    { header: "  ID", value: (volume) => `  ${volume.id}` },
    { header: "SOURCE", value: (volume) => volume.source?.containerSource ?? volume.source?.virtiofsSource ?? "-" },
    { header: "SIZE", value: (volume) => ((volume.sizeInMb ?? 0) === 0 ? "as needed" : `${volume.sizeInMb} MiB`) },
    { header: "MODE", value: (volume) => (volume.isReadOnly ? "ro" : "rw") },
    { header: "MOUNT", value: (volume) => volume.mountPoint ?? "-" },
    { header: "ON HOST", value: (volume) => status?.volumes[volume.id]?.mount?.source ?? "-" },
  ])}`;
}

function interfaceTable(view: MicroVmView): string {
  const { spec, status } = view.microvm;
  const interfaces = spec?.interfaces ?? [];
  if (interfaces.length === 0) return "";
  return `Interfaces:\n${renderTable(interfaces, [
    { header: "  NAME", value: (each) => `  ${each.deviceId}` },
    { header: "TYPE", value: (each) => (each.type === 1 ? "tap" : "macvtap") },
    { header: "MAC", value: (each) => status?.networkInterfaces[each.deviceId]?.guestMac || each.guestMac || "-" },
    {
      header: "ADDRESSES",
      value: (each) => status?.networkInterfaces[each.deviceId]?.addresses.join(",") || each.address?.address || "dhcp",
    },
    { header: "ON HOST", value: (each) => status?.networkInterfaces[each.deviceId]?.hostDeviceName || "-" },
  ])}`;
}

function eventTable(events: readonly Event[]): string {
  return events.length === 0 ? "" : `Events:\n${renderTable(events, eventColumns(false))}`;
}
