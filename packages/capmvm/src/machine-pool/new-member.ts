/**
 * A new MicrovmMachine of a pool.
 *
 * The pool owns it, but not as its controller: that is the Machine which Cluster API makes for it, and an object has one controller. The labels are those by
 * which Cluster API finds the machines of a pool. Source: Cluster API proposal "MachinePool Machines"; util/labels/format.
 */
import type { Entropy } from "@liquidmetal/foundation";
import {
  annotations,
  clusterApiNames,
  infrastructureApiVersion,
  type MachinePool,
  type MicrovmMachine,
  type MicrovmMachinePool,
} from "../api/index.ts";
import { templateAnnotation } from "./pool-member.ts";

export interface NewMemberOptions {
  readonly pool: MicrovmMachinePool;
  readonly machinePool: MachinePool;
  readonly template: string;
  /** Only on this host; undefined = any. */
  readonly failureDomain: string | undefined;
  readonly entropy: Entropy;
}

export function newMember(options: NewMemberOptions): MicrovmMachine {
  const { pool, machinePool, template, failureDomain, entropy } = options;
  const { name = "", namespace = "", uid = "", labels = {} } = pool.metadata ?? {};
  const { providerID: _, ...spec } = pool.spec.template.spec;
  const filter = labels[clusterApiNames.watchFilterLabel];
  return {
    metadata: {
      namespace,
      name: memberName(name, entropy),
      labels: {
        ...pool.spec.template.metadata?.labels,
        ...(filter === undefined ? {} : { [clusterApiNames.watchFilterLabel]: filter }),
        [clusterApiNames.clusterNameLabel]: machinePool.spec?.clusterName ?? "",
        [clusterApiNames.machinePoolLabel]: labelValue(machinePool.metadata?.name ?? ""),
      },
      annotations: {
        ...pool.spec.template.metadata?.annotations,
        [templateAnnotation]: template,
        ...(failureDomain === undefined ? {} : { [annotations.failureDomain]: failureDomain }),
      },
      ownerReferences: [{ apiVersion: infrastructureApiVersion, kind: "MicrovmMachinePool", name, uid }],
    },
    spec,
  };
}

/** Host names have 63 characters, and the kubelet takes its name from there. */
const nameMax = 63;
const letters = "bcdfghjklmnpqrstvwxz2456789";

function memberName(pool: string, entropy: Entropy): string {
  const suffix = [...entropy.bytes(6)].map((byte) => letters[byte % letters.length]).join("");
  return `${pool.slice(0, nameMax - suffix.length - 1)}-${suffix}`;
}

/** The name as a label's value: itself if it may be one, else a digest, made as Cluster API makes it (FNV-1a, 32 bit). */
export function labelValue(name: string): string {
  if (name === "" || (name.length <= 63 && /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(name))) return name;
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(hash);
  return `hash_${bytes.toString("base64url")}_z`;
}

/** Of the domains that the MachinePool names, the one with the fewest of its machines; the first among equals. */
export function sparsestDomain(
  failureDomains: readonly string[] | undefined,
  members: readonly MicrovmMachine[],
): string | undefined {
  const count = (domain: string): number =>
    members.filter(({ metadata }) => metadata?.annotations?.[annotations.failureDomain] === domain).length;
  return failureDomains?.toSorted((a, b) => count(a) - count(b))[0];
}
