/**
 * What `clusterctl init` leaves behind besides the components: labels on everything of a provider, and an entry in the inventory. By them clusterctl finds what to
 * move and what can be upgraded.
 *
 * Source: Cluster API, cmd/clusterctl/client/repository/components.go (common labels, inventory object).
 */
import type { Manifest } from "./manifest.ts";

export interface InstalledProvider {
  /** As clusterctl knows it: `kubeadm`, `microvm`. */
  readonly name: string;
  readonly type: "CoreProvider" | "BootstrapProvider" | "ControlPlaneProvider" | "InfrastructureProvider";
  /** With its v. */
  readonly version: string;
  readonly namespace: string;
}

const prefixes: Readonly<Record<InstalledProvider["type"], string>> = {
  CoreProvider: "",
  BootstrapProvider: "bootstrap-",
  ControlPlaneProvider: "control-plane-",
  InfrastructureProvider: "infrastructure-",
};

/** The manifests with clusterctl's labels. */
export function asInstalled(manifests: readonly Manifest[], provider: InstalledProvider): readonly Manifest[] {
  const labels = commonLabels(provider);
  return manifests.map((manifest) => ({
    ...manifest,
    metadata: { ...manifest.metadata, labels: { ...manifest.metadata.labels, ...labels } },
  }));
}

/** The entry in the inventory. Its CRD has to be there. */
export function inventoryEntry(provider: InstalledProvider): Manifest {
  const { name, type, version, namespace } = provider;
  return {
    apiVersion: "clusterctl.cluster.x-k8s.io/v1alpha3",
    kind: "Provider",
    metadata: {
      name: label(provider),
      namespace,
      labels: { ...commonLabels(provider), "clusterctl.cluster.x-k8s.io/core": "inventory" },
    },
    providerName: name,
    type,
    version,
  };
}

const label = ({ name, type }: InstalledProvider): string => `${prefixes[type]}${name}`;

const commonLabels = (provider: InstalledProvider): Readonly<Record<string, string>> => ({
  "clusterctl.cluster.x-k8s.io": "",
  "cluster.x-k8s.io/provider": label(provider),
});
