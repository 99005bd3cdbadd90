/** A machine of a pool, as the plan sees it: what decides whether it stays. */
import { createHash } from "node:crypto";
import { findCondition, isConditionTrue } from "@liquidmetal/kubernetes";
import type { Machine, MicrovmMachine, MicrovmMachinePool } from "../api/index.ts";

export interface PoolMember {
  readonly name: string;
  readonly machine: MicrovmMachine;
  /** The Machine that Cluster API made for it; undefined = not yet, or it is gone. */
  readonly owner: Machine | undefined;
  readonly deleting: boolean;
  /** Made from the template as it is now. */
  readonly current: boolean;
  readonly ready: boolean;
  /** It was provisioned and does not run any more, or never will. */
  readonly failed: boolean;
  /** Somebody asked that this one goes first when one has to go. */
  readonly chosen: boolean;
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
}

/** On a MicrovmMachine of a pool: what it was made from. */
export const templateAnnotation = "capmvm.liquidmetal.dev/template";
/** On a Machine (or MicrovmMachine): goes first. Cluster API's, set by its autoscaler. */
export const deleteMachineAnnotation = "cluster.x-k8s.io/delete-machine";

const hopeless: readonly string[] = [
  "Failed",
  "NotRunning",
  "Vanished",
  "CreateRefused",
  "NameTaken",
  "ProviderIDInvalid",
];

export function poolMember(machine: MicrovmMachine, owner: Machine | undefined, template: string): PoolMember {
  const { metadata, status } = machine;
  const provisioned = findCondition(status?.conditions, "VMProvisioned");
  return {
    name: metadata?.name ?? "",
    machine,
    owner,
    deleting: metadata?.deletionTimestamp !== undefined || owner?.metadata?.deletionTimestamp !== undefined,
    current: metadata?.annotations?.[templateAnnotation] === template,
    ready: isConditionTrue(status?.conditions, "Ready"),
    failed: provisioned?.status === "False" && hopeless.includes(provisioned.reason),
    chosen: [metadata, owner?.metadata].some((one) => one?.annotations?.[deleteMachineAnnotation] !== undefined),
    createdMs: Date.parse(metadata?.creationTimestamp ?? "") || 0,
  };
}

/** Digest of what a machine is made from: the template, and which bootstrap data. The data's content may change (tokens do) without a new machine. */
export function templateDigest(pool: MicrovmMachinePool, dataSecretName: string): string {
  const { providerID: _, ...spec } = pool.spec.template.spec;
  const text = JSON.stringify([sorted(spec), sorted(pool.spec.template.metadata ?? {}), dataSecretName]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** The same for every order of keys. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}
