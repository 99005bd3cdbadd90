/** The QEMU driver: the `microvm` machine, with KVM where a probe guest has shown that it works, else TCG. */
import { access, constants, stat } from "node:fs/promises";
import { attempt, type Clock, err, ok, PlatformError, type Result, systemClock } from "@liquidmetal/foundation";
import type {
  Adoption,
  CallOptions,
  Capabilities,
  Hypervisor,
  Machine,
  Made,
  Prepared,
  ProcessIdentity,
  RunningVmm,
  Spawner,
  StartOptions,
} from "@liquidmetal/microvm";
import { kernelFormat } from "../boot/kernel-file.ts";
import { hostTscRate } from "../boot/tsc.ts";
import { type QemuCommand, type QemuPlatform, qemuCommand } from "./command-line.ts";
import { qemuPaths } from "./paths.ts";
import { type QemuTimings, qemuTimings } from "./timings.ts";
import { QemuVmm } from "./vmm.ts";

export interface QemuOptions {
  readonly spawner: Spawner;
  /** Path or name of the program. Default `qemu-system-x86_64`. */
  readonly program?: string;
  /** What to run guests with; a function is asked once, at the first need (see `probeAccelerator`). */
  readonly accelerator: "kvm" | "tcg" | (() => Promise<"kvm" | "tcg">);
  readonly timings?: Partial<QemuTimings>;
  readonly clock?: Clock;
}

export function createQemuHypervisor(options: QemuOptions): Hypervisor {
  return new QemuHypervisor(options);
}

class QemuHypervisor implements Hypervisor {
  readonly name = "qemu";
  readonly #spawner: Spawner;
  readonly #program: string;
  readonly #clock: Clock;
  readonly #timings: QemuTimings;
  readonly #chooseAccelerator: () => Promise<"kvm" | "tcg">;
  /** Of this driver, by uid: a second start is refused while the first lives. */
  readonly #running: Map<string, QemuVmm | "starting"> = new Map();
  #accelerator: Promise<"kvm" | "tcg"> | undefined;
  #version: Promise<string> | undefined;

  constructor(options: QemuOptions) {
    this.#spawner = options.spawner;
    this.#program = options.program ?? "qemu-system-x86_64";
    this.#clock = options.clock ?? systemClock;
    this.#timings = { ...qemuTimings, ...options.timings };
    const { accelerator } = options;
    this.#chooseAccelerator = typeof accelerator === "function" ? accelerator : () => Promise.resolve(accelerator);
  }

  capabilities(options: CallOptions = {}): Promise<Result<Capabilities, PlatformError>> {
    return attempt(async () => ({
      name: this.name,
      version: await this.#readVersion(options),
      accelerator: await this.#chosenAccelerator(),
      bootSources: ["elf", "bzimage", "initrd"],
      interfaceTypes: ["tap", "macvtap"],
      volumeFormats: ["raw", "qcow2"],
      metadata: ["nocloud"],
      vsock: await usable("/dev/vhost-vsock"),
      virtiofs: true,
      balloon: true,
      pause: true,
      snapshot: false,
      reset: true,
      vcpuMax: 64,
    }));
  }

  prepare(machine: Machine): Promise<Result<Prepared, PlatformError>> {
    return attempt(async () => ({ machine, commandLine: (await this.#command(machine)).words }));
  }

  async start(prepared: Prepared, options: StartOptions): Promise<Result<RunningVmm, PlatformError>> {
    const { uid } = prepared.machine;
    const known = this.#running.get(uid);
    // One that was let go of does not tell its end.
    if (known instanceof QemuVmm && (await this.#spawner.verdict(known.process)) === "gone") this.#running.delete(uid);
    if (this.#running.has(uid)) return err(new PlatformError("PHASE_CONFLICT", `a VMM of ${uid} runs already`));
    this.#running.set(uid, "starting");
    const started = await attempt(() => this.#start(prepared.machine, options));
    if (started.ok) this.#keep(started.value);
    else this.#running.delete(uid);
    return started;
  }

  async adopt(machine: Machine, made: Made, options: CallOptions = {}): Promise<Result<Adoption, PlatformError>> {
    const { process } = made;
    if (process === undefined) return ok({ state: "gone" });
    const verdict = await this.#spawner.verdict(process);
    if (verdict === "gone") return ok({ state: "gone" });
    if (verdict === "unverifiable") {
      return err(
        new PlatformError(
          "PROCESS_UNVERIFIED",
          `process ${process.pid} could not be proven to be QEMU of ${machine.uid}`,
        ),
      );
    }
    return attempt(async () => {
      const vmm = await this.#vmm(machine, process);
      const { timeoutMs = this.#timings.controlMs, signal } = options;
      await vmm.adopt(timeoutMs, signal);
      if (vmm.state() === "exited") return { state: "gone" };
      this.#keep(vmm);
      return { state: "adopted", vmm };
    });
  }

  async #start(machine: Machine, options: StartOptions): Promise<QemuVmm> {
    const { signal, onSpawned, timeoutMs = this.#timings.controlMs } = options;
    signal?.throwIfAborted();
    const process = await this.#spawn(machine, await this.#command(machine));
    const vmm = await this.#vmm(machine, process);
    try {
      await Promise.all([onSpawned(process), vmm.connect(timeoutMs, signal)]);
      await vmm.begin(signal === undefined ? {} : { signal });
      return vmm;
    } catch (error) {
      await vmm.destroy();
      throw PlatformError.from(error, "HYPERVISOR_FAILED", "QEMU could not be started");
    }
  }

  async #spawn(machine: Machine, { words, openFiles }: QemuCommand): Promise<ProcessIdentity> {
    const [program = this.#program, ...args] = words;
    const { identity, networkNamespace, cgroupName } = machine;
    const paths = qemuPaths(machine);
    const kvm = (await this.#chosenAccelerator()) === "kvm";
    const spawned = await this.#spawner.spawn({
      program,
      args,
      token: machine.token,
      cwd: "/",
      stdoutPath: paths.vmmLog,
      stderrPath: paths.vmmLog,
      openFiles,
      privateTun: machine.interfaces.some((made) => made.type === "tap"),
      privateKvm: kvm,
      ...(identity === undefined ? {} : { identity }),
      ...(networkNamespace === undefined ? {} : { networkNamespace }),
      ...(cgroupName === undefined ? {} : { cgroup: { name: cgroupName, cpuWeight: machine.vcpu } }),
    });
    if (spawned.ok) return spawned.value;
    const { error } = spawned;
    throw error.code === "PROCESS_FAILED"
      ? new PlatformError("HYPERVISOR_UNAVAILABLE", error.message, { cause: error })
      : error;
  }

  async #vmm(machine: Machine, process: ProcessIdentity): Promise<QemuVmm> {
    const accelerator = await this.#chosenAccelerator();
    const silenceMs = accelerator === "kvm" ? this.#timings.silenceKvmMs : this.#timings.silenceTcgMs;
    return new QemuVmm({
      machine,
      process,
      paths: qemuPaths(machine),
      spawner: this.#spawner,
      clock: this.#clock,
      timings: this.#timings,
      silenceMs: speaks(machine) ? silenceMs : 0,
    });
  }

  async #command(machine: Machine): Promise<QemuCommand> {
    await kernelFormat(machine.kernelPath);
    const accelerator = await this.#chosenAccelerator();
    const tsc = hostTscRate();
    const platform: QemuPlatform = {
      program: this.#program,
      accelerator,
      vsock: machine.vsock && (await usable("/dev/vhost-vsock")),
      blockDevices: await blockDevicesOf(machine),
      ...(tsc === undefined ? {} : { tsc }),
    };
    return qemuCommand(machine, qemuPaths(machine), platform);
  }

  #keep(vmm: QemuVmm): void {
    if (vmm.state() === "exited") return;
    this.#running.set(vmm.uid, vmm);
    vmm.ended.then(
      () => {
        if (this.#running.get(vmm.uid) === vmm) this.#running.delete(vmm.uid);
      },
      () => {},
    );
  }

  #chosenAccelerator(): Promise<"kvm" | "tcg"> {
    this.#accelerator ??= this.#chooseAccelerator().catch((error: unknown) => {
      // A probe that failed is tried again at the next need.
      this.#accelerator = undefined;
      throw error;
    });
    return this.#accelerator;
  }

  #readVersion(options: CallOptions): Promise<string> {
    this.#version ??= qemuVersion(this.#spawner, this.#program, options).catch((error: unknown) => {
      // Installed later: asked again then.
      this.#version = undefined;
      throw error;
    });
    return this.#version;
  }
}

/** Version as QEMU reports it, for example `7.2.22`. Rejects with HYPERVISOR_UNAVAILABLE when the program cannot be run. */
export async function qemuVersion(spawner: Spawner, program: string, options: CallOptions = {}): Promise<string> {
  const ran = await spawner.run({ program, args: ["--version"], timeoutMs: 10_000, ...options });
  if (!ran.ok) throw new PlatformError("HYPERVISOR_UNAVAILABLE", ran.error.message, { cause: ran.error });
  const version = /version (\d+(?:\.\d+)+)/.exec(ran.value.stdout)?.[1];
  if (version === undefined) throw new PlatformError("HYPERVISOR_UNAVAILABLE", `${program} does not say its version`);
  return version;
}

/** A kernel that was told to be quiet, or to speak elsewhere, cannot be taken for hung because it is silent. */
function speaks(machine: Machine): boolean {
  const { cmdline } = machine;
  const elsewhere = cmdline["console"] !== undefined && !cmdline["console"].startsWith("ttyS0");
  return !elsewhere && !("quiet" in cmdline) && !("loglevel" in cmdline);
}

async function usable(device: string): Promise<boolean> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function blockDevicesOf(machine: Machine): Promise<Set<string>> {
  const paths = machine.volumes.filter((volume) => volume.kind === "block").map((volume) => volume.path);
  const kinds = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  return new Set(paths.filter((_, index) => kinds[index]?.isBlockDevice() === true));
}
