/** A kind of our own in two versions, made by the CRD generator with every construct that it knows, for tests against the real API server. */
import {
  type Condition,
  type CustomResourceDefinition,
  customResourceDefinition,
  intOrString,
  type KubernetesObject,
  listMap,
  listSet,
  preserveUnknownFields,
  type Resource,
  resource,
  rules,
  type WebhookAddress,
} from "@liquidmetal/kubernetes";
import { z } from "zod";

export interface Gadget extends KubernetesObject {
  readonly spec?: {
    readonly sizeMiB?: number;
    readonly host?: string;
    readonly mode?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly [field: string]: unknown;
  };
  readonly status?: {
    readonly phase?: string;
    readonly addresses?: readonly string[];
    readonly vm?: { readonly size?: number; readonly labels?: Readonly<Record<string, string>> };
    readonly conditions?: readonly Condition[];
  };
}

const names = { group: "runtime.liquidmetal.dev", kind: "Gadget", plural: "gadgets", namespaced: true } as const;
export const gadgets: Resource<Gadget> = resource<Gadget>({ ...names, version: "v2" });
export const oldGadgets: Resource<Gadget> = resource<Gadget>({ ...names, version: "v1" });

const condition = z.object({
  type: z.string().max(316),
  status: z.enum(["True", "False", "Unknown"]),
  reason: z.string().max(1_024),
  message: z.string().max(32_768),
  lastTransitionTime: z.iso.datetime(),
  observedGeneration: z.int().min(0).optional(),
});

const status = z
  .object({
    phase: z.string().optional(),
    addresses: z.array(z.string()).optional(),
    vm: z.object({ size: z.int32().optional(), labels: z.record(z.string(), z.string()).optional() }).optional(),
    conditions: z.array(condition).max(32).meta(listMap("type")).optional(),
  })
  .optional();

const v2 = z.object({
  spec: z
    .object({
      sizeMiB: z.int32().min(1).max(1_024).describe("Its size."),
      host: z.string().max(253).optional(),
      mode: z.enum(["fast", "slow"]).default("fast"),
      since: z.iso.datetime().optional(),
      address: z.union([z.ipv4(), z.ipv6()]).optional(),
      cidr: z
        .string()
        .max(64)
        .regex(/^[0-9a-f.:]+\/\d{1,3}$/)
        .optional(),
      surge: intOrString().optional(),
      ratio: z.number().gt(0).lte(1).optional(),
      nothing: z.string().nullable().optional(),
      tags: z.array(z.string().max(63)).max(16).meta(listSet()).optional(),
      labels: z.record(z.string().max(63), z.string().max(63)).optional(),
      disks: z
        .array(
          z
            .object({
              id: z.string().max(20),
              sizeMiB: z.int().positive().optional(),
              path: z.string().max(99).optional(),
            })
            .meta(rules({ rule: "!(has(self.sizeMiB) && has(self.path))", message: "a size or a path, not both" })),
        )
        .max(16)
        .meta(listMap("id"))
        .optional(),
      free: z.object({}).meta(preserveUnknownFields()).optional(),
      raw: z.unknown().optional(),
    })
    .meta(rules({ rule: "!has(oldSelf.host) || has(self.host) && self.host == oldSelf.host", message: "host stays" })),
  status,
});

const v1 = z.object({ spec: z.object({ size: z.int32(), host: z.string().optional() }), status });

export function gadgetDefinition(conversion?: WebhookAddress): CustomResourceDefinition {
  return customResourceDefinition({
    ...names,
    scope: "Namespaced",
    shortNames: ["gd"],
    categories: ["runtime-tests"],
    labels: { "cluster.x-k8s.io/v1beta2": "v2" },
    versions: [
      {
        name: "v2",
        served: true,
        storage: true,
        schema: v2,
        printerColumns: [
          { name: "Size", type: "integer", jsonPath: ".spec.sizeMiB" },
          { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
          { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
        ],
      },
      ...(conversion === undefined ? [] : [{ name: "v1", served: true, storage: false, schema: v1 }]),
    ],
    ...(conversion === undefined ? {} : { conversion: { webhook: conversion } }),
  });
}
