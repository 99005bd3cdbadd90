/** Giving a machine its place: the pool's hosts are asked how they are, one is chosen and promised, and the choice is journaled before anybody is asked. */
import { PlatformError } from "@liquidmetal/foundation";
import { annotations } from "../api/index.ts";
import type { MachineScope } from "./dependencies.ts";
import { both, type Findings, found } from "./findings.ts";
import { conditionNow } from "./machine-status.ts";
import type { PoolHost } from "./placement.ts";
import { writeJournal } from "./record.ts";

export type Placed =
  | { readonly placed: true; readonly scope: MachineScope }
  | { readonly placed: false; readonly findings: Findings; readonly requeueAfterMs?: number };

/** When nobody fits, news of the hosts wake the machine; this is for what no host tells (a refusal that has become old), in milliseconds. */
const shortageAgainMs = 60_000;

export async function place(scope: MachineScope): Promise<Placed> {
  const { world, uid, key, machine, owner } = scope;
  const pool = await poolOf(scope);
  const choice = world.choosePlacement({
    machine,
    failureDomain:
      owner?.spec?.failureDomain || machine.metadata?.annotations?.[annotations.failureDomain] || undefined,
    pool,
    nowMs: world.clock.nowMs(),
  });
  switch (choice.kind) {
    case "chosen":
      break;
    case "connecting": {
      world.knowledge.waitsForRoom(uid, key);
      const findings = waitingForHost("Unknown", "Connecting", choice.message);
      return { placed: false, findings, requeueAfterMs: choice.againMs };
    }
    case "unknown-failure-domain":
      return { placed: false, findings: notPlaced("FailureDomainUnknown", choice.message) };
    case "shortage":
      world.knowledge.reservations.release(uid);
      world.knowledge.waitsForRoom(uid, key);
      return {
        placed: false,
        findings: notPlaced("NoHostFits", shortageWords(scope, choice.message)),
        requeueAfterMs: shortageAgainMs,
      };
    default:
      return choice satisfies never;
  }
  world.knowledge.waitsNoMore(uid);
  // If the answer to this gets lost, the next pass finds the journal and believes it was sent.
  const journaled = await writeJournal(scope, choice.endpoint);
  world.knowledge.confirm(uid, { endpoint: choice.endpoint, sent: false });
  world.logger.info("machine.placed", { machine: key, host: choice.endpoint });
  return { placed: true, scope: journaled };
}

function shortageWords({ world, uid, machine }: MachineScope, message: string): string {
  const before = conditionNow(machine, "VMProvisioned");
  return before?.reason !== "NoHostFits" || world.knowledge.mayTellShortage(uid) ? message : before.message;
}

async function poolOf(scope: MachineScope): Promise<readonly PoolHost[]> {
  const hosts = scope.microvmCluster?.spec.placement.staticPool.hosts ?? [];
  const { world, microvmCluster, signal } = scope;
  return await Promise.all(
    hosts.map(async (spec): Promise<PoolHost> => {
      try {
        return { spec, host: world.hosts.host(await world.accessOf(microvmCluster, spec.endpoint, { signal })) };
      } catch (error) {
        if (!(error instanceof PlatformError) || error.code !== "HOST_ACCESS_INVALID") throw error;
        return { spec, host: undefined, problem: error.message };
      }
    }),
  );
}

function notPlaced(reason: "NoHostFits" | "FailureDomainUnknown", message: string): Findings {
  return both(
    found("HostReachable", "Unknown", "NotPlaced", "no host has been chosen yet"),
    found("VMProvisioned", "False", reason, message),
  );
}

function waitingForHost(status: "Unknown", reason: "Connecting", message: string): Findings {
  return both(
    found("HostReachable", status, reason, message),
    found("VMProvisioned", "False", "WaitingForHost", message),
  );
}
