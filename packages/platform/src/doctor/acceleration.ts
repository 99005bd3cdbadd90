/** Hardware for guests: KVM, vsock. That /dev/kvm exists proves nothing: a probe guest must reach its init. */
import { closeSync, constants, existsSync, openSync, readFileSync } from "node:fs";
import { type Check, type CheckContext, type Finding, info, ok, warn } from "./finding.ts";

const probeTimeoutMs = 45_000;

export const accelerationChecks: readonly Check[] = [
  { id: "accelerator", title: "KVM", timeoutMs: probeTimeoutMs, run: accelerator },
  { id: "vsock", title: "vhost-vsock", run: vsock },
];

/** What the hypervisors room offers for this, as far as the doctor uses it. */
interface AcceleratorProbe {
  readonly accelerator: "kvm" | "tcg" | "none";
  readonly reason: string;
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
          `${fact}, but no probe guest boots with it: ${verdict.reason}; guests run by emulation (TCG)`,
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

/** `undefined` when this release cannot probe. */
async function probed(signal: AbortSignal): Promise<AcceleratorProbe | undefined> {
  const room: Readonly<Record<string, unknown>> = await import("@liquidmetal/hypervisors");
  const probe = room["probeAccelerator"];
  if (typeof probe !== "function") return undefined;
  const answer: unknown = await probe({ signal, timeoutMs: probeTimeoutMs - 5_000 });
  const value: unknown =
    isObject(answer) && "ok" in answer ? (answer["ok"] === true ? answer["value"] : undefined) : answer;
  if (!isObject(value)) return undefined;
  const name = value["accelerator"];
  if (name !== "kvm" && name !== "tcg" && name !== "none") return undefined;
  return {
    accelerator: name,
    reason: typeof value["reason"] === "string" ? value["reason"] : "it did not reach its init in time",
  };
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

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
