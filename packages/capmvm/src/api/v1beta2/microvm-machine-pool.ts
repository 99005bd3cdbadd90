/**
 * MicrovmMachinePool: as many microVMs as a MachinePool asks for, each a MicrovmMachine (and Machine) of its own.
 *
 * Source: Cluster API contract v1beta2, InfraMachinePool with MachinePool Machines.
 */
import {
  atomicList,
  type Condition,
  type KubernetesObject,
  listMap,
  type Resource,
  resource,
} from "@liquidmetal/kubernetes";
import { z } from "zod";
import { conditionList, text, whole } from "./fields.ts";
import { type MicrovmMachineSpec, machineSpecSchema } from "./machine-spec.ts";
import { initializationSchema } from "./microvm-cluster.ts";
import { type MachineAddress, machineAddressList } from "./microvm-machine.ts";
import { infrastructureGroup } from "./names.ts";
import { type TemplateMetadata, templateMetadataSchema } from "./template-metadata.ts";

export interface MachinePoolInstance {
  /** Name of the MicrovmMachine. */
  readonly instanceName: string;
  readonly providerID?: string;
  readonly addresses?: readonly MachineAddress[];
  readonly ready: boolean;
}

export interface MicrovmMachinePoolSpec {
  /** Of the microVMs that run; written by the controller. */
  readonly providerIDList?: readonly string[];
  readonly template: { readonly metadata?: TemplateMetadata; readonly spec: MicrovmMachineSpec };
}

export interface MicrovmMachinePool extends KubernetesObject {
  readonly spec: MicrovmMachinePoolSpec;
  readonly status?: {
    readonly initialization?: { readonly provisioned?: boolean };
    /** As `initialization.provisioned`: Cluster API up to 1.13 at least looks for this one in pools, in spite of its contract. */
    readonly ready?: boolean;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    /** Always MicrovmMachine: core then makes a Machine for each. */
    readonly infrastructureMachineKind?: string;
    readonly instances?: readonly MachinePoolInstance[];
    readonly conditions?: readonly Condition[];
  };
}

export const microvmMachinePools: Resource<MicrovmMachinePool> = resource<MicrovmMachinePool>({
  group: infrastructureGroup,
  version: "v1beta2",
  kind: "MicrovmMachinePool",
  plural: "microvmmachinepools",
  namespaced: true,
});

export const machinePoolSpecSchema: z.ZodType<MicrovmMachinePoolSpec> = z.object({
  providerIDList: z
    .array(text(512))
    .max(10_000)
    .meta(atomicList())
    .describe("Provider ids of the microVMs of the pool; written by the controller.")
    .exactOptional(),
  template: z
    .object({
      metadata: templateMetadataSchema.exactOptional(),
      spec: machineSpecSchema.describe("Spec of the MicrovmMachines."),
    })
    .describe("What the machines of the pool are made from. Machines of an older one are replaced."),
});

export const microvmMachinePoolSchema: z.ZodType<Pick<MicrovmMachinePool, "spec" | "status">> = z.object({
  spec: machinePoolSpecSchema.describe("What shall be."),
  status: z
    .object({
      initialization: initializationSchema.exactOptional(),
      ready: z
        .boolean()
        .describe("As initialization.provisioned, for releases of Cluster API that look here.")
        .exactOptional(),
      replicas: whole(0, 2_147_483_647).describe("MicroVMs that the pool has.").exactOptional(),
      readyReplicas: whole(0, 2_147_483_647).describe("Those that are ready.").exactOptional(),
      infrastructureMachineKind: text(63).describe("Kind of the machines of the pool.").exactOptional(),
      instances: z
        .array(
          z.object({
            instanceName: text(253).describe("Name of the MicrovmMachine."),
            providerID: text(512).describe("Its provider id.").exactOptional(),
            addresses: machineAddressList.exactOptional(),
            ready: z.boolean().describe("Whether it is ready."),
          }),
        )
        .max(1_000)
        .meta(listMap("instanceName"))
        .describe("The machines of the pool.")
        .exactOptional(),
      conditions: conditionList.exactOptional(),
    })
    .describe("What is.")
    .exactOptional(),
});
