/**
 * CustomResourceDefinitions from the schemas that type and validate the code, so that the three cannot say different things.
 *
 * The result depends on its input alone (no time, no order of insertion), so that what is checked in can be compared with what is generated.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { z } from "zod";
import type { KubernetesObject, ObjectMeta } from "../object.ts";
import { unboundedInRules } from "./cel-bounds.ts";
import { type StructuralSchema, structuralSchema } from "./structural-schema.ts";

export interface PrinterColumn {
  readonly name: string;
  /** As in ".status.conditions[?(@.type=='Ready')].status". */
  readonly jsonPath: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly format?: string;
  readonly description?: string;
  /** 0 = always shown; above, only with `-o wide`. */
  readonly priority?: number;
}

export interface ScaleSubresource {
  readonly specReplicasPath: string;
  readonly statusReplicasPath: string;
  readonly labelSelectorPath?: string;
}

export interface CustomResourceVersion {
  /** "v1beta2". */
  readonly name: string;
  /** An object schema with `spec` and `status`; apiVersion, kind and metadata are added (what it says of them is ignored). */
  readonly schema: z.ZodType;
  readonly served: boolean;
  /** Exactly one version is stored. */
  readonly storage: boolean;
  readonly deprecated?: boolean;
  readonly deprecationWarning?: string;
  readonly printerColumns?: readonly PrinterColumn[];
  /** Default: status if the schema has one, no scale. */
  readonly subresources?: { readonly status?: boolean; readonly scale?: ScaleSubresource };
  /** JSON paths that field selectors may use. */
  readonly selectableFields?: readonly string[];
}

export interface WebhookAddress {
  readonly service?: {
    readonly namespace: string;
    readonly name: string;
    readonly path?: string;
    readonly port?: number;
  };
  readonly url?: string;
  /** Base64 of PEM. */
  readonly caBundle?: string;
}

export interface CustomResourceDefinitionOptions {
  readonly group: string;
  readonly kind: string;
  /** Lower case. */
  readonly plural: string;
  /** Default: the kind in lower case. */
  readonly singular?: string;
  /** Default: the kind with "List". */
  readonly listKind?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly scope: "Namespaced" | "Cluster";
  /** Newest first, as `kubectl` shows them. */
  readonly versions: readonly CustomResourceVersion[];
  /** Default None: versions differ in their name only. */
  readonly conversion?: "None" | { readonly webhook: WebhookAddress; readonly reviewVersions?: readonly string[] };
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface CustomResourceDefinition extends KubernetesObject {
  readonly apiVersion: "apiextensions.k8s.io/v1";
  readonly kind: "CustomResourceDefinition";
  readonly metadata: ObjectMeta & { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly names: Readonly<Record<string, string | readonly string[]>>;
    readonly scope: "Namespaced" | "Cluster";
    readonly conversion?: unknown;
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly storage: boolean;
      readonly schema: { readonly openAPIV3Schema: StructuralSchema };
      readonly [field: string]: unknown;
    }[];
  };
}

/** Throws `CONFIG_INVALID` when a schema cannot be structural, a CEL rule has no bound on its cost, or not exactly one version is stored. */
export function customResourceDefinition(options: CustomResourceDefinitionOptions): CustomResourceDefinition {
  const { group, kind, plural, shortNames = [], categories = [] } = options;
  const stored = options.versions.filter((version) => version.storage).length;
  if (stored !== 1)
    throw new PlatformError("CONFIG_INVALID", `${stored} versions of ${kind} are stored; it must be one`);
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${group}`,
      ...(options.labels === undefined ? {} : { labels: options.labels }),
      ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
    },
    spec: {
      group,
      names: {
        kind,
        listKind: options.listKind ?? `${kind}List`,
        plural,
        singular: options.singular ?? kind.toLowerCase(),
        ...(shortNames.length === 0 ? {} : { shortNames }),
        ...(categories.length === 0 ? {} : { categories }),
      },
      scope: options.scope,
      ...conversionOf(options.conversion),
      versions: options.versions.map((version) => versionOf(kind, version)),
    },
  };
}

function versionOf(kind: string, version: CustomResourceVersion): CustomResourceDefinition["spec"]["versions"][number] {
  const schema = objectSchema(kind, version);
  const { status = schema.properties?.["status"] !== undefined, scale } = version.subresources ?? {};
  return {
    name: version.name,
    served: version.served,
    storage: version.storage,
    ...(version.deprecated === true ? { deprecated: true } : {}),
    ...(version.deprecationWarning === undefined ? {} : { deprecationWarning: version.deprecationWarning }),
    ...(version.printerColumns === undefined ? {} : { additionalPrinterColumns: version.printerColumns }),
    ...(version.selectableFields === undefined
      ? {}
      : { selectableFields: version.selectableFields.map((jsonPath) => ({ jsonPath })) }),
    schema: { openAPIV3Schema: schema },
    ...(status || scale !== undefined
      ? { subresources: { ...(status ? { status: {} } : {}), ...(scale === undefined ? {} : { scale }) } }
      : {}),
  };
}

function objectSchema(kind: string, version: CustomResourceVersion): StructuralSchema {
  const given = structuralSchema(version.schema);
  if (given.type !== "object") throw new PlatformError("CONFIG_INVALID", `the schema of ${kind} is not an object`);
  const schema: StructuralSchema = {
    ...given,
    properties: {
      ...given.properties,
      apiVersion: { type: "string", description: "Version of this representation of the object." },
      kind: { type: "string", description: "Kind of the object." },
      metadata: { type: "object" },
    },
  };
  const { required: _required, ...optional } = schema;
  const required = (given.required ?? []).filter((name) => !["apiVersion", "kind", "metadata"].includes(name));
  const complete = required.length === 0 ? optional : { ...optional, required };
  const unbounded = unboundedInRules(complete);
  if (unbounded.length > 0) {
    throw new PlatformError(
      "CONFIG_INVALID",
      `CEL rules of ${kind} ${version.name} depend on what has no limit: ${unbounded.join("; ")}`,
      { remedy: "limit it in the zod schema (.max), or the API server refuses the CRD for the rule's cost" },
    );
  }
  return complete;
}

function conversionOf(conversion: CustomResourceDefinitionOptions["conversion"]): { readonly conversion?: unknown } {
  if (conversion === undefined || conversion === "None") return {};
  return {
    conversion: {
      strategy: "Webhook",
      webhook: { clientConfig: conversion.webhook, conversionReviewVersions: conversion.reviewVersions ?? ["v1"] },
    },
  };
}
