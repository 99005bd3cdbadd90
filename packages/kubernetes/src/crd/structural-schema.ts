/**
 * A zod schema as the structural OpenAPI v3 schema that a CustomResourceDefinition holds.
 *
 * zod says what the input may look like (so a field with a default is not required); what is left is made structural: references written out, unions
 * of scalars hoisted, exact integer formats, no `additionalProperties` beside `properties`. What cannot be structural (a union of objects, recursion,
 * a pattern that Go cannot run) is refused with the path of the field: a CRD never says less than the schema that validates in the process.
 * Refinements in code (`refine`) have no counterpart; say them in CEL too (`rules`), or in a webhook.
 *
 * Source: Kubernetes structural schemas; apiextensions.k8s.io/v1 JSONSchemaProps.
 */
import { PlatformError } from "@liquidmetal/foundation";
import { z } from "zod";
import type { CelRule } from "./marks.ts";
import { assertPortablePattern } from "./portable-pattern.ts";

/** JSONSchemaProps, as far as a structural schema may use it. */
export interface StructuralSchema {
  readonly description?: string;
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  readonly format?: string;
  readonly nullable?: boolean;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: StructuralSchema;
  readonly items?: StructuralSchema;
  readonly allOf?: readonly StructuralSchema[];
  readonly anyOf?: readonly StructuralSchema[];
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-embedded-resource"?: boolean;
  readonly "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-map-type"?: "atomic" | "granular";
  readonly "x-kubernetes-validations"?: readonly CelRule[];
}

type Raw = Readonly<Record<string, unknown>>;
type Built = { -readonly [Key in keyof StructuralSchema]: StructuralSchema[Key] };

/** What is taken over as it is. */
const plainKeywords = [
  "description",
  "default",
  "enum",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "x-kubernetes-int-or-string",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-embedded-resource",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-map-type",
  "x-kubernetes-validations",
] as const;

/** Known but without meaning for the API server, or handled apart. */
const dropped: ReadonlySet<string> = new Set(
  "type format nullable pattern properties required items additionalProperties allOf anyOf oneOf $ref definitions title id examples deprecated readOnly contentEncoding $schema".split(
    " ",
  ),
);

/** Formats that the API server checks itself, so that zod's own pattern for them is not needed. */
const serverFormats: ReadonlyMap<string, string> = new Map([
  ["date-time", "date-time"],
  ["date", "date"],
  ["ipv4", "ipv4"],
  ["ipv6", "ipv6"],
  ["uri", "uri"],
  ["email", "email"],
  ["uuid", "uuid"],
  ["base64", "byte"],
  ["int32", "int32"],
  ["int64", "int64"],
  ["double", "double"],
  ["float", "float"],
  ["byte", "byte"],
  ["cidr", "cidr"],
  ["hostname", "hostname"],
]);

const integerRanges: Readonly<Record<string, readonly [number, number]>> = {
  int32: [-2_147_483_648, 2_147_483_647],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

/** Throws `CONFIG_INVALID` with the path of what cannot be said in a structural schema. */
export function structuralSchema(schema: z.ZodType, path = ""): StructuralSchema {
  let raw: Raw;
  try {
    raw = z.toJSONSchema(schema, {
      target: "openapi-3.0",
      io: "input",
      reused: "inline",
      override: ({ zodSchema, jsonSchema }) => {
        const { def, bag } = zodSchema._zod as { def: { type: string; format?: string }; bag: { format?: unknown } };
        if (def.type === "tuple") Object.assign(jsonSchema, { type: "tuple" });
        if (def.type !== "number" || jsonSchema.type !== "integer") return;
        jsonSchema.format = def.format === "int32" || bag.format === "int32" ? "int32" : "int64";
      },
    }) as Raw;
  } catch (error) {
    throw refusal(path, PlatformError.from(error).message);
  }
  return convert(raw, { path, definitions: (raw["definitions"] ?? {}) as Record<string, Raw>, open: [] });
}

interface Place {
  readonly path: string;
  readonly definitions: Readonly<Record<string, Raw>>;
  /** References being written out, to see recursion. */
  readonly open: readonly string[];
}

const below = (place: Place, step: string): Place => ({ ...place, path: `${place.path}${step}` });

function convert(given: Raw, at: Place): StructuralSchema {
  const { raw, place } = resolved(given, at);
  for (const keyword of Object.keys(raw)) {
    if (!dropped.has(keyword) && !(plainKeywords as readonly string[]).includes(keyword)) {
      throw refusal(place.path, `'${keyword}' has no place in a structural schema`);
    }
  }
  const built: Built = {};
  for (const keyword of plainKeywords)
    if (raw[keyword] !== undefined) Object.assign(built, { [keyword]: raw[keyword] });
  if (raw["nullable"] === true) built.nullable = true;
  if (built["x-kubernetes-int-or-string"] === true) {
    return { ...built, anyOf: [{ type: "integer" }, { type: "string" }] };
  }
  const branches = (raw["anyOf"] ?? raw["oneOf"]) as readonly Raw[] | undefined;
  if (branches !== undefined) return { ...built, ...union(branches, place) };
  switch (raw["type"]) {
    case "object":
      return { ...built, type: "object", ...members(raw, place) };
    case "array": {
      return checkedList({ ...built, type: "array", items: convert(raw["items"] as Raw, below(place, "[]")) }, place);
    }
    case "string":
      return { ...built, type: "string", ...text(raw, place) };
    case "integer":
    case "number":
      return numeric({ ...built, type: raw["type"], ...formatOf(raw) });
    case "boolean":
      return { ...built, type: "boolean" };
    case undefined:
      return { ...built, "x-kubernetes-preserve-unknown-fields": true };
    default:
      throw refusal(place.path, `the type '${String(raw["type"])}' has no structural schema`);
  }
}

/** Writes references out; what stands beside the reference wins. */
function resolved(raw: Raw, place: Place): { readonly raw: Raw; readonly place: Place } {
  const only =
    (raw["allOf"] as readonly Raw[] | undefined)?.length === 1 ? (raw["allOf"] as readonly Raw[])[0] : undefined;
  const reference = (raw["$ref"] ?? only?.["$ref"]) as string | undefined;
  if (reference === undefined) return { raw, place };
  const name = decodeURIComponent(reference.replace(/^#\/definitions\//, ""));
  const definition = place.definitions[name];
  if (place.open.includes(name) || definition === undefined) {
    throw refusal(place.path, "the schema refers to itself, which a structural schema cannot say");
  }
  const { $ref: _reference, allOf: _all, ...beside } = raw;
  return resolved({ ...definition, ...beside }, { ...place, open: [...place.open, name] });
}

function members(raw: Raw, place: Place): StructuralSchema {
  const properties = Object.entries((raw["properties"] ?? {}) as Record<string, Raw>);
  const additional = raw["additionalProperties"] as Raw | boolean | undefined;
  const open = additional === true || (typeof additional === "object" && Object.keys(additional).length === 0);
  if (properties.length === 0 && typeof additional === "object" && !open) {
    return { additionalProperties: convert(additional, below(place, "{}")) };
  }
  if (properties.length > 0 && typeof additional === "object" && !open) {
    throw refusal(place.path, "named fields and a schema for the others exclude each other (catchall)");
  }
  const required = ((raw["required"] ?? []) as readonly string[]).toSorted();
  return {
    ...(open ? { "x-kubernetes-preserve-unknown-fields": true } : {}),
    ...(properties.length === 0
      ? {}
      : {
          properties: Object.fromEntries(
            properties.map(([name, property]) => [name, convert(property, below(place, `.${name}`))]),
          ),
        }),
    ...(required.length === 0 ? {} : { required }),
  };
}

/** Scalars of one type: their limits go into `anyOf`, their type outside. */
function union(branches: readonly Raw[], place: Place): StructuralSchema {
  const schemas = branches.map((branch) => convert(branch, place));
  const type = schemas[0]?.type;
  if (type === undefined || type === "object" || type === "array" || schemas.some((schema) => schema.type !== type)) {
    throw refusal(
      place.path,
      "a union of objects, lists or different types has no structural schema; use optional fields and a CEL rule, or `intOrString`",
    );
  }
  if (schemas.every((schema) => schema.enum !== undefined)) {
    return { type, enum: [...new Set(schemas.flatMap((schema) => schema.enum ?? []))] };
  }
  return { type, anyOf: schemas.map(limitsOnly) };
}

/** Inside allOf and anyOf a structural schema may only limit values. */
function limitsOnly({
  type: _type,
  description: _text,
  default: _default,
  ...limits
}: StructuralSchema): StructuralSchema {
  return limits;
}

function text(raw: Raw, place: Place): StructuralSchema {
  const allOf = raw["allOf"] as readonly Raw[] | undefined;
  const pattern = raw["pattern"] as string | undefined;
  const own = formatOf(raw);
  if (pattern !== undefined && own.format === undefined) assertPortablePattern(pattern, place.path);
  return {
    ...own,
    ...(pattern === undefined || own.format !== undefined ? {} : { pattern }),
    ...(allOf === undefined ? {} : { allOf: allOf.map((part) => limitsOnly(convert(part, place))) }),
  };
}

function formatOf(raw: Raw): { readonly format?: string } {
  const format = serverFormats.get(String(raw["format"]));
  return format === undefined ? {} : { format };
}

/** The ends of an integer's own range say nothing; "greater than 0" is said as "at least 1". */
function numeric(schema: Built): StructuralSchema {
  if (schema.type !== "integer") {
    if (schema.minimum === -Number.MAX_VALUE) delete schema.minimum;
    if (schema.maximum === Number.MAX_VALUE) delete schema.maximum;
    return schema;
  }
  const [least, most] = integerRanges[schema.format ?? "int64"] ?? [];
  if (schema.exclusiveMinimum === true && schema.minimum !== undefined) schema.minimum += 1;
  if (schema.exclusiveMaximum === true && schema.maximum !== undefined) schema.maximum -= 1;
  delete schema.exclusiveMinimum;
  delete schema.exclusiveMaximum;
  if (schema.minimum === least) delete schema.minimum;
  if (schema.maximum === most) delete schema.maximum;
  return schema;
}

function checkedList(list: StructuralSchema, place: Place): StructuralSchema {
  const keys = list["x-kubernetes-list-map-keys"] ?? [];
  for (const key of keys) {
    const property = list.items?.properties?.[key];
    if (property === undefined || !(list.items?.required?.includes(key) || property.default !== undefined)) {
      throw refusal(
        place.path,
        `the list's key '${key}' is neither a required field of its elements nor one with a default`,
      );
    }
  }
  if (list["x-kubernetes-list-type"] === "map" && keys.length === 0) {
    throw refusal(place.path, "a list of type 'map' names its keys: .meta(listMap(\"name\"))");
  }
  return list;
}

function refusal(path: string, message: string): PlatformError {
  return new PlatformError(
    "CONFIG_INVALID",
    `no structural schema for ${path === "" ? "the object" : path}: ${message}`,
    {
      remedy: "change the zod schema; Kubernetes accepts structural schemas only",
    },
  );
}
