/** MicrovmCluster from one version to the other, as far as both can say the same. */
import type {
  FailureDomainV1alpha1,
  MicrovmClusterSpecV1alpha1,
  MicrovmClusterStatusV1alpha1,
  MicrovmClusterV1alpha1,
  MicrovmHostV1alpha1,
} from "../v1alpha1/index.ts";
import type {
  FailureDomain,
  HostAccessSpec,
  MicrovmCluster,
  MicrovmClusterSpec,
  MicrovmClusterStatus,
  MicrovmHost,
} from "../v1beta2/index.ts";
import { conditionsToV1alpha1, conditionsToV1beta2 } from "./conditions.ts";
import { given, present } from "./present.ts";
import { keysToV1beta2 } from "./ssh-public-keys.ts";

export function clusterToV1beta2({ spec, status }: Pick<MicrovmClusterV1alpha1, "spec" | "status">): object {
  return present<Partial<Pick<MicrovmCluster, "spec" | "status">>>({
    spec: spec && specToV1beta2(spec),
    status: status && statusToV1beta2(status),
  });
}

export function clusterToV1alpha1({ spec, status }: Partial<Pick<MicrovmCluster, "spec" | "status">>): object {
  return present<Pick<MicrovmClusterV1alpha1, "spec" | "status">>({
    spec: spec && specToV1alpha1(spec),
    status: status && statusToV1alpha1(status),
  });
}

function specToV1beta2(spec: MicrovmClusterSpecV1alpha1): MicrovmClusterSpec {
  const { host = "", port = 0 } = spec.controlPlaneEndpoint ?? {};
  const pool = spec.placement.staticPool;
  const access = present<HostAccessSpec>({
    tlsSecretRef: named(spec.tlsSecretRef),
    tokenSecretRef: named(pool?.basicAuthSecret),
    proxy: given(spec.microvmProxy?.endpoint) === undefined ? undefined : { url: spec.microvmProxy?.endpoint ?? "" },
  });
  return present<MicrovmClusterSpec>({
    controlPlaneEndpoint: host === "" && port === 0 ? undefined : { host, port },
    sshPublicKeys: keysToV1beta2(spec.sshPublicKeys),
    placement: { staticPool: { hosts: hostsToV1beta2(pool?.hosts ?? []) } },
    hostAccess: Object.keys(access).length === 0 ? undefined : access,
  });
}

/** Upstream collapses hosts of the same endpoint; the last one counts. */
function hostsToV1beta2(hosts: readonly MicrovmHostV1alpha1[]): readonly MicrovmHost[] {
  const byEndpoint = new Map(hosts.map((host) => [host.endpoint, host]));
  return [...byEndpoint.values()].map(({ endpoint, name, controlplaneAllowed }) =>
    present<MicrovmHost>({ endpoint, name: given(name), controlPlaneAllowed: controlplaneAllowed ?? true }),
  );
}

function specToV1alpha1(spec: MicrovmClusterSpec): MicrovmClusterSpecV1alpha1 {
  const { tlsSecretRef, tokenSecretRef, proxy } = spec.hostAccess ?? {};
  return present<MicrovmClusterSpecV1alpha1>({
    controlPlaneEndpoint: spec.controlPlaneEndpoint,
    sshPublicKeys: spec.sshPublicKeys,
    placement: {
      staticPool: present({
        hosts: spec.placement.staticPool.hosts.map(({ endpoint, name, controlPlaneAllowed }) =>
          present<MicrovmHostV1alpha1>({ endpoint, name, controlplaneAllowed: controlPlaneAllowed ?? true }),
        ),
        basicAuthSecret: tokenSecretRef?.name,
      }),
    },
    microvmProxy: proxy && { endpoint: proxy.url },
    tlsSecretRef: tlsSecretRef?.name,
  });
}

function statusToV1beta2(status: MicrovmClusterStatusV1alpha1): MicrovmClusterStatus {
  const domains = Object.entries(status.failureDomains ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return present<MicrovmClusterStatus>({
    initialization: status.ready === true ? { provisioned: true } : undefined,
    failureDomains:
      domains.length === 0
        ? undefined
        : domains.map(([name, { controlPlane, attributes }]) =>
            present<FailureDomain>({ name, controlPlane, attributes }),
          ),
    conditions: status.conditions && conditionsToV1beta2(status.conditions),
  });
}

function statusToV1alpha1(status: MicrovmClusterStatus): MicrovmClusterStatusV1alpha1 {
  return present<MicrovmClusterStatusV1alpha1>({
    ready: status.initialization?.provisioned === true,
    failureDomains:
      status.failureDomains &&
      Object.fromEntries(
        status.failureDomains.map(({ name, controlPlane, attributes }) => [
          name,
          // Upstream's Go leaves a false out.
          present<FailureDomainV1alpha1>({
            controlPlane: controlPlane === false ? undefined : controlPlane,
            attributes,
          }),
        ]),
      ),
    conditions: status.conditions && conditionsToV1alpha1(status.conditions),
  });
}

function named(name: string | undefined): { readonly name: string } | undefined {
  return name === undefined || name === "" ? undefined : { name };
}
