/**
 * Which accelerator guests really run with here.
 *
 * A device node /dev/kvm proves nothing: there are hosts whose KVM aborts or crawls with a stock kernel. So a probe guest has to run to its end under KVM within a deadline, with the
 * very processor model that real guests get: first a payload of a few bytes, then, where a kernel is at hand, that kernel up to its init. Else TCG, and that is proven in
 * the same way. The verdict holds for one boot of the host, one kernel of it, one QEMU and one probe kernel, and is cached in a file.
 */
import { constants } from "node:fs";
import { access, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { attempt, PlatformError, type Result } from "@liquidmetal/foundation";
import type { Spawner } from "@liquidmetal/microvm";
import { hostTscKhz } from "../boot/tsc.ts";
import { qemuVersion } from "./driver.ts";
import { payloadExitCode, probeInitrd, probeLine, probePayload } from "./probe-guests.ts";

export interface ProbeOptions {
  readonly spawner: Spawner;
  /** Default `qemu-system-x86_64`. */
  readonly program?: string;
  /** A kernel (bzImage or ELF) that must reach its init under KVM as well; the surest proof. */
  readonly kernelPath?: string;
  /** File in which the verdict is kept. Absent = not kept. */
  readonly cachePath?: string;
  /** For the payload, in milliseconds. Default 5,000. */
  readonly payloadTimeoutMs?: number;
  /** For the kernel, in milliseconds. Default 20,000. */
  readonly kernelTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ProbeFinding {
  readonly accelerator: "kvm" | "tcg";
  readonly guest: "device" | "payload" | "kernel";
  readonly passed: boolean;
  /** For people: what was seen. */
  readonly detail: string;
}

export interface AcceleratorVerdict {
  readonly accelerator: "kvm" | "tcg";
  readonly findings: readonly ProbeFinding[];
}

/** Fails with HYPERVISOR_UNAVAILABLE when QEMU cannot run even the payload under TCG. */
export function probeAccelerator(options: ProbeOptions): Promise<Result<AcceleratorVerdict, PlatformError>> {
  const { spawner, program = "qemu-system-x86_64", cachePath, kernelPath = "" } = options;
  return attempt(async () => {
    const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    const key = [release(), bootId, await qemuVersion(spawner, program), kernelPath].join(" ");
    const known = cachePath === undefined ? undefined : await readCache(cachePath, key);
    if (known !== undefined) return known;
    const verdict = await probe(options, program);
    if (cachePath !== undefined) await writeCache(cachePath, key, verdict);
    return verdict;
  });
}

async function probe(options: ProbeOptions, program: string): Promise<AcceleratorVerdict> {
  const folder = await mkdtemp(join(tmpdir(), "lm-probe-"));
  try {
    const payload = join(folder, "payload.elf");
    const initrd = join(folder, "initrd.cpio");
    await Promise.all([writeFile(payload, probePayload()), writeFile(initrd, probeInitrd())]);
    const findings: ProbeFinding[] = [await deviceFinding()];
    const passed = (finding: ProbeFinding): boolean => {
      findings.push(finding);
      return finding.passed;
    };
    const { kernelPath } = options;
    const kvm =
      findings[0]?.passed === true &&
      passed(await runPayload(options, program, "kvm", payload)) &&
      (kernelPath === undefined || passed(await runKernel(options, program, "kvm", kernelPath, initrd)));
    if (kvm) return { accelerator: "kvm", findings };
    if (passed(await runPayload(options, program, "tcg", payload))) return { accelerator: "tcg", findings };
    const seen = findings.map((finding) => `${finding.accelerator} ${finding.guest}: ${finding.detail}`).join("; ");
    throw new PlatformError("HYPERVISOR_UNAVAILABLE", `${program} cannot run a guest on this host (${seen})`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function deviceFinding(): Promise<ProbeFinding> {
  const base = { accelerator: "kvm", guest: "device" } as const;
  try {
    await access("/dev/kvm", constants.R_OK | constants.W_OK);
    return { ...base, passed: true, detail: "/dev/kvm can be opened" };
  } catch {
    return { ...base, passed: false, detail: "/dev/kvm is missing or may not be opened" };
  }
}

function runPayload(
  options: ProbeOptions,
  program: string,
  accelerator: "kvm" | "tcg",
  payload: string,
): Promise<ProbeFinding> {
  const extra = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", payload];
  return runGuest(options, {
    program,
    accelerator,
    guest: "payload",
    extra,
    timeoutMs: options.payloadTimeoutMs ?? 5_000,
    code: payloadExitCode,
  });
}

function runKernel(
  options: ProbeOptions,
  program: string,
  accelerator: "kvm" | "tcg",
  kernelPath: string,
  initrd: string,
): Promise<ProbeFinding> {
  const tscKhz = hostTscKhz();
  const append = `console=ttyS0 panic=-1 reboot=t${accelerator === "tcg" && tscKhz !== undefined ? ` tsc_early_khz=${tscKhz}` : ""}`;
  const extra = ["-no-reboot", "-kernel", kernelPath, "-initrd", initrd, "-append", append];
  return runGuest(options, {
    program,
    accelerator,
    guest: "kernel",
    extra,
    timeoutMs: options.kernelTimeoutMs ?? 20_000,
    code: 0,
  });
}

interface GuestRun {
  readonly program: string;
  readonly accelerator: "kvm" | "tcg";
  readonly guest: "payload" | "kernel";
  readonly extra: readonly string[];
  readonly timeoutMs: number;
  readonly code: number;
}

async function runGuest(options: ProbeOptions, run: GuestRun): Promise<ProbeFinding> {
  const { program, accelerator, guest, timeoutMs } = run;
  const machine = [
    "-M",
    "microvm,x-option-roms=off,rtc=on,acpi=on",
    "-accel",
    accelerator,
    "-cpu",
    accelerator === "kvm" ? "host" : "max",
  ];
  const plain = ["-m", "256", "-nodefaults", "-no-user-config", "-nographic", "-serial", "stdio"];
  const args = [...machine, ...plain, ...run.extra];
  const begunMs = performance.now();
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const ran = await options.spawner.run({ program, args, timeoutMs, ...signal });
  options.signal?.throwIfAborted();
  const base = { accelerator, guest };
  if (!ran.ok) return { ...base, passed: false, detail: ran.error.message };
  const { code, stdout, stderr } = ran.value;
  const elapsedMs = Math.round(performance.now() - begunMs);
  if (code === run.code && stdout.includes(probeLine))
    return { ...base, passed: true, detail: `ran to its end in ${elapsedMs} ms` };
  const said = (stderr.trim().split("\n").at(-1) ?? "").slice(0, 300);
  return {
    ...base,
    passed: false,
    detail: `QEMU ended with code ${code} after ${elapsedMs} ms${said === "" ? "" : `: ${said}`}`,
  };
}

async function readCache(path: string, key: string): Promise<AcceleratorVerdict | undefined> {
  try {
    const kept: unknown = JSON.parse(await readFile(path, "utf8"));
    if (typeof kept !== "object" || kept === null || !("key" in kept) || kept.key !== key || !("verdict" in kept))
      return undefined;
    const verdict = kept.verdict as AcceleratorVerdict;
    return ["kvm", "tcg"].includes(verdict.accelerator) && Array.isArray(verdict.findings) ? verdict : undefined;
  } catch {
    return undefined;
  }
}

async function writeCache(path: string, key: string, verdict: AcceleratorVerdict): Promise<void> {
  const draft = `${path}.${process.pid}`;
  try {
    await writeFile(draft, JSON.stringify({ key, verdict }), { mode: 0o600 });
    await rename(draft, path);
  } catch (error) {
    throw PlatformError.from(error, "INTERNAL", `the verdict on the accelerator cannot be kept in ${path}`);
  }
}
