/**
 * A microVM as the command line shows it. The object of `-o json` is a contract, described in docs/cli-output.md: fields are added, never
 * renamed or removed.
 */
import { toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { MicroVMSpecSchema, MicroVMStatus_MicroVMState, MicroVMStatusSchema } from "@liquidmetal/api";
import type { MicroVm } from "../client/messages.ts";
import type { Json } from "../output/format.ts";
import type { Presentation } from "../output/print.ts";
import { age } from "../program/duration.ts";

export interface MicroVmView {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** pending, preparing, starting, running, paused, stopping, stopped, failed, deleting. */
  readonly phase: string;
  readonly ready: boolean;
  readonly addresses: readonly string[];
  readonly reason: string;
  readonly message: string;
  readonly provider: string;
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAtMs: number | undefined;
  readonly desired: string;
  readonly boots: number;
  readonly microvm: MicroVm;
}

/** Phases of servers that know only upstream's four states. */
const phaseOfState: Readonly<Record<MicroVMStatus_MicroVMState, string>> = {
  [MicroVMStatus_MicroVMState.PENDING]: "pending",
  [MicroVMStatus_MicroVMState.CREATED]: "running",
  [MicroVMStatus_MicroVMState.FAILED]: "failed",
  [MicroVMStatus_MicroVMState.DELETING]: "deleting",
};

export function viewOf(microvm: MicroVm): MicroVmView {
  const { spec, status } = microvm;
  const phase = status?.phase ?? "";
  return {
    namespace: spec?.namespace ?? "",
    name: spec?.id ?? "",
    uid: spec?.uid ?? "",
    phase: phase !== "" ? phase : (phaseOfState[status?.state ?? MicroVMStatus_MicroVMState.PENDING] ?? "pending"),
    ready: status?.ready ?? false,
    addresses: status?.addresses ?? [],
    reason: status?.reason ?? "",
    message: status?.message ?? "",
    provider: spec?.provider ?? "",
    vcpu: spec?.vcpu ?? 0,
    memoryMiB: spec?.memoryInMb ?? 0,
    labels: spec?.labels ?? {},
    createdAtMs: spec?.createdAt === undefined ? undefined : timestampMs(spec.createdAt),
    desired: status?.desiredState ?? "",
    boots: status?.boots ?? 0,
    microvm,
  };
}

export function jsonOfView(view: MicroVmView): Json {
  const { spec, status } = view.microvm;
  return {
    namespace: view.namespace,
    name: view.name,
    uid: view.uid,
    phase: view.phase,
    ready: view.ready,
    addresses: view.addresses,
    reason: view.reason,
    message: view.message,
    provider: view.provider,
    vcpu: view.vcpu,
    memoryMiB: view.memoryMiB,
    labels: view.labels,
    createdAt: view.createdAtMs === undefined ? null : new Date(view.createdAtMs).toISOString(),
    desiredState: view.desired,
    boots: view.boots,
    spec:
      spec === undefined ? null : (toJson(MicroVMSpecSchema, { ...spec, metadata: redacted(spec.metadata) }) as Json),
    status: status === undefined ? null : (toJson(MicroVMStatusSchema, status, { alwaysEmitImplicit: true }) as Json),
  };
}

/** User data may hold secrets: the output names the documents and their sizes, never their content. */
function redacted(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => [key, `(${Buffer.byteLength(value, "base64")} bytes)`]),
  );
}

export function presentation(nowMs: number, withNamespace: boolean): Presentation<MicroVmView> {
  const namespace = { header: "NAMESPACE", value: (view: MicroVmView) => view.namespace };
  return {
    columns: [
      ...(withNamespace ? [namespace] : []),
      { header: "NAME", value: (view) => view.name, elastic: true },
      { header: "PHASE", value: (view) => phaseText(view), elastic: true },
      { header: "READY", value: (view) => (view.ready ? "yes" : "no") },
      { header: "ADDRESS", value: (view) => view.addresses.join(",") || "-" },
      { header: "VCPU", value: (view) => String(view.vcpu) },
      { header: "MEMORY", value: (view) => `${view.memoryMiB} MiB` },
      { header: "AGE", value: (view) => (view.createdAtMs === undefined ? "-" : age(nowMs - view.createdAtMs)) },
      { header: "PROVIDER", value: (view) => view.provider || "-", wide: true },
      { header: "IMAGE", value: (view) => imageOf(view), wide: true },
      { header: "BOOTS", value: (view) => String(view.boots), wide: true },
      { header: "UID", value: (view) => view.uid, wide: true },
    ],
    json: jsonOfView,
    name: (view) => `${view.namespace}/${view.name}`,
  };
}

export function phaseText(view: MicroVmView): string {
  return view.reason === "" ? view.phase : `${view.phase} (${view.reason})`;
}

function imageOf(view: MicroVmView): string {
  const source = view.microvm.spec?.rootVolume?.source;
  return source?.containerSource ?? source?.virtiofsSource ?? "-";
}
