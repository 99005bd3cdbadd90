/** A host as the command line shows it; the object of `-o json` is described in docs/cli-output.md. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { GetHostResponse } from "../client/messages.ts";
import type { Json } from "../output/format.ts";
import { type Presentation, renderFields } from "../output/print.ts";
import { renderTable } from "../output/table.ts";
import { readableBytes } from "../program/size.ts";

type Resources = GetHostResponse["capacity"];

export const hostPresentation: Presentation<GetHostResponse> = {
  columns: [
    { header: "NAME", value: (host) => host.name },
    { header: "VERSION", value: (host) => host.version },
    { header: "MICROVMS", value: (host) => String(host.microvms) },
    { header: "PROVIDER", value: (host) => host.defaultProvider },
  ],
  json: (host) => ({
    name: host.name,
    hostId: host.hostId,
    version: host.version,
    operatingSystem: host.operatingSystem,
    kernelVersion: host.kernelVersion,
    platform: host.platform,
    capacity: jsonOfResources(host.capacity),
    allocatable: jsonOfResources(host.allocatable),
    allocated: jsonOfResources(host.allocated),
    hypervisors: host.hypervisors.map((each) => ({
      name: each.name,
      version: each.version,
      accelerator: each.accelerator,
      capabilities: each.capabilities,
      vcpuMax: each.vcpuMax,
      unavailableReason: each.unavailableReason,
    })),
    defaultProvider: host.defaultProvider,
    features: host.features,
    labels: host.labels,
    subnet: host.subnet,
    networkNamespace: host.networkNamespace,
    microvms: host.microvms,
    startedAt: host.startedAt === undefined ? null : new Date(timestampMs(host.startedAt)).toISOString(),
    containerdVersion: host.containerdVersion,
  }),
  name: (host) => host.name,
};

export function describeHost(host: GetHostResponse): string {
  const features = Object.entries(host.features).sort(([left], [right]) => (left < right ? -1 : 1));
  const head = renderFields([
    ["Name", host.name],
    ["Host id", host.hostId],
    ["Version", host.version],
    ["System", `${host.operatingSystem}, Linux ${host.kernelVersion}, ${host.platform}`],
    ["containerd", host.containerdVersion],
    ["MicroVMs", String(host.microvms)],
    ["Subnet", host.subnet],
    ["Network namespace", host.networkNamespace],
    [
      "Features",
      features
        .filter(([, usable]) => usable)
        .map(([name]) => name)
        .join(", "),
    ],
    [
      "Not usable",
      features
        .filter(([, usable]) => !usable)
        .map(([name]) => name)
        .join(", "),
    ],
    [
      "Labels",
      Object.entries(host.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join("\n"),
    ],
  ]);
  const rows = [
    ["Capacity", host.capacity],
    ["Allocatable", host.allocatable],
    ["Allocated", host.allocated],
  ] as const;
  const resources = renderTable(rows, [
    { header: "RESOURCES", value: ([name]) => name },
    { header: "VCPU", value: ([, amounts]) => String(amounts?.vcpu ?? 0) },
    { header: "MEMORY", value: ([, amounts]) => readableBytes(Number(amounts?.memoryBytes ?? 0n)) },
    { header: "DISK", value: ([, amounts]) => readableBytes(Number(amounts?.diskBytes ?? 0n)) },
  ]);
  const hypervisors = renderTable(host.hypervisors, [
    { header: "HYPERVISOR", value: (each) => (each.name === host.defaultProvider ? `${each.name} *` : each.name) },
    { header: "VERSION", value: (each) => each.version || "-" },
    { header: "ACCELERATOR", value: (each) => each.accelerator || "-" },
    {
      header: "STATE",
      value: (each) => (each.unavailableReason === "" ? each.capabilities.join(",") : each.unavailableReason),
    },
  ]);
  return [head, resources, hypervisors].join("\n");
}

function jsonOfResources(amounts: Resources): Json {
  return {
    vcpu: amounts?.vcpu ?? 0,
    memoryBytes: Number(amounts?.memoryBytes ?? 0n),
    diskBytes: Number(amounts?.diskBytes ?? 0n),
  };
}
