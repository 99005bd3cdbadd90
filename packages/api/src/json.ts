/**
 * Messages as JSON the way upstream's gateway writes them: lowerCamelCase, enums as names, unset scalars, lists and maps emitted, unset plain
 * messages as `null`, unset fields of explicit presence left out. Reading takes camelCase and snake_case and ignores what it does not know.
 */
import {
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { PlatformError } from "@liquidmetal/foundation";

export function messageToJson<D extends DescMessage>(schema: D, message: MessageShape<D>): JsonValue {
  const json: JsonValue = toJson<DescMessage, { alwaysEmitImplicit: boolean }>(schema, message, {
    alwaysEmitImplicit: true,
  });
  return isObject(json) ? withNulls(schema, json) : json;
}

/** Throws REQUEST_INVALID with the parser's reason. */
export function messageFromJson<D extends DescMessage>(schema: D, json: JsonValue): MessageShape<D> {
  try {
    return fromJson(schema, json, { ignoreUnknownFields: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PlatformError("REQUEST_INVALID", `the body is not a ${schema.name}: ${reason}`, { cause: error });
  }
}

/** Puts `null` where a plain message field is unset, all the way down. */
function withNulls(schema: DescMessage, json: JsonObject): JsonObject {
  if (schema.typeName.startsWith("google.protobuf.")) return json;
  for (const field of schema.fields) {
    const value = json[field.jsonName];
    if (
      field.fieldKind === "message" &&
      value === undefined &&
      !field.proto.proto3Optional &&
      field.oneof === undefined
    ) {
      json[field.jsonName] = null;
    } else if (field.fieldKind === "message" && isObject(value)) {
      withNulls(field.message, value);
    } else if (field.fieldKind === "list" && field.listKind === "message" && Array.isArray(value)) {
      for (const item of value) if (isObject(item)) withNulls(field.message, item);
    } else if (field.fieldKind === "map" && field.mapKind === "message" && isObject(value)) {
      for (const item of Object.values(value)) if (isObject(item)) withNulls(field.message, item);
    }
  }
  return json;
}

function isObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
