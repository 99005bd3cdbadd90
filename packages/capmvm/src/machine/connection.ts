/**
 * The way to one host: its access, its health, and the words of the condition HostReachable.
 *
 * Nothing is asked of a host that is known not to answer: its health event wakes every machine on it.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { MachineReason, MicrovmCluster } from "../api/index.ts";
import type { Host } from "../hosts/host.ts";
import type { MachineScope } from "./dependencies.ts";
import { type Finding, type Findings, found } from "./findings.ts";

export type Connection =
  | { readonly open: true; readonly host: Host; readonly findings: Findings }
  | {
      readonly open: false;
      /** True when it may only not have answered yet. */
      readonly hopeful: boolean;
      /** It was asked a moment ago: not worth telling anybody yet. */
      readonly early?: boolean;
      readonly message: string;
      readonly findings: Findings;
      readonly requeueAfterMs?: number;
    };

/** Nothing tells when a secret is mended: it is read again after this time, in milliseconds. */
const accessAgainMs = 15_000;
/** In case a host's first word gets lost. */
const connectingAgainMs = 5_000;

export async function connect(scope: MachineScope, endpoint: string): Promise<Connection> {
  const { world, microvmCluster, signal } = scope;
  try {
    const access = await world.accessOf(microvmCluster, endpoint, { signal });
    return connectionTo(world.hosts.host(access), microvmCluster, world.clock.nowMs());
  } catch (error) {
    if (error instanceof PlatformError && error.code === "HOST_ACCESS_INVALID") return withoutAccess(endpoint, error);
    throw error;
  }
}

function connectionTo(host: Host, cluster: MicrovmCluster | undefined, nowMs: number): Connection {
  const { endpoint } = host;
  const { state, message, sinceMs } = host.health();
  switch (state) {
    case "reachable":
      return { open: true, host, findings: found("HostReachable", "True", "Reachable", poolWords(endpoint, cluster)) };
    case "unknown":
      return {
        ...closed("Unknown", "Connecting", message || `waiting for the first word of ${endpoint}`),
        hopeful: true,
        early: nowMs - sinceMs < connectingAgainMs,
        requeueAfterMs: connectingAgainMs,
      };
    case "unreachable":
      return closed("False", "Unreachable", message || `${endpoint} does not answer`);
    case "refused":
      return closed("False", "AccessRefused", message || `${endpoint} refuses our credentials`);
    default:
      return state satisfies never;
  }
}

function withoutAccess(endpoint: string, error: PlatformError): Connection {
  const missing =
    error.details["problem"] === "missing" || /\b(no secret|not found|missing|no key|lacks)\b/.test(error.message);
  const reason = missing ? "AccessSecretMissing" : "AccessSecretInvalid";
  return { ...closed("False", reason, `${endpoint}: ${error.message}`), requeueAfterMs: accessAgainMs };
}

/** What a call to a host that was thought to answer ended with, as the condition. Undefined = it is no matter of the connection. */
export function lostConnection(endpoint: string, error: unknown): (Connection & { readonly open: false }) | undefined {
  if (!(error instanceof PlatformError)) return undefined;
  const message = `${endpoint}: ${error.message}`;
  switch (error.code) {
    case "HOST_REFUSED":
    case "UNAUTHENTICATED":
      return { ...closed("False", "AccessRefused", message), requeueAfterMs: accessAgainMs };
    case "HOST_UNREACHABLE":
    case "UNAVAILABLE":
      return { ...closed("False", "Unreachable", message), requeueAfterMs: connectingAgainMs };
    case "DEADLINE_EXCEEDED":
      return { ...closed("Unknown", "Connecting", message), hopeful: true, requeueAfterMs: connectingAgainMs };
    default:
      return undefined;
  }
}

function closed(
  status: Finding<"HostReachable">["status"],
  reason: MachineReason<"HostReachable">,
  message: string,
): Connection & { readonly open: false } {
  return { open: false, hopeful: false, message, findings: found("HostReachable", status, reason, message) };
}

/** A machine outlives the place of its host in the pool: the address is in its provider id. */
function poolWords(endpoint: string, cluster: MicrovmCluster | undefined): string {
  return isInPool(endpoint, cluster)
    ? ""
    : `${endpoint} is no longer in the pool of the MicrovmCluster; the microVM goes on there`;
}

export function isInPool(endpoint: string, cluster: MicrovmCluster | undefined): boolean {
  return cluster === undefined || cluster.spec.placement.staticPool.hosts.some((host) => host.endpoint === endpoint);
}
