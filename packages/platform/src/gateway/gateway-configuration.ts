/** What the two processes of a gateway do: the inner one lives where the guests live, the outer one on the host's loopback. */
import { readFileSync } from "node:fs";

export interface GatewayConfiguration {
  /** Told to whoever asks how it is. */
  readonly identity: string;
  /** Of the outer one, on 127.0.0.1. */
  readonly port: number;
  /** Unix socket between the two: a CONNECT proxy to the API server and the guests. */
  readonly socket: string;
  /** Unix socket by which the supervisor asks the parts of the plane how they are. */
  readonly probeSocket: string;
  readonly apiServerPort: number;
  /** Ports of loopback that may be asked. */
  readonly probePorts: readonly number[];
  /** The guests' bridge. */
  readonly bridge: string;
  /** Port of loopback, inside, that leads to the host agent's socket. */
  readonly agentPort: number;
  readonly agentSocket: string;
}

export function readGatewayConfiguration(path: string): GatewayConfiguration {
  return JSON.parse(readFileSync(path, "utf8")) as GatewayConfiguration;
}
