/**
 * A microVM spec from a file, YAML or JSON, with field names in camelCase or snake_case as flintlock's own clients write them.
 *
 * Unknown fields are errors that name their path and the nearest known field: a misspelt `memory_in_bm` must not boot a guest with the default.
 */
import { type DescField, type DescMessage, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { MicroVMSpecSchema } from "@liquidmetal/api";
import { PlatformError } from "@liquidmetal/foundation";
import type { Spec } from "../client/messages.ts";
import { suggestion } from "../program/suggestion.ts";

/** Larger than any user data that a host accepts. */
export const specLimitBytes: number = 16 * 1_024 * 1_024;

/** `source` names the file in errors. Throws SPEC_INVALID. */
export async function parseSpec(text: string, source: string): Promise<Spec> {
  if (Buffer.byteLength(text) > specLimitBytes) throw invalid(source, "it is larger than 16 MiB");
  const { parseAllDocuments } = await import("yaml");
  const documents = parseAllDocuments(text);
  const [document, ...others] = [...documents];
  if (document === undefined || others.length > 0) throw invalid(source, "it must hold exactly one spec");
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) throw invalid(source, syntaxError.message);
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw invalid(source, error instanceof Error ? error.message : String(error));
  }
  return specFromContent(unwrapped(content), source);
}

function specFromContent(content: unknown, source: string): Spec {
  const normalized = normalize(MicroVMSpecSchema, content, "", source);
  try {
    return fromJson(MicroVMSpecSchema, normalized);
  } catch (error) {
    throw invalid(source, error instanceof Error ? error.message : String(error));
  }
}

/** The body of a CreateMicroVM request (`{"microvm": {…}}`) is accepted as well. */
function unwrapped(content: unknown): unknown {
  if (!isObject(content)) return content;
  const keys = Object.keys(content);
  return keys.length === 1 && keys[0] === "microvm" ? content["microvm"] : content;
}

function normalize(schema: DescMessage, value: unknown, path: string, source: string): JsonValue {
  if (schema.typeName.startsWith("google.protobuf.")) return plain(value, path, source);
  if (!isObject(value)) throw invalid(source, `${path === "" ? "the spec" : path} must be a mapping`);
  const result: Record<string, JsonValue> = {};
  for (const [key, item] of Object.entries(value)) {
    const field = schema.fields.find((each) => each.name === key || each.jsonName === key);
    const here = path === "" ? key : `${path}.${key}`;
    if (field === undefined) throw unknownField(schema, key, here, source);
    if (item === null || item === undefined) continue;
    if (field.jsonName in result) throw invalid(source, `${here} is given twice, in two spellings`);
    result[field.jsonName] = normalizeField(field, item, here, source);
  }
  return result;
}

function normalizeField(field: DescField, item: unknown, path: string, source: string): JsonValue {
  if (field.fieldKind === "message") return normalize(field.message, item, path, source);
  if (field.fieldKind === "list" && field.listKind === "message") {
    if (!Array.isArray(item)) throw invalid(source, `${path} must be a list`);
    return item.map((each, index) => normalize(field.message, each, `${path}[${index}]`, source));
  }
  if (field.fieldKind === "map" && isObject(item)) {
    // Labels and kernel arguments are text on the wire; YAML reads `on: 1` as something else.
    return Object.fromEntries(
      Object.entries(item).map(([key, each]) => [key, scalarText(each, `${path}.${key}`, source)]),
    );
  }
  if (field.fieldKind === "enum" && typeof item === "string") return item.toUpperCase();
  return plain(item, path, source);
}

function scalarText(value: unknown, path: string, source: string): string {
  if (value === null) return "";
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return String(value);
  throw invalid(source, `${path} must be text`);
}

function plain(value: unknown, path: string, source: string): JsonValue {
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return value;
  if (Array.isArray(value)) return value.map((each, index) => plain(each, `${path}[${index}]`, source));
  if (value instanceof Date) return value.toISOString();
  throw invalid(source, `${path} must not be a mapping`);
}

function unknownField(schema: DescMessage, key: string, path: string, source: string): PlatformError {
  const near = suggestion(
    key,
    schema.fields.flatMap((field) => [field.name, field.jsonName]),
  );
  return invalid(source, `unknown field '${path}'${near === undefined ? "" : `; did you mean '${near}'?`}`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function invalid(source: string, why: string): PlatformError {
  return new PlatformError("SPEC_INVALID", `${source}: ${why}`, {
    remedy: "correct the file; 'lm vm create --dry-run' prints a whole spec",
  });
}
