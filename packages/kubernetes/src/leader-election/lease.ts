/** coordination.k8s.io/v1 Lease as a leader's record, written as client-go writes it, so that its electors and ours take turns on one lease. */
import { type KubernetesObject, type Resource, resource } from "../object.ts";

export interface LeaseSpec {
  /** "" = released. */
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  /** metav1.MicroTime. */
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

export interface Lease extends KubernetesObject {
  readonly spec?: LeaseSpec;
}

export const leases: Resource<Lease> = resource<Lease>({
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
});

/** metav1.MicroTime: RFC 3339 with exactly six digits. */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000Z");
}
