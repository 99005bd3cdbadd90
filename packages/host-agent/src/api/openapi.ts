/**
 * The OpenAPI 3.1 description of the HTTP gateway, made from the generated descriptors, so it cannot drift from what is served.
 * `api/openapi/flintlock.json` is this text, checked in; a test holds the two together.
 */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import {
  CreateMicroVMResponseSchema,
  GetMicroVMResponseSchema,
  ListMessageSchema,
  ListMicroVMsRequestSchema,
  ListMicroVMsResponseSchema,
  MicroVMSpecSchema,
} from "@liquidmetal/api";

type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };
type Schemas = Record<string, Json>;

let cached: string | undefined;

/** The description as JSON text, two spaces, with a line end. */
export function openApiText(): string {
  cached ??= `${JSON.stringify(openApiDocument(), undefined, 2)}\n`;
  return cached;
}

function openApiDocument(): Json {
  const schemas: Schemas = {};
  const roots = [
    MicroVMSpecSchema,
    CreateMicroVMResponseSchema,
    GetMicroVMResponseSchema,
    ListMicroVMsRequestSchema,
    ListMicroVMsResponseSchema,
    ListMessageSchema,
    EmptySchema,
  ];
  for (const root of roots) addSchema(schemas, root);
  schemas["Status"] = {
    type: "object",
    description: "A failure: the number of the gRPC status, and what happened with what to do about it.",
    properties: {
      code: { type: "integer", format: "int32" },
      message: { type: "string" },
      details: { type: "array", items: {} },
    },
    required: ["code", "message", "details"],
  };
  return {
    openapi: "3.1.0",
    info: {
      title: "Flintlock MicroVM API",
      version: "0.1",
      description:
        "The HTTP/JSON gateway of flintlockd. Field names are read in camelCase and snake_case, written in camelCase.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    security: [{ token: [] }, { bearer: [] }, {}],
    paths: paths(),
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        token: {
          type: "apiKey",
          in: "header",
          name: "Authorization",
          description: "`Basic ` and the token in base64 (the bare token, without a user name).",
        },
        bearer: { type: "http", scheme: "bearer" },
      },
    },
  };
}

function paths(): Json {
  const segment = {
    name: "segment",
    in: "path",
    required: true,
    description: "A uid (ULID); for GET, anything else is a namespace to list.",
    schema: { type: "string" },
  };
  const name = { name: "name", in: "query", required: false, schema: { type: "string" } };
  return {
    "/v1alpha1/microvm": {
      post: {
        operationId: "CreateMicroVM",
        summary:
          "Creates a microVM. Accepted once it is durable; the same namespace, id and spec again give the same microVM.",
        requestBody: { required: true, content: content(MicroVMSpecSchema) },
        responses: responses(CreateMicroVMResponseSchema, ["400", "401", "409", "429"]),
      },
    },
    "/v1alpha1/microvm/": {
      get: {
        operationId: "ListAllMicroVMs",
        summary: "Lists all namespaces.",
        parameters: [name],
        responses: responses(ListMicroVMsResponseSchema, ["401"]),
      },
    },
    "/v1alpha1/microvm/{segment}": {
      get: {
        operationId: "GetOrListMicroVMs",
        summary: "Gets a microVM by its uid, or lists a namespace.",
        parameters: [segment, name],
        responses: {
          "200": {
            description: "One microVM for a uid, else a list.",
            content: {
              "application/json": {
                schema: { anyOf: [reference(GetMicroVMResponseSchema), reference(ListMicroVMsResponseSchema)] },
              },
            },
          },
          ...failures(["401", "404"]),
        },
      },
      delete: {
        operationId: "DeleteMicroVM",
        summary: "Asks for deletion by uid. Deleting what is gone succeeds.",
        parameters: [segment],
        responses: responses(EmptySchema, ["400", "401"]),
      },
    },
    "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMsStream": {
      post: {
        operationId: "ListMicroVMsStream",
        summary: 'Lists a namespace, one JSON object a line: {"result": …}, or {"error": …} at the end.',
        requestBody: { required: true, content: content(ListMicroVMsRequestSchema) },
        responses: {
          "200": {
            description: "One line for each microVM.",
            content: {
              "application/json": {
                schema: {
                  type: "object",
                  properties: { result: reference(ListMessageSchema), error: { $ref: "#/components/schemas/Status" } },
                },
              },
            },
          },
          ...failures(["401"]),
        },
      },
    },
    "/healthz": {
      get: {
        operationId: "Health",
        summary: "Whether the agent makes progress. Needs no token.",
        security: [{}],
        responses: { "200": { description: "It does." }, "503": { description: "It does not." } },
      },
    },
    "/openapi.json": {
      get: {
        operationId: "OpenApi",
        summary: "This description. Needs no token.",
        security: [{}],
        responses: { "200": { description: "This description." } },
      },
    },
  };
}

function content(message: DescMessage): Json {
  return { "application/json": { schema: reference(message) } };
}

function responses(message: DescMessage, failing: readonly string[]): Json {
  return { "200": { description: "Done.", content: content(message) }, ...failures(failing) };
}

function failures(statuses: readonly string[]): Record<string, Json> {
  const failure = {
    description: "Refused or failed.",
    content: { "application/json": { schema: { $ref: "#/components/schemas/Status" } } },
  };
  return Object.fromEntries([...statuses, "default"].map((status) => [status, failure]));
}

function reference(message: DescMessage): { readonly $ref: string } {
  return { $ref: `#/components/schemas/${message.typeName}` };
}

function addSchema(schemas: Schemas, message: DescMessage): void {
  if (message.typeName in schemas || isTimestamp(message)) return;
  const properties: Record<string, Json> = {};
  // Claimed before its fields are walked, so that recursion ends.
  schemas[message.typeName] = { type: "object", properties };
  for (const field of message.fields) properties[field.jsonName] = fieldSchema(schemas, field);
}

function fieldSchema(schemas: Schemas, field: DescField): Json {
  switch (field.fieldKind) {
    case "scalar":
      return scalarSchema(field.scalar);
    case "enum":
      return { type: "string", enum: field.enum.values.map(({ name }) => name) };
    case "message":
      return field.proto.proto3Optional
        ? messageSchema(schemas, field.message)
        : { anyOf: [messageSchema(schemas, field.message), { type: "null" }] };
    case "list":
      return { type: "array", items: valueSchema(schemas, field.scalar, field.message) };
    case "map":
      return { type: "object", additionalProperties: valueSchema(schemas, field.scalar, field.message) };
    default:
      return field satisfies never;
  }
}

function valueSchema(schemas: Schemas, scalar: ScalarType | undefined, message: DescMessage | undefined): Json {
  if (message !== undefined) return messageSchema(schemas, message);
  return scalar === undefined ? { type: "string" } : scalarSchema(scalar);
}

function messageSchema(schemas: Schemas, message: DescMessage): Json {
  if (isTimestamp(message)) return { type: "string", format: "date-time" };
  addSchema(schemas, message);
  return reference(message);
}

function isTimestamp(message: DescMessage): boolean {
  return message.typeName === "google.protobuf.Timestamp";
}

function scalarSchema(scalar: ScalarType): Json {
  switch (scalar) {
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return { type: "integer", format: "int32" };
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    // 64-bit numbers are strings in protobuf's JSON.
    default:
      return { type: "string" };
  }
}
