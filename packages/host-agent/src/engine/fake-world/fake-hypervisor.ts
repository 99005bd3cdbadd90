/** A hypervisor over the fake host: spawns processes that are numbers, and keeps the rules of the port. */
import { attempt, Broadcast, type Clock, PlatformError, type Subscription, sleep } from "@liquidmetal/foundation";
import type { Capabilities, Hypervisor, HypervisorEvent, RunningVmm } from "@liquidmetal/microvm";
import type { FakeHost, FakeProcess } from "./fake-host.ts";
import { unavailable } from "./neighbours.ts";
import type { Session } from "./session.ts";

export const fakeCapabilities: Capabilities = {
  name: "fake",
  version: "1",
  accelerator: "none",
  bootSources: ["elf", "initrd"],
  interfaceTypes: ["tap"],
  volumeFormats: ["qcow2", "raw"],
  metadata: ["nocloud"],
  vsock: true,
  virtiofs: false,
  balloon: false,
  pause: true,
  snapshot: false,
  reset: false,
  vcpuMax: 32,
};

export function fakeHypervisor(host: FakeHost, session: Session, clock: Clock): Hypervisor {
  const ports: Hypervisor = {
    name: "fake",
    capabilities: () => attempt(async () => fakeCapabilities),
    prepare: (machine) => attempt(async () => ({ machine, commandLine: ["fake-vmm", machine.token] })),
    start: ({ machine }, { onSpawned, signal }) =>
      attempt(async () => {
        const { faults } = host;
        if (faults.spawnerDown && !faults.repliesLost) throw unavailable("spawner");
        if (faults.startFails !== "") throw new PlatformError("HYPERVISOR_FAILED", faults.startFails);
        requireParts(host, machine.interfaces, machine.volumes);
        const disks = machine.volumes.map((volume) => volume.path);
        const process = host.spawn(machine.uid, machine.token, machine.bootGeneration, disks);
        if (faults.spawnerDown || faults.spawnerDiesSpawning) throw unavailable("spawner");
        try {
          await onSpawned(process.identity);
          if (faults.startHangs) await aborted(signal);
          signal?.throwIfAborted();
        } catch (error) {
          // Without a spawner nobody can end it.
          if (!faults.spawnerDown) host.end(process, "requested");
          throw error;
        }
        process.state = "running";
        return session.guard(running(host, process, clock));
      }),
    adopt: (_machine, made) =>
      attempt(async () => {
        const pid = made.process?.pid ?? 0;
        if (host.faults.spawnerDown || host.faults.unverifiablePids.has(pid))
          throw new PlatformError("PROCESS_UNVERIFIED", `pid ${pid} cannot be read`);
        const process = host.processes.get(pid);
        if (process === undefined || process.state === "exited") return { state: "gone" as const };
        // One that still waits to be let run is let run.
        if (process.state === "prelaunch") process.state = "running";
        return { state: "adopted" as const, vmm: session.guard(running(host, process, clock)) };
      }),
  };
  return session.guard(ports);
}

function requireParts(
  host: FakeHost,
  interfaces: readonly { readonly hostDevice: string }[],
  volumes: readonly { readonly path: string }[],
): void {
  for (const nic of interfaces) {
    if (host.devices.get(nic.hostDevice)?.owner === undefined)
      throw new PlatformError("HYPERVISOR_FAILED", `no ${nic.hostDevice}`);
  }
  for (const volume of volumes) {
    if (!host.volumes.has(volume.path)) throw new PlatformError("HYPERVISOR_FAILED", `no ${volume.path}`);
  }
}

function running(host: FakeHost, process: FakeProcess, clock: Clock): RunningVmm {
  const set = (state: "running" | "paused", kind: "resumed" | "paused") =>
    attempt(async () => {
      if (process.state === "exited") throw new PlatformError("HYPERVISOR_FAILED", "it has ended");
      process.state = state;
      process.events.publish({ kind });
    });
  return {
    uid: process.uid,
    process: process.identity,
    bootGeneration: process.generation,
    state: () => stateAsHeard(process),
    events: (options) => subscribe(process, options?.signal),
    pause: () => set("paused", "paused"),
    resume: () => set("running", "resumed"),
    reset: () => attempt(() => Promise.reject(new PlatformError("CAPABILITY_MISSING", "no reset"))),
    stop: (mode, options) =>
      attempt(async () => {
        if (mode === "graceful" && process.stubborn)
          await sleep(clock, options?.gracefulTimeoutMs ?? 10_000, options?.signal);
        host.end(process, mode === "graceful" ? "powered-off" : "requested");
        await heard(process, clock, options?.signal);
      }),
    writeConsole: (bytes) => attempt(async () => process.events.publish({ kind: "console", bytes })),
    usage: () =>
      attempt(async () => ({
        cpuSeconds: 1,
        memoryBytes: 2,
        diskReadBytes: 3,
        diskWrittenBytes: 4,
        networkReceivedBytes: 5,
        networkSentBytes: 6,
      })),
    detach: async () => undefined,
  };
}

function stateAsHeard(process: FakeProcess): ReturnType<RunningVmm["state"]> {
  if (process.exit !== undefined) return "exited";
  return process.state === "paused" ? "paused" : "running";
}

/** Waits until the end of a process is known; a stop cannot tell without. */
async function heard(process: FakeProcess, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  if (process.exit !== undefined) return;
  const told = process.gone.promise.then(() => true);
  const known = await Promise.race([told, sleep(clock, 5_000, signal).then(() => false)]);
  if (!known)
    throw new PlatformError("PROCESS_UNVERIFIED", `nobody knows whether pid ${process.identity.pid} has ended`);
}

/** `exited` comes last, once, also to those who come late. */
function subscribe(process: FakeProcess, signal: AbortSignal | undefined): Subscription<HypervisorEvent> {
  if (process.exit === undefined) return process.events.subscribe(signal === undefined ? {} : { signal });
  const late = new Broadcast<HypervisorEvent>();
  const subscription = late.subscribe();
  late.publish(process.exit);
  return subscription;
}

async function aborted(signal: AbortSignal | undefined): Promise<never> {
  return await new Promise((_resolve, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
