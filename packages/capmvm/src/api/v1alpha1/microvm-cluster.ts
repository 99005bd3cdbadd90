/** Upstream's MicrovmCluster. */
import type { KubernetesObject } from "@liquidmetal/kubernetes";
import { z } from "zod";
import { type ConditionV1alpha1, conditionsV1alpha1 } from "./condition.ts";
import { type SshPublicKeysV1alpha1, sshPublicKeysV1alpha1 } from "./machine-spec.ts";

export interface MicrovmHostV1alpha1 {
  readonly endpoint: string;
  readonly name?: string;
  readonly controlplaneAllowed: boolean;
}

export interface MicrovmClusterSpecV1alpha1 {
  /** Upstream writes {host: "", port: 0} for "not set". */
  readonly controlPlaneEndpoint?: { readonly host: string; readonly port: number };
  readonly sshPublicKeys?: readonly SshPublicKeysV1alpha1[];
  readonly placement: {
    readonly staticPool?: { readonly hosts: readonly MicrovmHostV1alpha1[]; readonly basicAuthSecret?: string };
  };
  readonly microvmProxy?: { readonly endpoint: string };
  readonly tlsSecretRef?: string;
}

export interface FailureDomainV1alpha1 {
  readonly controlPlane?: boolean;
  readonly attributes?: Readonly<Record<string, string>>;
}

export interface MicrovmClusterStatusV1alpha1 {
  readonly ready?: boolean;
  readonly failureDomains?: Readonly<Record<string, FailureDomainV1alpha1>>;
  readonly conditions?: readonly ConditionV1alpha1[];
}

export interface MicrovmClusterV1alpha1 extends KubernetesObject {
  readonly spec?: MicrovmClusterSpecV1alpha1;
  readonly status?: MicrovmClusterStatusV1alpha1;
}

export const microvmClusterSchemaV1alpha1: z.ZodType<Pick<MicrovmClusterV1alpha1, "spec" | "status">> = z.object({
  spec: z
    .object({
      controlPlaneEndpoint: z
        .object({
          host: z.string().max(512).describe("Address or name of the API server."),
          port: z.int32().describe("Port of the API server."),
        })
        .describe("Where the API server of the cluster is reached.")
        .exactOptional(),
      sshPublicKeys: sshPublicKeysV1alpha1
        .describe("Keys that may log in to every machine of the cluster.")
        .exactOptional(),
      placement: z
        .object({
          staticPool: z
            .object({
              hosts: z
                .array(
                  z.object({
                    endpoint: z.string().describe("host:port of flintlockd; names the failure domain."),
                    name: z.string().describe("Name for people.").exactOptional(),
                    // Required and defaulted, as upstream has it.
                    controlplaneAllowed: z
                      .boolean()
                      .describe("Whether control-plane machines may run here.")
                      .meta({ default: true }),
                  }),
                )
                .min(1)
                .describe("The hosts."),
              basicAuthSecret: z
                .string()
                .describe("Name of a Secret in the same namespace with one token a host.")
                .exactOptional(),
            })
            .describe("A fixed list of hosts.")
            .exactOptional(),
        })
        .describe("Where machines run."),
      microvmProxy: z
        .object({ endpoint: z.string().describe("URL of the proxy, as in http://10.0.0.5:3128.") })
        .describe("HTTP proxy (CONNECT) on the way to the hosts.")
        .exactOptional(),
      tlsSecretRef: z
        .string()
        .describe("Name of a Secret in the same namespace with tls.crt, tls.key and ca.crt.")
        .exactOptional(),
    })
    .describe("What shall be.")
    .exactOptional(),
  status: z
    .object({
      ready: z.boolean().describe("Whether the infrastructure was made.").default(false),
      failureDomains: z
        .record(
          z.string(),
          z.object({
            controlPlane: z.boolean().describe("Whether control-plane machines may run here.").exactOptional(),
            attributes: z.record(z.string(), z.string()).describe("What else is known of it.").exactOptional(),
          }),
        )
        .describe("One for each host of the pool, by its endpoint.")
        .exactOptional(),
      conditions: conditionsV1alpha1.exactOptional(),
    })
    .describe("What is.")
    .exactOptional(),
});
