/** Where the files of a platform's management plane lie, and what its parts are called. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { PlatformPaths } from "../paths.ts";

export interface PlanePaths {
  /** Folder. */
  readonly programs: string;
  /** Which programs and manifests were made. */
  readonly software: string;
  /** Of the gateway; the port on the host is kept in it. */
  readonly gatewayPorts: string;
  readonly gatewayConfiguration: string;
  /** CONNECT proxy into the namespace: to the API server and the guests. */
  readonly gatewaySocket: string;
  /** CONNECT proxy by which the parts are asked how they are. */
  readonly probeSocket: string;
}

export function planePaths(paths: PlatformPaths): PlanePaths {
  return {
    programs: join(paths.managementDirectory, "programs"),
    software: join(paths.managementDirectory, "software.json"),
    gatewayPorts: join(paths.managementDirectory, "gateway-ports.json"),
    gatewayConfiguration: join(paths.runDirectory, "gateway.json"),
    gatewaySocket: join(paths.runDirectory, "gateway.sock"),
    probeSocket: join(paths.runDirectory, "probe.sock"),
  };
}

/** Name of the bridge that flintlockd's embedded network makes (`defaultBridgeName` of the room host-network; a test compares the two). */
export function guestBridge(platform: string): string {
  return `lmbr${createHash("sha256").update(`${platform}\0bridge`).digest("hex").slice(0, 10)}`;
}
