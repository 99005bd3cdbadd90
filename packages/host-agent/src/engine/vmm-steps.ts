/** Executors of the steps that start, pause, resume and stop a VMM. */
import { PlatformError, unwrap } from "@liquidmetal/foundation";
import type { MicroVmRecord, ProcessIdentity, RunningVmm } from "@liquidmetal/microvm";
import type { EngineContext } from "./context.ts";
import type { Guest } from "./guests.ts";
import { vmmToken } from "./identifiers.ts";
import { cgroupName, machineToStart } from "./machine.ts";
import { type Executor, recordOf } from "./run.ts";
import { killIfOurs } from "./strays.ts";

export const startVmm: Executor<"start-vmm"> = async (context, run, _step, signal) => {
  const { deps, hypervisors, guests, records } = context;
  const record = recordOf(context, run);
  const { provider } = record.made;
  const driver = hypervisors.driver(provider);
  const capabilities = unwrap(await hypervisors.capabilities(provider));
  const generation = record.bootGeneration;
  const token = vmmToken(deps.host.hostId, run.uid, record.boots);
  const vsock = record.spec.allowGuestAgent && capabilities.vsock;
  const prepared = unwrap(await driver.prepare(machineToStart(record, deps, { token, generation, vsock }), { signal }));
  const onSpawned = async (process: ProcessIdentity): Promise<void> => {
    await context.failpoints.reach("start-vmm:spawned");
    // Too late: the step was given up. The driver ends the process when this rejects.
    signal.throwIfAborted();
    const named = { process, processGeneration: generation };
    records.update(run.uid, (now) => ({ ...now, made: { ...now.made, ...named } }), [], "relaxed");
  };
  const timeoutMs = deps.config.stepTimeoutMs["start-vmm"];
  context.suspects.add(run.uid);
  const started = await driver.start(prepared, { onSpawned, signal, timeoutMs });
  if (!started.ok) throw await afterFailedStart(context, run.uid, started.error);
  const vmm = started.value;
  if (signal.aborted) {
    await vmm.stop("forced");
    throw new PlatformError("CANCELLED", "the start was given up");
  }
  context.suspects.delete(run.uid);
  return {
    change: (now) => ({
      ...now,
      phase: "running",
      made: {
        ...now.made,
        process: vmm.process,
        processGeneration: generation,
        ...(prepared.vsockPath === undefined ? {} : { vsockPath: prepared.vsockPath }),
      },
    }),
    afterwards: () => guests.watch(vmm, generation),
  };
};

/** Drivers leave no process behind; where that is so, the record says so too. */
async function afterFailedStart(context: EngineContext, uid: string, error: PlatformError): Promise<PlatformError> {
  const process = context.records.get(uid)?.made.process;
  if (process !== undefined && (await context.deps.spawner.verdict(process)) === "gone") {
    context.records.update(uid, withoutProcess, [], "relaxed");
  }
  return error;
}

export const pauseVmm: Executor<"pause-vmm"> = async (context, run, _step, signal) => {
  unwrap(await running(context, run.uid).pause({ signal }));
  return { change: (record) => ({ ...record, phase: "paused" }) };
};

export const resumeVmm: Executor<"resume-vmm"> = async (context, run, _step, signal) => {
  unwrap(await running(context, run.uid).resume({ signal }));
  return { change: (record) => ({ ...record, phase: "running" }) };
};

function running(context: EngineContext, uid: string): RunningVmm {
  const vmm = context.guests.get(uid)?.vmm;
  if (vmm === undefined) throw new PlatformError("HYPERVISOR_FAILED", "the VMM ended in the meantime");
  return vmm;
}

export const stopVmm: Executor<"stop-vmm"> = async (context, run, step, signal) => {
  const { deps, guests } = context;
  const guest = guests.get(run.uid);
  if (guest !== undefined) {
    guest.stopRequested = true;
    await stop(context, guest, run.forced ? "forced" : step.mode, signal);
    await guests.waitEnded(guest);
  }
  await removeCgroup(context, run.uid).catch((error: unknown) => {
    deps.logger.warn("cgroup.remove_failed", { uid: run.uid, error });
  });
  return { change: (record) => ({ ...withoutProcess(record), phase: phaseWhenStopped(record) }) };
};

/** Throws SPAWNER_UNAVAILABLE, or INTERNAL while something is left in it. */
export async function removeCgroup(context: EngineContext, uid: string): Promise<void> {
  const { deps } = context;
  const cgroup = cgroupName(deps, uid);
  if (cgroup !== undefined) await deps.spawner.removeCgroup(cgroup);
}

/** A VMM that does not answer any more is killed, after proof that it is ours. */
async function stop(
  context: EngineContext,
  guest: Guest,
  mode: "graceful" | "forced",
  signal: AbortSignal,
): Promise<void> {
  const { deps } = context;
  const stopped = await guest.vmm.stop(mode, { gracefulTimeoutMs: deps.config.gracefulStopMs, signal });
  if (stopped.ok) return;
  signal.throwIfAborted();
  deps.logger.warn("vmm.stop_failed", { uid: guest.uid, mode, error: stopped.error });
  await killIfOurs(deps, guest.vmm.process);
}

function phaseWhenStopped(record: MicroVmRecord): MicroVmRecord["phase"] {
  if (record.phase === "deleting") return "deleting";
  return record.desired === "stopped" ? "stopped" : "stopping";
}

function withoutProcess(record: MicroVmRecord): MicroVmRecord {
  const { process: _gone, processGeneration: _past, ...made } = record.made;
  return { ...record, made };
}
