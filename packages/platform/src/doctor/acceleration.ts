/** Hardware for guests: KVM, vsock. That /dev/kvm exists proves nothing: a probe guest must reach its init. */
import { closeSync, constants, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { programPath } from "../program-location.ts";
import { type Check, type CheckContext, type Finding, info, ok, warn } from "./finding.ts";

const probeTimeoutMs = 45_000;

export const accelerationChecks: readonly Check[] = [
  { id: "accelerator", title: "KVM", timeoutMs: probeTimeoutMs, run: accelerator },
  { id: "vsock", title: "vhost-vsock", run: vsock },
];

interface Verdict {
  readonly accelerator: "kvm" | "tcg";
  /** What was seen, for people. */
  readonly detail: string;
}

async function accelerator(context: CheckContext): Promise<readonly Finding[]> {
  const device = deviceFinding();
  if (device !== undefined) return [device];
  const flags = /^flags\s*:.*\b(vmx|svm)\b/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1];
  const fact = `/dev/kvm opens${flags === undefined ? "" : `, the processor has ${flags}`}`;
  if (!context.probe) return [info("accelerator", "KVM", `${fact}; whether a guest boots with it was not tried`)];
  const verdict = await probed(context.signal);
  if (verdict === undefined)
    return [info("accelerator", "KVM", `${fact}; whether a guest boots with it shows at the first start`)];
  return verdict.accelerator === "kvm"
    ? [ok("accelerator", "KVM", `${fact}; a probe guest booted with it`)]
    : [
        warn(
          "accelerator",
          "KVM",
          `${fact}, but no probe guest runs with it (${verdict.detail}); guests run by emulation (TCG)`,
          "use a machine with working KVM for speed",
        ),
      ];
}

function deviceFinding(): Finding | undefined {
  const remedy =
    "enable virtualization in the firmware, or nested virtualization in the cloud; guests run by emulation (TCG) meanwhile";
  if (!existsSync("/dev/kvm")) return warn("accelerator", "KVM", "there is no /dev/kvm", remedy);
  try {
    closeSync(openSync("/dev/kvm", constants.O_RDWR));
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return warn("accelerator", "KVM", `/dev/kvm does not open: ${why}`, "run as root, or join the group kvm");
  }
}

/** Runs the probe guests, with a spawner of its own; both are gone afterwards. */
async function probed(signal: AbortSignal): Promise<Verdict> {
  const [{ probeAccelerator }, { startSpawner }] = await Promise.all([
    import("@liquidmetal/hypervisors"),
    import("@liquidmetal/spawner"),
  ]);
  const spawner = await startSpawner({ processPath: programPath("spawner") });
  try {
    const kernelPath = hostKernel();
    const result = await probeAccelerator({ spawner, signal, ...(kernelPath === undefined ? {} : { kernelPath }) });
    if (!result.ok) return { accelerator: "tcg", detail: result.error.message };
    const failed = result.value.findings.filter((finding) => !finding.passed);
    return { accelerator: result.value.accelerator, detail: failed.map((finding) => finding.detail).join("; ") };
  } finally {
    await spawner.close();
  }
}

/** A kernel of this host that can be read, the running one first: the surest proof is that a real kernel reaches its init. */
function hostKernel(): string | undefined {
  const candidates = existsSync("/boot") ? readdirSync("/boot").filter((name) => name.startsWith("vmlinuz-")) : [];
  const running = `vmlinuz-${release()}`;
  const name = candidates.includes(running) ? running : candidates.sort().at(-1);
  return name === undefined ? undefined : join("/boot", name);
}

function vsock(): readonly Finding[] {
  return existsSync("/dev/vhost-vsock")
    ? [ok("vsock", "vhost-vsock", "/dev/vhost-vsock is there")]
    : [
        info(
          "vsock",
          "vhost-vsock",
          "not here; guests report by a serial port instead (load the module vhost_vsock for it)",
        ),
      ];
}
