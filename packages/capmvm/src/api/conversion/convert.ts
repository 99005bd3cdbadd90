/**
 * The conversion that the API server asks for: any object of ours from one version to the other, without loss.
 *
 * What the target version cannot hold stands in the annotation `capmvm.liquidmetal.dev/conversion-data` of the converted object, and is put back when it is converted
 * again; an edit made in between wins. Metadata is carried over as it is. A damaged annotation is as good as none: reading objects must never fail.
 */
import { PlatformError } from "@liquidmetal/foundation";
import type { KubernetesObject } from "@liquidmetal/kubernetes";
import { z } from "zod";
import {
  microvmClusterSchemaV1alpha1,
  microvmMachineSchemaV1alpha1,
  microvmMachineTemplateSchemaV1alpha1,
} from "../v1alpha1/index.ts";
import {
  annotations,
  infrastructureGroup,
  microvmClusterSchema,
  microvmMachineSchema,
  microvmMachineTemplateSchema,
} from "../v1beta2/index.ts";
import { clusterToV1alpha1, clusterToV1beta2 } from "./cluster.ts";
import { type Loss, lossesBetween, putBack } from "./losses.ts";
import { machineTemplateToV1alpha1, machineTemplateToV1beta2, machineToV1alpha1, machineToV1beta2 } from "./machine.ts";

type ApiVersion = "v1alpha1" | "v1beta2";

interface KindConversion {
  readonly v1beta2: (content: object) => object;
  readonly v1alpha1: (content: object) => object;
  /** What is put back must not break them. */
  readonly schemas: Readonly<Record<ApiVersion, z.ZodType>>;
}

const kinds: ReadonlyMap<string, KindConversion> = new Map<string, KindConversion>([
  [
    "MicrovmCluster",
    {
      v1beta2: clusterToV1beta2,
      v1alpha1: clusterToV1alpha1,
      schemas: { v1alpha1: microvmClusterSchemaV1alpha1, v1beta2: microvmClusterSchema },
    },
  ],
  [
    "MicrovmMachine",
    {
      v1beta2: machineToV1beta2,
      v1alpha1: machineToV1alpha1,
      schemas: { v1alpha1: microvmMachineSchemaV1alpha1, v1beta2: microvmMachineSchema },
    },
  ],
  [
    "MicrovmMachineTemplate",
    {
      v1beta2: machineTemplateToV1beta2,
      v1alpha1: machineTemplateToV1alpha1,
      schemas: { v1alpha1: microvmMachineTemplateSchemaV1alpha1, v1beta2: microvmMachineTemplateSchema },
    },
  ],
]);

const pathSchema = z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])).min(1);

const dataSchema = z.object({
  /** Version that the losses are about. */
  of: z.enum(["v1alpha1", "v1beta2"]),
  lost: z.array(
    z.union([
      z.strictObject({ path: pathSchema, order: z.array(z.string()), gaveOrder: z.array(z.string()) }),
      z.strictObject({ path: pathSchema, was: z.unknown().optional(), gave: z.unknown().optional() }),
    ]),
  ),
});

/** Throws `PlatformError` REQUEST_INVALID for kinds and versions that are not ours, with the object's name. */
export function convertObject<T extends KubernetesObject>(object: T, desiredApiVersion: string): T {
  const from = versionOf(object.apiVersion, object);
  const to = versionOf(desiredApiVersion, object);
  if (from === to) return object;
  const kind = kinds.get(object.kind ?? "");
  if (kind === undefined) throw refusal(object, `kind ${object.kind} has no other version than ${object.apiVersion}`);
  const { apiVersion: _version, kind: name, metadata = {}, ...content } = object;
  const { [annotations.conversionData]: data, ...others } = metadata.annotations ?? {};
  const converted = restored(kind, carriedOver(kind, to, content), to, lossesOf(data, to));
  const lost = lossesBetween(content, carriedOver(kind, from, converted));
  const kept =
    lost.length === 0 ? others : { ...others, [annotations.conversionData]: JSON.stringify({ of: from, lost }) };
  const { annotations: _annotations, ...rest } = metadata;
  const annotated = Object.keys(kept).length > 0 || (metadata.annotations !== undefined && data === undefined);
  return {
    apiVersion: desiredApiVersion,
    kind: name,
    metadata: annotated ? { ...rest, annotations: kept } : rest,
    ...converted,
  } as KubernetesObject as T;
}

/**
 * What both versions can say. Content without its required fields, which no API server lets in, becomes nothing at all: a list of thousands must not fail for one.
 */
function carriedOver(kind: KindConversion, to: ApiVersion, content: object): object {
  try {
    return kind[to](content);
  } catch {
    return {};
  }
}

function restored(kind: KindConversion, plain: object, to: ApiVersion, losses: readonly Loss[]): object {
  if (losses.length === 0) return plain;
  const whole = putBack(plain, losses);
  // The API server validates what it is sent, not what comes out of a conversion: an annotation is no way around the schema.
  const wrongAnyway = new Set(faultsOf(kind.schemas[to], plain));
  return faultsOf(kind.schemas[to], whole).every((fault) => wrongAnyway.has(fault)) ? whole : plain;
}

function faultsOf(schema: z.ZodType, content: object): readonly string[] {
  const { error } = schema.safeParse(content);
  return (error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`);
}

function lossesOf(data: string | undefined, of: ApiVersion): readonly Loss[] {
  if (data === undefined) return [];
  try {
    const read = dataSchema.safeParse(JSON.parse(data));
    return read.success && read.data.of === of ? (read.data.lost as readonly Loss[]) : [];
  } catch {
    return [];
  }
}

function versionOf(apiVersion: string | undefined, object: KubernetesObject): ApiVersion {
  const [group, version] = (apiVersion ?? "").split("/");
  if (group === infrastructureGroup && (version === "v1alpha1" || version === "v1beta2")) return version;
  throw refusal(object, `apiVersion ${apiVersion} is none of ${infrastructureGroup}/v1alpha1 and /v1beta2`);
}

function refusal({ kind, metadata }: KubernetesObject, why: string): PlatformError {
  const name = [metadata?.namespace, metadata?.name].filter((part) => part !== undefined).join("/");
  return new PlatformError("REQUEST_INVALID", `${kind} ${name} cannot be converted: ${why}`);
}
