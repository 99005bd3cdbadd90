/**
 * Choosing the host of a machine: what the pool, the hosts and our own promises say, as the pure room `placement` wants it.
 *
 * `Machine.spec.failureDomain` is obeyed to the letter, also onto a host that is kept free of control planes, but only onto hosts of the pool.
 * Hosts that have not been heard of yet are waited for a moment, so that the first choices after a start are not all for the host that answered first.
 */
import type { HostCandidate, Resources, Workload } from "@liquidmetal/placement";
import type { MicrovmHost, MicrovmMachine } from "../api/index.ts";
import type { Host, HostFacts } from "../hosts/host.ts";
import type { MachineKnowledge } from "./machine-knowledge.ts";
import { isControlPlane, type Occupancy, spreadGroupOf } from "./occupancy.ts";

/** A host of the pool; without `host` when what is needed to reach it is missing. */
export interface PoolHost {
  readonly spec: MicrovmHost;
  readonly host: Host | undefined;
  /** Why there is no `host`. */
  readonly problem?: string;
}

export interface PlacementRequest {
  readonly machine: MicrovmMachine;
  readonly failureDomain: string | undefined;
  readonly pool: readonly PoolHost[];
  readonly nowMs: number;
}

export type Choice =
  | { readonly kind: "chosen"; readonly endpoint: string }
  | { readonly kind: "unknown-failure-domain"; readonly message: string }
  /** Some hosts may still answer: ask again. */
  | { readonly kind: "connecting"; readonly message: string; readonly againMs: number }
  | { readonly kind: "shortage"; readonly message: string };

export type ChoosePlacement = (request: PlacementRequest) => Choice;

/** How long a host may take to be heard of before others are chosen without it, in milliseconds. */
const firstWordMs = 5_000;
const noControlPlane = "no-control-plane";

export function placementWith(knowledge: MachineKnowledge, occupancy: Occupancy): ChoosePlacement {
  return ({ machine, failureDomain, pool, nowMs }) => {
    const uid = machine.metadata?.uid ?? "";
    const wanted = pool.filter(({ spec }) => failureDomain === undefined || spec.endpoint === failureDomain);
    if (wanted.length === 0 && failureDomain !== undefined) {
      return {
        kind: "unknown-failure-domain",
        message: `Machine.spec.failureDomain is ${failureDomain}, which is no host of the pool (${pool.map(({ spec }) => spec.endpoint).join(", ")})`,
      };
    }
    const late = wanted.filter(({ host }) => host !== undefined && isSilent(host, nowMs));
    if (late.length > 0) {
      const names = late.map(({ spec }) => spec.endpoint).join(", ");
      return { kind: "connecting", message: `waiting for the first word of ${names}`, againMs: firstWordMs };
    }
    const refusals = knowledge.refusals(uid);
    const group = spreadGroupOf(machine);
    const candidates = wanted
      .filter(({ spec }) => !refusals.has(spec.endpoint))
      .map((host) => candidateOf(host, machine, new Map([[group, occupancy.count(group, host.spec.endpoint, uid)]])));
    const placed = knowledge.reservations.place(uid, workloadOf(machine, failureDomain), candidates);
    if (!placed.ok) {
      const refused = [...refusals].map(([endpoint, why]) => `${endpoint} refused: ${why}`);
      const problems = wanted.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
      const rest = candidates.length === 0 && refused.length > 0 ? [] : [placed.error.summary];
      return { kind: "shortage", message: [...rest, ...refused, ...new Set(problems)].join("; ") };
    }
    const endpoint = placed.value.host.id;
    // Members are counted by `occupancy`, so the promise carries none.
    knowledge.reservations.enter({ owner: uid, hostId: endpoint, resources: resourcesOf(machine) });
    occupancy.put(machine, endpoint);
    return { kind: "chosen", endpoint };
  };
}

export function resourcesOf({ spec }: MicrovmMachine): Resources {
  const volumes = [spec.rootVolume, ...(spec.additionalVolumes ?? [])];
  const diskMiB = volumes.reduce((sum, { sizeMiB = 0 }) => sum + sizeMiB, 0);
  return { vcpu: spec.vcpu, memoryMiB: spec.memoryMiB, diskMiB };
}

export function workloadOf(machine: MicrovmMachine, failureDomain: string | undefined): Workload {
  const { spec, metadata } = machine;
  const controlPlane = isControlPlane(machine);
  const virtiofs = spec.additionalVolumes?.some(({ virtiofsPath }) => virtiofsPath !== undefined) === true;
  const interfaces = new Set(spec.networkInterfaces.map(({ type }) => `${type} interfaces`));
  return {
    name: metadata?.name ?? "",
    resources: resourcesOf(machine),
    selector: spec.hostSelector?.matchLabels ?? {},
    tolerations: controlPlane && failureDomain === undefined ? [] : [noControlPlane],
    requires: [
      ...(spec.provider === undefined || spec.provider === "" ? [] : [`the hypervisor ${spec.provider}`]),
      ...interfaces,
      ...(virtiofs ? ["virtiofs"] : []),
    ],
    spread: { name: spreadGroupOf(machine), mode: controlPlane ? "even" : "prefer" },
  };
}

function candidateOf(
  { spec, host }: PoolHost,
  machine: MicrovmMachine,
  members: ReadonlyMap<string, number>,
): HostCandidate {
  const facts = host?.facts();
  const state = host?.health().state ?? "refused";
  return {
    id: spec.endpoint,
    ...(spec.name === undefined ? {} : { name: spec.name }),
    failureDomain: spec.endpoint,
    labels: spec.labels === undefined ? (facts?.labels ?? {}) : { ...facts?.labels, ...spec.labels },
    taints: spec.controlPlaneAllowed === false ? [noControlPlane] : [],
    health: state,
    members,
    ...(facts === undefined ? {} : factsOf(facts, machine.spec.provider)),
  };
}

/** Facts are replaced, never changed; a burst of machines looks at the same ones again and again. By facts, then hypervisor. */
const understood = new WeakMap<HostFacts, Map<string, Partial<HostCandidate>>>();

function factsOf(facts: HostFacts, wanted: string | undefined): Partial<HostCandidate> {
  const provider = wanted || facts.defaultProvider;
  const known = understood.get(facts) ?? new Map<string, Partial<HostCandidate>>();
  const before = known.get(provider);
  if (before !== undefined) return before;
  const made = understand(facts, provider);
  understood.set(facts, known.set(provider, made));
  return made;
}

function understand(facts: HostFacts, provider: string): Partial<HostCandidate> {
  const capabilities = capabilitiesOf(facts, provider);
  return {
    platform: facts.platform,
    ...(capabilities === undefined ? {} : { capabilities }),
    allocatable: {
      ...computeOf(facts.allocatable),
      // What of the disk is promised is out of it already; a host that knows nothing of its disk says 0 in all.
      diskMiB: facts.capacity.diskBytes === 0 ? Number.POSITIVE_INFINITY : inMiB(facts.allocatable.diskBytes),
    },
    allocated: { ...computeOf(facts.allocated), diskMiB: 0 },
  };
}

function computeOf({ vcpu, memoryBytes }: HostFacts["allocatable"]): Pick<Resources, "vcpu" | "memoryMiB"> {
  return { vcpu, memoryMiB: inMiB(memoryBytes) };
}

function inMiB(bytes: number): number {
  return Math.floor(bytes / 1_048_576);
}

/** Undefined = the hypervisor tells nothing, so all is believed. */
function capabilitiesOf(facts: HostFacts, provider: string): readonly string[] | undefined {
  const hypervisor = facts.providers.find(({ name }) => name === provider);
  if (hypervisor === undefined || (hypervisor.unavailableReason ?? "") !== "") return [];
  const { capabilities } = hypervisor;
  if (capabilities.length === 0) return undefined;
  return [
    `the hypervisor ${provider}`,
    ...capabilities.map((word) => (word.startsWith("interface:") ? `${word.slice(10)} interfaces` : word)),
  ];
}

function isSilent(host: Host, nowMs: number): boolean {
  const { state, sinceMs } = host.health();
  return state === "unknown" && nowMs - sinceMs < firstWordMs;
}
