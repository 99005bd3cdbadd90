/** The variables of the templates, from flags: docs/capmvm.md lists them. What --set says wins over every flag. */

import { isIP } from "node:net";
import { type FlagValues, usage } from "../../program/flag-values.ts";
import { parseMiB } from "../../program/size.ts";
import type { MachineImages } from "./node-images.ts";

export interface VariableSources {
  readonly name: string;
  readonly namespace: string;
  readonly flags: FlagValues;
  readonly images?: MachineImages;
  /** host:port of flintlockd, as the management cluster reaches it. */
  readonly hosts: readonly string[];
  /** Addresses of which the control plane gets one. */
  readonly addressPool?: readonly string[];
}

export function templateVariablesOf(sources: VariableSources): Readonly<Record<string, string>> {
  const { flags, images, hosts, addressPool = [] } = sources;
  const size = (role: string, flag: string): string | undefined =>
    memory(flags, `${role}-${flag}`) ?? memory(flags, flag);
  const count = (role: string): string | undefined => whole(flags, `${role}-vcpu`) ?? whole(flags, "vcpu");
  const variables: Readonly<Record<string, string | undefined>> = {
    CLUSTER_NAME: sources.name,
    NAMESPACE: sources.namespace,
    KUBERNETES_VERSION: images?.version ?? flags.text("kubernetes-version"),
    CONTROL_PLANE_MACHINE_COUNT: String(controlPlaneCount(flags)),
    WORKER_MACHINE_COUNT: String(flags.integer("worker-count", { min: 0, max: 1_000 }) ?? 1),
    CONTROL_PLANE_VIP: endpointHost(flags),
    CONTROL_PLANE_PORT: endpointPort(flags),
    CONTROL_PLANE_ADDRESSES: addressPool.length === 0 ? undefined : addressPool.join(","),
    HOST_ENDPOINT: hosts.length === 0 ? undefined : hosts.join(","),
    MVM_ROOT_IMAGE: images?.root ?? flags.text("image"),
    MVM_KERNEL_IMAGE: images?.kernel ?? flags.text("kernel"),
    MVM_KERNEL_FILENAME: images?.kernelFile ?? flags.text("kernel-file"),
    MVM_INITRD: images?.initrd === undefined ? undefined : JSON.stringify(images.initrd),
    POD_CIDR: flags.text("pod-cidr"),
    SERVICES_CIDR: flags.text("service-cidr"),
    CONTROL_PLANE_VCPU: count("control-plane"),
    CONTROL_PLANE_MEMORY_MIB: size("control-plane", "memory"),
    CONTROL_PLANE_ROOT_SIZE_MIB: size("control-plane", "disk"),
    WORKER_VCPU: count("worker"),
    WORKER_MEMORY_MIB: size("worker", "memory"),
    WORKER_ROOT_SIZE_MIB: size("worker", "disk"),
  };
  const said = Object.entries(variables).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return { ...Object.fromEntries(said), ...settings(flags) };
}

/** Throws REQUEST_INVALID for an even number: it loses as many machines as the odd one below, and has more to lose. */
function controlPlaneCount(flags: FlagValues): number {
  const count = flags.integer("control-plane-count", { min: 1, max: 9 }) ?? 1;
  return checkedControlPlaneCount(count, "--control-plane-count");
}

export function checkedControlPlaneCount(count: number, flag: string): number {
  if (count % 2 === 1) return count;
  throw usage(`${flag} must be odd: etcd with ${count} members survives no more losses than with ${count - 1}`);
}

/** `--set NAME=VALUE`. */
export function settings(flags: FlagValues): Readonly<Record<string, string>> {
  return Object.fromEntries(
    flags.list("set").map((text) => {
      const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text);
      if (match === null) throw usage(`--set '${text}' is not NAME=VALUE`);
      return [match[1] ?? "", match[2] ?? ""] as const;
    }),
  );
}

/** `10.0.0.240`, `10.0.0.240:6443`, `[fd00::1]:6443`, `api.example.org`. */
const endpointForm = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)|([0-9a-fA-F]*:[0-9a-fA-F:.]+))(?::(\d{1,5}))?$/;

function endpointHost(flags: FlagValues): string | undefined {
  const match = endpointMatch(flags);
  return match === undefined ? undefined : (match[1] ?? match[2] ?? match[3]);
}

function endpointPort(flags: FlagValues): string | undefined {
  return endpointMatch(flags)?.[4];
}

function endpointMatch(flags: FlagValues): RegExpExecArray | undefined {
  const text = flags.text("endpoint");
  if (text === undefined) return undefined;
  const match = endpointForm.exec(text);
  const address = match?.[1] ?? match?.[3];
  if (
    match === null ||
    (address !== undefined && isIP(address) !== 6) ||
    Number(match[4] ?? 1) < 1 ||
    Number(match[4] ?? 1) > 65_535
  )
    throw usage(`--endpoint '${text}' is neither an address nor a name, with or without :PORT`);
  return match;
}

function memory(flags: FlagValues, flag: string): string | undefined {
  const text = flags.text(flag);
  if (text === undefined) return undefined;
  const sizeMiB = parseMiB(text);
  if (sizeMiB === undefined || sizeMiB < 1) throw usage(`--${flag} must be a size such as 512M or 2G, not '${text}'`);
  return String(sizeMiB);
}

function whole(flags: FlagValues, flag: string): string | undefined {
  const count = flags.integer(flag, { min: 1, max: 64 });
  return count === undefined ? undefined : String(count);
}
