/**
 * A machine with a provider id: what its host tells of the microVM becomes its status. Nothing is ever made here, and nothing but surplus is deleted.
 *
 * News come from the host's watch. Only when the watch does not know the microVM is the host asked, so that one lost word does not make a machine "vanished".
 */
import { type MicrovmMachine, parseProviderId } from "../api/index.ts";
import type { Host, HostMicroVm } from "../hosts/host.ts";
import { connect, lostConnection } from "./connection.ts";
import type { MachineScope, Outcome } from "./dependencies.ts";
import { both, type Findings, found } from "./findings.ts";
import { identityOf, journalOf } from "./journal.ts";
import { isProvisioned } from "./machine-status.ts";
import { isOwn, type Owner, sortMicroVms } from "./ownership.ts";
import { holdOn } from "./record.ts";
import { removeMicroVm } from "./removal.ts";
import { verdictOn, verdictOnMissing } from "./verdict.ts";

/** Who has a microVM has given it its data. */
const delivered: Findings = found("BootstrapDataAvailable", "True", "Available");
/** A microVM that starts within this time, in milliseconds, costs no status that says Pending. */
const startMs = 1_000;

export async function observe(before: MachineScope): Promise<Outcome> {
  const recorded = parseProviderId(before.machine.spec.providerID ?? "");
  if (recorded === undefined) {
    const message = `spec.providerID is ${JSON.stringify(before.machine.spec.providerID)}, not microvm://<host:port>/<uid>`;
    return { findings: found("VMProvisioned", "False", "ProviderIDInvalid", message), machine: before.machine };
  }
  const scope = await holdOn(before);
  const { machine } = scope;
  const connection = await connect(scope, recorded.endpoint);
  if (!connection.open) {
    const { findings, requeueAfterMs, early = false } = connection;
    // After a restart no machine is told to be on a host that is not known yet, only to be told a second later that it is.
    return {
      findings,
      machine: early ? undefined : machine,
      ...(requeueAfterMs === undefined ? {} : { requeueAfterMs }),
    };
  }
  const { host } = connection;
  try {
    const findings = await look(scope, host, recorded.uid);
    return reportOn(scope, both(both(delivered, connection.findings), findings));
  } catch (error) {
    const lost = lostConnection(recorded.endpoint, error);
    if (lost === undefined) throw error;
    return { findings: lost.findings, machine, requeueAfterMs: lost.requeueAfterMs ?? 0 };
  }
}

/** What was found of a microVM; not told yet if it is only just starting. */
export function reportOn(scope: MachineScope, findings: Findings): Outcome {
  const { world, uid, machine } = scope;
  const sinceMs = world.knowledge.sinceRecordedMs(uid);
  const starting = findings.conditions.VMProvisioned?.reason === "Pending" && !isProvisioned(machine);
  return starting && sinceMs < startMs
    ? { findings, machine: undefined, requeueAfterMs: startMs - sinceMs }
    : { findings, machine };
}

async function look(scope: MachineScope, host: Host, uid: string): Promise<Findings> {
  const { machine, signal } = scope;
  const microVm = (host.synced ? host.known(uid) : undefined) ?? (await host.get(uid, { signal }));
  if (microVm === undefined) return await lookElsewhere(scope, host, uid);
  const owner = ownerOf(machine);
  if (!isOwn(owner, microVm)) return notOurs(microVm, owner);
  if (host.synced) {
    const { others } = sortMicroVms(owner, host.knownByName(owner.namespace, owner.name));
    for (const surplus of others) await removeMicroVm(scope, host, surplus, "surplus");
  }
  return verdict(scope, host, microVm);
}

/** The recorded one is not there. If another one of the machine is, the provider id was changed by hand: then nothing is certain, and nothing is done. */
async function lookElsewhere(scope: MachineScope, host: Host, uid: string): Promise<Findings> {
  const owner = ownerOf(scope.machine);
  const { others } = sortMicroVms(owner, await host.list(owner.namespace, owner.name, { signal: scope.signal }));
  const [other] = others;
  if (other === undefined) return verdictOnMissing(host.endpoint, uid);
  const message = `${host.endpoint} has no microVM ${uid}, but it has ${other.uid}, which was made for this machine: spec.providerID was changed by hand`;
  return found("VMProvisioned", "False", "ProviderIDInvalid", message);
}

function notOurs(microVm: HostMicroVm, owner: Owner): Findings {
  const whose = `${microVm.namespace}/${microVm.name}${microVm.identity === undefined ? "" : ` (identity ${microVm.identity})`}`;
  const message = `the microVM ${microVm.uid} that spec.providerID names was made for ${whose}, not for ${owner.namespace}/${owner.name} (identity ${owner.identity})`;
  return found("VMProvisioned", "False", "ProviderIDInvalid", message);
}

export function verdict(scope: MachineScope, host: Host, microVm: HostMicroVm): Findings {
  const { machine, key } = scope;
  return verdictOn(microVm, { hostname: key.name, endpoint: host.endpoint, provisioned: isProvisioned(machine) });
}

/** For machines of upstream's provider there is no journal; their uid stands for the identity, which no microVM of theirs has. */
export function ownerOf(machine: MicrovmMachine): Owner {
  const { namespace = "", name = "" } = machine.metadata ?? {};
  const recordedUid = parseProviderId(machine.spec.providerID ?? "")?.uid;
  return {
    namespace,
    name,
    identity: journalOf(machine)?.identity ?? identityOf(machine),
    ...(recordedUid === undefined ? {} : { recordedUid }),
  };
}
