/** The parts of the platform, as a table or as data. */
import { type PlatformStatus, platformStatus } from "@liquidmetal/platform/lifecycle";
import { toYaml } from "../output/print.ts";
import { renderTable } from "../output/table.ts";
import type { Invocation } from "../program/command.ts";
import { age } from "../program/duration.ts";
import type { Session } from "../program/session.ts";
import { readableBytes } from "../program/size.ts";
import { sessionPaths } from "./paths.ts";

export async function showStatus(_invocation: Invocation, session: Session): Promise<number> {
  const status = await platformStatus(sessionPaths(session));
  if (session.format === "json") session.print(JSON.stringify(status, null, 2));
  else if (session.format === "yaml") session.print(await toYaml(JSON.parse(JSON.stringify(status))));
  else if (session.format === "name") session.print(status.name);
  else if (status.state === "absent")
    session.note(`There is no platform '${status.name}' on this machine; 'lm up' makes one.`);
  else session.print(table(session, status));
  if (status.state === "absent") return 3;
  return status.state === "running" ? 0 : 1;
}

function table(session: Session, status: PlatformStatus): string {
  const parts = renderTable(status.parts, [
    { header: "PART", value: (part) => part.name },
    { header: "STATE", value: (part) => part.state },
    { header: "HEALTHY", value: (part) => (part.healthy ? "yes" : "no") },
    { header: "VERSION", value: (part) => part.version ?? "-" },
    { header: "PID", value: (part) => String(part.pid ?? "-") },
    { header: "UPTIME", value: (part) => (part.uptimeMs === null ? "-" : age(part.uptimeMs)) },
    { header: "MEMORY", value: (part) => (part.memoryBytes === null ? "-" : readableBytes(part.memoryBytes)) },
    { header: "RESTARTS", value: (part) => String(part.restarts) },
    { header: "DETAIL", value: (part) => part.detail || "-" },
  ]);
  const plane = status.managementPlane;
  const memory = status.state === "stopped" ? "" : `\n${memoryLine(status)}\n`;
  if (session.format !== "wide") return `${parts}${memory}`;
  const more = [
    `Endpoints: ${status.endpoints.join(", ")}`,
    `State: ${status.stateDirectory}`,
    `Sockets: ${status.runDirectory}`,
    ...(plane === undefined ? [] : [`Kubeconfig: ${plane.kubeconfig}`, `Proxy: ${plane.proxyUrl ?? "-"}`]),
  ];
  return `${parts}${memory}\n${more.join("\n")}\n`;
}

/** The plane's share is told exactly: its parts have whole programs and libraries in common, which the column counts for each of them. */
function memoryLine({ parts, managementPlane }: PlatformStatus): string {
  const all = parts.reduce((total, part) => total + (part.memoryBytes ?? 0), 0);
  if (managementPlane === undefined) return `Memory: ${readableBytes(all)}`;
  const { memoryBytes, proportionalMemoryBytes } = managementPlane;
  const once = `${readableBytes(proportionalMemoryBytes)} with shared pages counted once`;
  return `Memory: ${readableBytes(all)}, of which the management plane ${readableBytes(memoryBytes)} (${once})`;
}
