/** What wants a place: a microVM before it is made. */
import type { Resources } from "./resources.ts";

export interface SpreadGroup {
  /** Workloads of one group keep apart: the control plane of a cluster, the machines of one deployment. */
  readonly name: string;
  /**
   * `even`: a failure domain with fewer members always wins over one with more, as far as there is room.
   * `prefer`: fewer members count like any other score.
   */
  readonly mode: "even" | "prefer";
}

export interface Workload {
  /** Breaks ties: the same name prefers the same host among equals. */
  readonly name: string;
  readonly resources: Resources;
  /** Labels that the host must have, each with this value. Default none. */
  readonly selector?: Readonly<Record<string, string>>;
  /** Taints that do not matter to this workload. Default none. */
  readonly tolerations?: readonly string[];
  /** Capabilities that the host must have. Default none. */
  readonly requires?: readonly string[];
  /** OCI platform that the host must have. Default any. */
  readonly platform?: string;
  /** Only hosts of these failure domains. Default all. */
  readonly failureDomains?: readonly string[];
  readonly spread?: SpreadGroup;
}
