/**
 * The contract with providers of addresses, as their consumer: one claim an address, answered by an IPAddress.
 *
 * Source: ipam.cluster.x-k8s.io/v1beta2 of Cluster API 1.13.
 */
import { type Condition, type KubernetesObject, type Resource, resource } from "@liquidmetal/kubernetes";
import type { ContractReference } from "./core.ts";

export interface IpAddressClaim extends KubernetesObject {
  readonly spec: { readonly clusterName?: string; readonly poolRef: ContractReference };
  readonly status?: { readonly addressRef?: { readonly name: string }; readonly conditions?: readonly Condition[] };
}

export interface IpAddress extends KubernetesObject {
  readonly spec: {
    readonly claimRef: { readonly name: string };
    readonly poolRef: ContractReference;
    readonly address: string;
    readonly prefix?: number;
    readonly gateway?: string;
  };
}

const group = "ipam.cluster.x-k8s.io";

export const ipAddressClaims: Resource<IpAddressClaim> = resource<IpAddressClaim>({
  group,
  version: "v1beta2",
  kind: "IPAddressClaim",
  plural: "ipaddressclaims",
  namespaced: true,
});

export const ipAddresses: Resource<IpAddress> = resource<IpAddress>({
  group,
  version: "v1beta2",
  kind: "IPAddress",
  plural: "ipaddresses",
  namespaced: true,
});
