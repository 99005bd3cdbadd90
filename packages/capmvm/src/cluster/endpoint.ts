/**
 * Where the endpoint of the control plane comes from: the user's word first, on the Cluster or on the MicrovmCluster; else a pool of addresses; else somebody
 * else may still give one (a hosted control plane), and that is waited for. Pure.
 */
import { canonicalHost } from "../address/ip-address.ts";
import type { ApiEndpoint, Cluster, ControlPlaneAddressPool, MicrovmCluster } from "../api/index.ts";

export type EndpointSource =
  | { readonly from: "cluster" | "microvm-cluster"; readonly endpoint: ApiEndpoint }
  /** They name different ones. The Cluster's is what everybody uses. */
  | { readonly from: "both"; readonly cluster: ApiEndpoint; readonly microvmCluster: ApiEndpoint }
  | { readonly from: "addresses"; readonly addresses: readonly string[]; readonly port: number }
  | { readonly from: "pool"; readonly poolRef: NonNullable<ControlPlaneAddressPool["poolRef"]>; readonly port: number }
  | { readonly from: "contradiction"; readonly message: string }
  | { readonly from: "nowhere" };

export const defaultApiPort = 6_443;

export function endpointSource(cluster: Cluster | undefined, microvmCluster: MicrovmCluster): EndpointSource {
  const { controlPlaneEndpoint, controlPlaneAddressPool } = microvmCluster.spec;
  const theirs = completeEndpoint(cluster?.spec?.controlPlaneEndpoint);
  const ours = completeEndpoint(controlPlaneEndpoint);
  if (theirs !== undefined && ours !== undefined) {
    return sameEndpoint(theirs, ours)
      ? { from: "microvm-cluster", endpoint: ours }
      : { from: "both", cluster: theirs, microvmCluster: ours };
  }
  if (ours !== undefined) return { from: "microvm-cluster", endpoint: ours };
  if (theirs !== undefined) return { from: "cluster", endpoint: theirs };
  if (controlPlaneAddressPool === undefined) return { from: "nowhere" };
  return fromPool(controlPlaneAddressPool);
}

function fromPool({ addresses = [], poolRef, port = defaultApiPort }: ControlPlaneAddressPool): EndpointSource {
  if (poolRef !== undefined && addresses.length > 0) {
    return { from: "contradiction", message: "controlPlaneAddressPool has both addresses and a poolRef: keep one" };
  }
  if (poolRef !== undefined) return { from: "pool", poolRef, port };
  if (addresses.length > 0) return { from: "addresses", addresses, port };
  return { from: "contradiction", message: "controlPlaneAddressPool has neither addresses nor a poolRef: give one" };
}

/** Undefined unless both parts are there: Cluster API writes "" and 0 for what is not. */
export function completeEndpoint(endpoint: Partial<ApiEndpoint> | undefined): ApiEndpoint | undefined {
  const { host = "", port = 0 } = endpoint ?? {};
  return host === "" || port === 0 ? undefined : { host, port };
}

export function sameEndpoint(a: ApiEndpoint, b: ApiEndpoint): boolean {
  return a.port === b.port && canonicalHost(a.host) === canonicalHost(b.host);
}

/** For people and URLs: an IPv6 address stands in brackets. */
export function formatEndpoint({ host, port }: ApiEndpoint): string {
  const bare = canonicalHost(host);
  return `${bare.includes(":") ? `[${bare}]` : bare}:${port}`;
}
