/**
 * The CustomResourceDefinitions of the provider, made from the schemas. `npm run generate` writes them to api/crds.
 *
 * The contract labels tell Cluster API which of our versions speaks which contract; it asks for objects in that version.
 */
import {
  type CustomResourceDefinition,
  type CustomResourceVersion,
  customResourceDefinition,
  type PrinterColumn,
  type WebhookAddress,
} from "@liquidmetal/kubernetes";
import type { z } from "zod";
import {
  microvmClusterSchemaV1alpha1,
  microvmMachineSchemaV1alpha1,
  microvmMachineTemplateSchemaV1alpha1,
} from "./v1alpha1/index.ts";
import {
  clusterApiNames,
  infrastructureGroup,
  microvmClusterSchema,
  microvmClusterTemplateSchema,
  microvmMachinePoolSchema,
  microvmMachinePoolTemplateSchema,
  microvmMachineSchema,
  microvmMachineTemplateSchema,
} from "./v1beta2/index.ts";

interface KindDefinition {
  readonly kind: string;
  readonly shortName: string;
  readonly schema: z.ZodType;
  readonly columns: readonly PrinterColumn[];
  /** Of kinds that upstream has. */
  readonly v1alpha1?: { readonly schema: z.ZodType; readonly columns?: readonly PrinterColumn[] };
}

const column = (name: string, jsonPath: string, description: string, priority = 0): PrinterColumn => ({
  name,
  type: "string",
  jsonPath,
  description,
  ...(priority === 0 ? {} : { priority }),
});
const count = (name: string, jsonPath: string, description: string): PrinterColumn => ({
  ...column(name, jsonPath, description),
  type: "integer",
});

const cluster = column(
  "Cluster",
  `.metadata.labels['${clusterApiNames.clusterNameLabel.replaceAll(".", "\\.")}']`,
  "Cluster that it belongs to",
);
const ready = column("Ready", ".status.conditions[?(@.type=='Ready')].status", "Summary of the conditions");
const reason = column("Reason", ".status.conditions[?(@.type=='Ready')].message", "Why it is not ready", 1);
const paused = column("Paused", ".status.conditions[?(@.type=='Paused')].status", "Whether it is left alone", 1);
const age: PrinterColumn = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "Time since it was made",
};

const kinds: readonly KindDefinition[] = [
  {
    kind: "MicrovmCluster",
    shortName: "mvmc",
    schema: microvmClusterSchema,
    columns: [
      cluster,
      column("Endpoint", ".spec.controlPlaneEndpoint.host", "Address of the control plane"),
      column("Provisioned", ".status.initialization.provisioned", "Whether the infrastructure was made"),
      ready,
      reason,
      paused,
      age,
    ],
    v1alpha1: {
      schema: microvmClusterSchemaV1alpha1,
      columns: [
        cluster,
        column("Ready", ".status.ready", "Whether the infrastructure was made"),
        // Upstream has .spec.controlPlaneEndpoint[0], which is always empty.
        column("ControlPlaneEndpoint", ".spec.controlPlaneEndpoint.host", "Address of the control plane", 1),
      ],
    },
  },
  {
    kind: "MicrovmClusterTemplate",
    shortName: "mvmct",
    schema: microvmClusterTemplateSchema,
    columns: [age],
  },
  {
    kind: "MicrovmMachine",
    shortName: "mvmm",
    schema: microvmMachineSchema,
    columns: [
      cluster,
      column("Machine", ".metadata.ownerReferences[?(@.kind=='Machine')].name", "Machine that it is for", 1),
      column("Host", ".status.failureDomain", "Host where the microVM is"),
      column("State", ".status.vmState", "State of the microVM"),
      ready,
      reason,
      paused,
      column("ProviderID", ".spec.providerID", "Host and uid of the microVM", 1),
      age,
    ],
    v1alpha1: { schema: microvmMachineSchemaV1alpha1 },
  },
  {
    kind: "MicrovmMachinePool",
    shortName: "mvmmp",
    schema: microvmMachinePoolSchema,
    columns: [
      cluster,
      count("Replicas", ".status.replicas", "MicroVMs that there are"),
      count("ReadyReplicas", ".status.readyReplicas", "MicroVMs that are ready"),
      ready,
      reason,
      paused,
      age,
    ],
  },
  {
    kind: "MicrovmMachinePoolTemplate",
    shortName: "mvmmpt",
    schema: microvmMachinePoolTemplateSchema,
    columns: [age],
  },
  {
    kind: "MicrovmMachineTemplate",
    shortName: "mvmmt",
    schema: microvmMachineTemplateSchema,
    columns: [
      count("VCPU", ".spec.template.spec.vcpu", "Virtual processors"),
      count("Memory", ".spec.template.spec.memoryMiB", "Memory in MiB"),
      column("Image", ".spec.template.spec.rootVolume.image", "Image of the root volume", 1),
      age,
    ],
    v1alpha1: { schema: microvmMachineTemplateSchemaV1alpha1 },
  },
];

/** Where the released manifests have the conversion webhook. */
const releasedWebhook: WebhookAddress = {
  service: { namespace: "capmvm-system", name: "capmvm-webhook-service", path: "/convert" },
};

/** `webhook`: who converts. Default: the Service of the released manifests. */
export function crds(webhook: WebhookAddress = releasedWebhook): readonly CustomResourceDefinition[] {
  return kinds.map(({ kind, shortName, schema, columns, v1alpha1 }) => {
    const stored: CustomResourceVersion = {
      name: "v1beta2",
      served: true,
      storage: true,
      schema,
      printerColumns: columns,
    };
    const upstreams: CustomResourceVersion | undefined = v1alpha1 && {
      name: "v1alpha1",
      served: true,
      storage: false,
      deprecated: true,
      deprecationWarning: `${infrastructureGroup}/v1alpha1 ${kind} is deprecated; use ${infrastructureGroup}/v1beta2`,
      schema: v1alpha1.schema,
      ...(v1alpha1.columns === undefined ? {} : { printerColumns: v1alpha1.columns }),
    };
    return customResourceDefinition({
      group: infrastructureGroup,
      kind,
      plural: `${kind.toLowerCase()}s`,
      shortNames: [shortName],
      categories: ["cluster-api"],
      scope: "Namespaced",
      labels: {
        "cluster.x-k8s.io/v1beta2": "v1beta2",
        ...(upstreams === undefined ? {} : { "cluster.x-k8s.io/v1beta1": "v1alpha1" }),
      },
      versions: upstreams === undefined ? [stored] : [stored, upstreams],
      ...(upstreams === undefined ? {} : { conversion: { webhook } }),
    });
  });
}
