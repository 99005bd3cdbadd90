/**
 * A hypervisor whose machines only sleep: one `sleep` process per microVM, started by the given spawner (a real or a fake one), and a guest that follows a script.
 *
 * For tests of the engine and for its bench: no socket, no disk, no guest, but real processes with identities, exits and orphans. Commands on its
 * console do what they do in the real test guest: `poweroff`, `reboot`, `panic`, `echo TEXT`.
 */
import { attempt, type Clock, err, ok, PlatformError, type Result, sleep, systemClock } from "@liquidmetal/foundation";
import type {
  Adoption,
  CallOptions,
  Capabilities,
  Hypervisor,
  Machine,
  Made,
  Prepared,
  RunningVmm,
  Spawner,
  StartOptions,
} from "@liquidmetal/microvm";
import { FakeVmm } from "./vmm.ts";

/** How one guest behaves. The default is a guest that is ready at once and obeys. */
export interface GuestScript {
  /** Before the process is spawned. Default 0. */
  readonly startDelayMs?: number;
  /** `start` fails with this, before (`spawn`) or after (`begin`) there is a process. */
  readonly startFailure?: { readonly at: "spawn" | "begin"; readonly error: PlatformError };
  /** `start` never ends by itself, as with a VMM that hangs: only its deadline or signal ends it. */
  readonly startHangs?: boolean;
  /** From start to the ready mark. Default 0; undefined with `neverReady`. */
  readonly readyAfterMs?: number;
  readonly neverReady?: boolean;
  /** Default: the addresses that the host knows of its interfaces. */
  readonly addresses?: readonly string[];
  readonly ignoresGracefulStop?: boolean;
  /** Powers itself off so long after its start. Default: never. */
  readonly powersOffAfterMs?: number;
}

export interface FakeHypervisorOptions {
  readonly spawner: Spawner;
  readonly clock?: Clock;
  /** Name of the driver. Default `fake`. */
  readonly name?: string;
  /** Script of each machine, asked at each start. */
  readonly script?: (machine: Machine) => GuestScript;
  readonly capabilities?: Partial<Capabilities>;
}

export interface FakeHypervisor extends Hypervisor {
  /** Machines that live, by uid. */
  readonly running: ReadonlyMap<string, RunningVmm>;
}

export function createFakeHypervisor(options: FakeHypervisorOptions): FakeHypervisor {
  return new FakeDriver(options);
}

const startTimeoutMs = 15_000;

class FakeDriver implements FakeHypervisor {
  readonly name: string;
  readonly #options: FakeHypervisorOptions;
  readonly #clock: Clock;
  readonly #running: Map<string, FakeVmm> = new Map();
  readonly #starting: Set<string> = new Set();

  constructor(options: FakeHypervisorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.name = options.name ?? "fake";
  }

  get running(): ReadonlyMap<string, RunningVmm> {
    return this.#running;
  }

  async capabilities(): Promise<Result<Capabilities, PlatformError>> {
    return ok({
      name: this.name,
      version: "1.0.0",
      accelerator: "none",
      bootSources: ["elf", "bzimage", "initrd"],
      interfaceTypes: ["tap", "macvtap"],
      volumeFormats: ["raw", "qcow2"],
      metadata: ["nocloud", "mmds"],
      vsock: false,
      virtiofs: true,
      balloon: true,
      pause: true,
      snapshot: false,
      reset: true,
      vcpuMax: 64,
      ...this.#options.capabilities,
    });
  }

  async prepare(machine: Machine): Promise<Result<Prepared, PlatformError>> {
    return ok({ machine, commandLine: ["sleep", "infinity"] });
  }

  async start(prepared: Prepared, options: StartOptions): Promise<Result<RunningVmm, PlatformError>> {
    const { uid } = prepared.machine;
    const known = this.#running.get(uid);
    if (known !== undefined && (await this.#options.spawner.verdict(known.process)) === "gone")
      this.#running.delete(uid);
    if (this.#running.has(uid) || this.#starting.has(uid)) {
      return err(new PlatformError("PHASE_CONFLICT", `a VMM of ${uid} runs already`));
    }
    this.#starting.add(uid);
    try {
      return await attempt(() => this.#start(prepared.machine, options));
    } finally {
      this.#starting.delete(uid);
    }
  }

  async adopt(machine: Machine, made: Made, options: CallOptions = {}): Promise<Result<Adoption, PlatformError>> {
    options.signal?.throwIfAborted();
    const { process } = made;
    if (process === undefined) return ok({ state: "gone" });
    const verdict = await this.#options.spawner.verdict(process);
    if (verdict === "gone") return ok({ state: "gone" });
    if (verdict === "unverifiable") {
      return err(
        new PlatformError(
          "PROCESS_UNVERIFIED",
          `process ${process.pid} could not be proven to be the VMM of ${machine.uid}`,
        ),
      );
    }
    const vmm = new FakeVmm({
      machine,
      process,
      spawner: this.#options.spawner,
      clock: this.#clock,
      script: this.#script(machine),
    });
    this.#keep(vmm);
    return ok({ state: "adopted", vmm });
  }

  async #start(machine: Machine, options: StartOptions): Promise<FakeVmm> {
    const { timeoutMs = startTimeoutMs, signal } = options;
    const script = this.#script(machine);
    const { startFailure } = script;
    signal?.throwIfAborted();
    if (script.startDelayMs !== undefined) await sleep(this.#clock, script.startDelayMs, signal);
    if (startFailure?.at === "spawn") throw startFailure.error;
    const { identity, networkNamespace, cgroupName } = machine;
    const spawned = await this.#options.spawner.spawn({
      program: "sleep",
      args: ["infinity"],
      token: machine.token,
      ...(identity === undefined ? {} : { identity }),
      ...(networkNamespace === undefined ? {} : { networkNamespace }),
      ...(cgroupName === undefined ? {} : { cgroup: { name: cgroupName } }),
    });
    if (!spawned.ok) throw spawned.error;
    const vmm = new FakeVmm({
      machine,
      process: spawned.value,
      spawner: this.#options.spawner,
      clock: this.#clock,
      script,
    });
    try {
      await options.onSpawned(spawned.value);
      if (script.startHangs === true) await this.#hang(timeoutMs, signal);
      if (startFailure?.at === "begin") throw startFailure.error;
    } catch (error) {
      await vmm.stop("forced");
      throw PlatformError.from(error, "HYPERVISOR_FAILED", "the VMM could not be started");
    }
    this.#keep(vmm);
    vmm.begin();
    return vmm;
  }

  async #hang(timeoutMs: number, signal: AbortSignal | undefined): Promise<never> {
    await sleep(this.#clock, timeoutMs, signal);
    throw new PlatformError("HYPERVISOR_TIMEOUT", `the VMM did not answer within ${timeoutMs} ms`);
  }

  #script(machine: Machine): GuestScript {
    return this.#options.script?.(machine) ?? {};
  }

  #keep(vmm: FakeVmm): void {
    this.#running.set(vmm.uid, vmm);
    vmm.ended.then(
      () => {
        if (this.#running.get(vmm.uid) === vmm) this.#running.delete(vmm.uid);
      },
      () => {},
    );
  }
}
