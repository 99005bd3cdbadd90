/** The ports of an embedded plane. In a network namespace of its own they are always the same; beside others on a host, free ones are chosen once and kept. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "../plan/ports.ts";
import { replaceFile } from "./replace-file.ts";

export interface SeatPorts {
  readonly webhook: number;
  readonly health: number;
}

export interface PlanePorts {
  readonly apiServer: Readonly<Record<"etcd" | "etcd-peer" | "kube-apiserver" | "kube-controller-manager", number>>;
  readonly seats: Readonly<Record<"cluster-api" | "kubeadm-bootstrap" | "kubeadm-control-plane" | "capmvm", SeatPorts>>;
  /** Of the keeper. */
  readonly keeper: number;
  /** Where capmvm finds the host agent. */
  readonly agent: number;
}

/** As everybody knows them from clusters, as far as they differ there. */
export const usualPorts = {
  etcd: 2379,
  "etcd-peer": 2380,
  "kube-apiserver": 6443,
  "kube-controller-manager": 10_257,
  "cluster-api-webhook": 9443,
  "cluster-api-health": 9440,
  "kubeadm-bootstrap-webhook": 9444,
  "kubeadm-bootstrap-health": 9441,
  "kubeadm-control-plane-webhook": 9445,
  "kubeadm-control-plane-health": 9442,
  "capmvm-webhook": 9446,
  "capmvm-health": 9447,
  keeper: 9439,
  agent: 9090,
} as const;

type PortName = keyof typeof usualPorts;
const names = Object.keys(usualPorts) as PortName[];

export const usualPlanePorts: PlanePorts = arranged(usualPorts);

/** Free ports of the host, kept in `ports.json` of the plane's folder. */
export async function keptPlanePorts(directory: string): Promise<PlanePorts> {
  return arranged(await keptPorts(join(directory, "ports.json"), names));
}

/** The ports that a file holds; those that it lacks are chosen, and added to it. */
export async function keptPorts<Name extends string>(
  file: string,
  wanted: readonly Name[],
): Promise<Readonly<Record<Name, number>>> {
  const kept = await readFile(file, "utf8").then(
    (text) => JSON.parse(text) as Readonly<Record<string, number>>,
    () => ({}) as Readonly<Record<string, number>>,
  );
  const missing = wanted.filter((name) => !Number.isInteger(kept[name]));
  const ports = { ...kept, ...(missing.length > 0 && (await freePorts(missing, Object.values(kept)))) };
  await replaceFile(file, `${JSON.stringify(ports, null, 2)}\n`);
  return ports as Readonly<Record<Name, number>>;
}

function arranged(ports: Readonly<Record<PortName, number>>): PlanePorts {
  const seat = (name: keyof PlanePorts["seats"]): SeatPorts => ({
    webhook: ports[`${name}-webhook`],
    health: ports[`${name}-health`],
  });
  return {
    apiServer: ports,
    seats: {
      "cluster-api": seat("cluster-api"),
      "kubeadm-bootstrap": seat("kubeadm-bootstrap"),
      "kubeadm-control-plane": seat("kubeadm-control-plane"),
      capmvm: seat("capmvm"),
    },
    keeper: ports.keeper,
    agent: ports.agent,
  };
}

/** Ports on which programs listen on all addresses, having no flag for it. */
export function openPorts({ seats }: PlanePorts): readonly number[] {
  return [seats["cluster-api"], seats["kubeadm-bootstrap"], seats["kubeadm-control-plane"]].map(
    ({ webhook }) => webhook,
  );
}
