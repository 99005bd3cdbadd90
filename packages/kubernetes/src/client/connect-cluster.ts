/** `connectCluster({ configuration })`: the client that programs use. Nothing is dialled before the first call. */
import { type Clock, type Entropy, systemClock, systemEntropy } from "@liquidmetal/foundation";
import { CallRunner } from "./call-runner.ts";
import type { KubernetesClient } from "./client.ts";
import type { ClientObserver } from "./client-observer.ts";
import type { ClusterConfiguration } from "./cluster-configuration.ts";
import { HttpClient } from "./http-client.ts";
import { Transport } from "./transport.ts";

export interface ConnectClusterOptions {
  /** From `loadKubeconfig` or `inClusterConfiguration`. */
  readonly configuration: ClusterConfiguration;
  /** As in "capmvm/1.2.3"; the server logs it and audits by it. */
  readonly userAgent: string;
  /** Owner of the fields that are written. Default: the user agent up to its slash. */
  readonly fieldManager?: string;
  /** Calls at once, each on a connection of its own; watches do not count. 1 to 1,000, default 32. */
  readonly connections?: number;
  /** Deadline of a call that has none of its own, milliseconds. Default 30,000. */
  readonly timeoutMs?: number;
  /** Largest answer, bytes; lists are then asked for in smaller pages. Default 64 MiB. */
  readonly answerLimitBytes?: number;
  /** Largest event of a watch, bytes. Default 16 MiB. */
  readonly eventLimitBytes?: number;
  readonly observer?: ClientObserver;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
}

export function connectCluster(options: ConnectClusterOptions): KubernetesClient {
  const { configuration, userAgent, clock = systemClock, entropy = systemEntropy, observer = {} } = options;
  const { connections = 32, timeoutMs = 30_000 } = options;
  const { answerLimitBytes = 67_108_864, eventLimitBytes = 16_777_216 } = options;
  const agent = userAgent.replaceAll(/[^\x20-\x7e]/g, "").trim() || "liquidmetal";
  const transport = new Transport({ configuration, clock, connections, userAgent: agent });
  return new HttpClient({
    transport,
    clock,
    entropy,
    timeoutMs,
    eventLimitBytes,
    fieldManager: options.fieldManager ?? agent.replace(/\/.*$/, ""),
    calls: new CallRunner({ transport, clock, entropy, observer, connections, answerLimitBytes }),
  });
}
