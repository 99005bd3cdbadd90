/** MicrovmCluster: where the machines of a cluster may run, how its hosts are reached, and the address of its control plane. */
import {
  atomicList,
  type Condition,
  type KubernetesObject,
  listMap,
  type Resource,
  resource,
  rules,
} from "@liquidmetal/kubernetes";
import { z } from "zod";
import { conditionList, notEmpty, stringMap, text, whole } from "./fields.ts";
import { type SshPublicKeys, sshPublicKeysList } from "./machine-spec.ts";
import { infrastructureGroup } from "./names.ts";

export interface ApiEndpoint {
  readonly host: string;
  readonly port: number;
}

export interface MicrovmHost {
  /** `host:port` of flintlockd; the name of the failure domain. */
  readonly endpoint: string;
  readonly name?: string;
  /** Default true. */
  readonly controlPlaneAllowed: boolean;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ControlPlaneAddressPool {
  /** Addresses, CIDRs or ranges `first-last`. */
  readonly addresses?: readonly string[];
  /** A pool of an IPAM provider. */
  readonly poolRef?: { readonly apiGroup: string; readonly kind: string; readonly name: string };
  /** Default 6443. */
  readonly port: number;
}

export interface HostAccessSpec {
  /** Secret with tls.crt, tls.key, ca.crt. Absent = no TLS. */
  readonly tlsSecretRef?: { readonly name: string };
  /** Secret with one token a host, by its address without the port. */
  readonly tokenSecretRef?: { readonly name: string };
  /** HTTP CONNECT proxy. */
  readonly proxy?: { readonly url: string };
}

export interface MicrovmClusterSpec {
  readonly controlPlaneEndpoint?: ApiEndpoint;
  readonly controlPlaneAddressPool?: ControlPlaneAddressPool;
  readonly sshPublicKeys?: readonly SshPublicKeys[];
  readonly placement: { readonly staticPool: { readonly hosts: readonly MicrovmHost[] } };
  readonly hostAccess?: HostAccessSpec;
}

export interface FailureDomain {
  readonly name: string;
  readonly controlPlane?: boolean;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Amounts of a host as far as microVMs are concerned. */
export interface HostAmounts {
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
}

export interface MicrovmHostStatus {
  readonly endpoint: string;
  readonly name?: string;
  readonly state: "Unknown" | "Reachable" | "Unreachable" | "Refused";
  readonly message?: string;
  /** Of flintlockd. */
  readonly version?: string;
  /** OCI platform, as in linux/amd64. */
  readonly platform?: string;
  readonly capacity?: HostAmounts;
  readonly allocatable?: HostAmounts;
  readonly allocated?: HostAmounts;
  /** Of this cluster. */
  readonly microVms?: number;
}

export interface MicrovmClusterStatus {
  readonly initialization?: { readonly provisioned?: boolean };
  readonly failureDomains?: readonly FailureDomain[];
  readonly hosts?: readonly MicrovmHostStatus[];
  readonly conditions?: readonly Condition[];
}

export interface MicrovmCluster extends KubernetesObject {
  readonly spec: MicrovmClusterSpec;
  readonly status?: MicrovmClusterStatus;
}

export const microvmClusters: Resource<MicrovmCluster> = resource<MicrovmCluster>({
  group: infrastructureGroup,
  version: "v1beta2",
  kind: "MicrovmCluster",
  plural: "microvmclusters",
  namespaced: true,
});

/** Domains that a Cluster may have: the bound of the contract. */
export const hostsMax = 100;

const secretRef = z.object({ name: text(253).describe("Name of a Secret in the same namespace.") });

export const clusterSpecSchema: z.ZodType<MicrovmClusterSpec> = z.object({
  controlPlaneEndpoint: z
    .object({
      host: text(512).describe("Address or name of the API server."),
      port: whole(1, 65_535).describe("Port of the API server."),
    })
    .describe("Where the API server of the cluster is reached. Fixed once it is set.")
    .exactOptional(),
  controlPlaneAddressPool: z
    .object({
      addresses: z
        .array(text(128))
        .min(1)
        .max(100)
        .meta(atomicList())
        .describe(
          "Addresses, CIDRs or ranges (10.0.0.240-10.0.0.250), of which one that no other cluster has is taken.",
        )
        .exactOptional(),
      poolRef: z
        .object({ apiGroup: text(253), kind: text(63), name: text(253) })
        .describe("A pool of an IPAM provider, from which an address is claimed.")
        .exactOptional(),
      port: whole(1, 65_535).describe("Port of the API server.").default(6_443),
    })
    .meta(
      rules({
        rule: "has(self.addresses) != has(self.poolRef)",
        message: "the pool is either a list of addresses or a reference to a pool of an IPAM provider",
      }),
    )
    .describe("Where the endpoint comes from if none is given.")
    .exactOptional(),
  sshPublicKeys: sshPublicKeysList.describe("Keys that may log in to every machine of the cluster.").exactOptional(),
  placement: z
    .object({
      staticPool: z
        .object({
          hosts: z
            .array(
              z.object({
                endpoint: text(512).describe("host:port of flintlockd; names the failure domain."),
                name: text(253).describe("Name for people.").exactOptional(),
                controlPlaneAllowed: z.boolean().describe("Whether control-plane machines may run here.").default(true),
                labels: stringMap.describe("Labels of the host, besides those that it reports.").exactOptional(),
              }),
            )
            .min(1)
            .max(hostsMax)
            .meta(listMap("endpoint"))
            .describe("The hosts."),
        })
        .describe("A fixed list of hosts."),
    })
    .describe("Where machines run."),
  hostAccess: z
    .object({
      tlsSecretRef: secretRef.describe("Secret with tls.crt, tls.key and ca.crt. Absent = no TLS.").exactOptional(),
      tokenSecretRef: secretRef
        .describe("Secret with one token a host; the key is the host's address without the port.")
        .exactOptional(),
      proxy: z
        .object({ url: text(2_048).describe("URL of the proxy, as in http://10.0.0.5:3128.") })
        .describe("HTTP proxy (CONNECT) on the way to the hosts.")
        .exactOptional(),
    })
    .meta(notEmpty())
    .describe("How the hosts are reached.")
    .exactOptional(),
});

const amounts = z.object({ vcpu: z.int().min(0), memoryMiB: z.int().min(0), diskMiB: z.int().min(0) });

/** At most once from absent or false to true: Cluster API reads it so. */
export const initializationSchema: z.ZodType<{ readonly provisioned?: boolean }> = z
  .object({ provisioned: z.boolean().describe("True once, and from then on.").exactOptional() })
  .meta(notEmpty())
  .describe("Whether the infrastructure was made.");

export const microvmClusterSchema: z.ZodType<Pick<MicrovmCluster, "spec" | "status">> = z.object({
  spec: clusterSpecSchema
    .meta(
      rules({
        rule: "!has(oldSelf.controlPlaneEndpoint) || (has(self.controlPlaneEndpoint) && self.controlPlaneEndpoint == oldSelf.controlPlaneEndpoint)",
        message: "the endpoint of the control plane cannot change once it is set: certificates and nodes hold it",
        fieldPath: ".controlPlaneEndpoint",
        reason: "FieldValueForbidden",
      }),
    )
    .describe("What shall be."),
  status: z
    .object({
      initialization: initializationSchema.exactOptional(),
      failureDomains: z
        .array(
          z.object({
            name: text(256).describe("Endpoint of the host."),
            controlPlane: z.boolean().describe("Whether control-plane machines may run here.").exactOptional(),
            attributes: stringMap.describe("What else is known of it.").exactOptional(),
          }),
        )
        .min(1)
        .max(hostsMax)
        .meta(listMap("name"))
        .describe("One for each host of the pool.")
        .exactOptional(),
      hosts: z
        .array(
          z.object({
            endpoint: text(512).describe("host:port of flintlockd."),
            name: text(253).describe("Name for people.").exactOptional(),
            state: z.enum(["Unknown", "Reachable", "Unreachable", "Refused"]).describe("Whether it answers."),
            message: text(4_096, 0).describe("Why it does not.").exactOptional(),
            version: text(128).describe("Version of flintlockd.").exactOptional(),
            platform: text(128).describe("OCI platform, as in linux/amd64.").exactOptional(),
            capacity: amounts.describe("What the machine has.").exactOptional(),
            allocatable: amounts.describe("What microVMs may have of it.").exactOptional(),
            allocated: amounts.describe("What microVMs have of it, of all clusters.").exactOptional(),
            microVms: z.int().min(0).describe("MicroVMs of this cluster.").exactOptional(),
          }),
        )
        .max(hostsMax)
        .meta(listMap("endpoint"))
        .describe("The hosts as last seen.")
        .exactOptional(),
      conditions: conditionList.exactOptional(),
    })
    .describe("What is.")
    .exactOptional(),
});
