import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import { parse } from "yaml";
import { z } from "zod";
import { unboundedInRules } from "./cel-bounds.ts";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import { manifestYaml } from "./manifest-yaml.ts";
import { intOrString, listMap, listSet, preserveUnknownFields, rules } from "./marks.ts";
import { structuralSchema } from "./structural-schema.ts";

const refuses = (schema: z.ZodType, about: RegExp): void => {
  assert.throws(
    () => structuralSchema(schema),
    (error: unknown) => error instanceof PlatformError && error.code === "CONFIG_INVALID" && about.test(error.message),
  );
};

describe("structural schemas", () => {
  test("says types, limits, defaults and texts as kubectl explain shows them", () => {
    const schema = z.object({
      name: z.string().min(1).max(63).describe("Its name."),
      vcpu: z.int32().min(1).max(64),
      memoryMiB: z.int().positive(),
      offset: z.int32().optional(),
      ratio: z.number().gt(0).lte(1).optional(),
      mode: z.enum(["a", "b"]).default("a"),
      port: z.int32().prefault(6443).describe("Its port."),
      since: z.iso.datetime().optional(),
      labels: z.record(z.string(), z.string().max(63)).optional(),
      nothing: z.string().nullable().optional(),
      address: z.union([z.ipv4(), z.ipv6()]).optional(),
      which: z.union([z.literal("x"), z.literal("y")]).optional(),
    });
    assert.deepEqual(structuralSchema(schema), {
      type: "object",
      properties: {
        name: { type: "string", minLength: 1, maxLength: 63, description: "Its name." },
        vcpu: { type: "integer", format: "int32", minimum: 1, maximum: 64 },
        memoryMiB: { type: "integer", format: "int64", minimum: 1 },
        offset: { type: "integer", format: "int32" },
        ratio: { type: "number", minimum: 0, exclusiveMinimum: true, maximum: 1 },
        mode: { type: "string", enum: ["a", "b"], default: "a" },
        port: { type: "integer", format: "int32", default: 6443, description: "Its port." },
        since: { type: "string", format: "date-time" },
        labels: { type: "object", additionalProperties: { type: "string", maxLength: 63 } },
        nothing: { type: "string", nullable: true },
        address: { type: "string", anyOf: [{ format: "ipv4" }, { format: "ipv6" }] },
        which: { type: "string", enum: ["x", "y"] },
      },
      required: ["memoryMiB", "name", "vcpu"],
    });
  });

  test("keeps the API server's own marks, also through optional and default", () => {
    const element = z.object({ type: z.string().max(10), status: z.string() });
    const schema = z.object({
      conditions: z.array(element).max(32).meta(listMap("type")).optional(),
      names: z.array(z.string().max(9)).max(4).meta(listSet()).default([]),
      surge: intOrString().optional(),
      free: z.looseObject({ known: z.string().optional() }).optional(),
      raw: z.unknown(),
      kept: z.object({}).meta(preserveUnknownFields()).optional(),
      id: z
        .string()
        .max(9)
        .meta(rules({ rule: "self == oldSelf", message: "stays" }))
        .optional(),
    });
    const { properties } = structuralSchema(schema);
    assert.equal(properties?.["conditions"]?.["x-kubernetes-list-type"], "map");
    assert.deepEqual(properties?.["conditions"]?.["x-kubernetes-list-map-keys"], ["type"]);
    assert.deepEqual(properties?.["names"], {
      type: "array",
      items: { type: "string", maxLength: 9 },
      maxItems: 4,
      default: [],
      "x-kubernetes-list-type": "set",
    });
    assert.deepEqual(properties?.["surge"], {
      "x-kubernetes-int-or-string": true,
      anyOf: [{ type: "integer" }, { type: "string" }],
    });
    assert.equal(properties?.["free"]?.["x-kubernetes-preserve-unknown-fields"], true);
    assert.deepEqual(properties?.["raw"], { "x-kubernetes-preserve-unknown-fields": true });
    assert.deepEqual(properties?.["kept"], { type: "object", "x-kubernetes-preserve-unknown-fields": true });
    assert.deepEqual(properties?.["id"]?.["x-kubernetes-validations"], [{ rule: "self == oldSelf", message: "stays" }]);
  });

  test("writes out what is defined once and used twice", () => {
    const reference = z.object({ name: z.string() }).meta({ id: "Reference" });
    const { properties } = structuralSchema(z.object({ a: reference, b: reference.optional().describe("the other") }));
    assert.deepEqual(properties?.["a"], {
      type: "object",
      properties: { name: { type: "string" } },
      required: ["name"],
    });
    assert.equal(properties?.["b"]?.description, "the other");
  });

  test("two patterns on one text are both kept", () => {
    const { properties } = structuralSchema(z.object({ a: z.string().regex(/^a/).regex(/b$/) }));
    assert.deepEqual(properties?.["a"], { type: "string", allOf: [{ pattern: "^a" }, { pattern: "b$" }] });
  });

  test("refuses, with the field's path, what cannot be structural", () => {
    const node: z.ZodType = z.object({
      get next() {
        return node.optional();
      },
    });
    refuses(z.object({ a: z.object({ b: node }) }), /itself/);
    refuses(
      z.object({ a: z.discriminatedUnion("t", [z.object({ t: z.literal("x") }), z.object({ t: z.literal("y") })]) }),
      /\.a: a union/,
    );
    refuses(z.object({ a: z.union([z.string(), z.boolean()]) }), /\.a: a union/);
    refuses(z.object({ a: z.array(z.object({ b: z.tuple([z.string(), z.int()]) })) }), /\.a\[\]\.b: the type 'tuple'/);
    refuses(z.object({ a: z.object({ k: z.string() }).catchall(z.string()) }), /\.a: named fields/);
    refuses(z.object({ a: z.bigint() }), /BigInt/i);
    refuses(z.object({ a: z.string().regex(/^(?!x)/) }), /look-ahead/);
    refuses(z.object({ a: z.array(z.object({ type: z.string().optional() })).meta(listMap("type")) }), /key 'type'/);
    refuses(z.object({ a: z.string().meta({ "x-kubernetes-lst-type": "map" }) }), /x-kubernetes-lst-type/);
  });
});

describe("the cost of CEL rules", () => {
  test("names what a rule touches without limit, and nothing else", () => {
    const schema = structuralSchema(
      z.object({
        spec: z
          .object({
            host: z.string(),
            free: z.string(),
            list: z.array(
              z.object({
                id: z
                  .string()
                  .max(9)
                  .meta(rules({ rule: "self != 'x'" })),
              }),
            ),
            names: z.array(z.string()).max(5),
          })
          .meta(
            rules({ rule: "self.host == oldSelf.host" }, { rule: "!has(self.free) || self.names.all(n, n != '')" }),
          ),
      }),
    );
    assert.deepEqual(unboundedInRules(schema), [
      "spec.host has no maxLength",
      "spec.list has no maxItems",
      "spec.names[] has no maxLength",
    ]);
  });
});

describe("custom resource definitions", () => {
  const version = {
    name: "v1",
    served: true,
    storage: true,
    schema: z.object({ spec: z.object({ a: z.string() }), status: z.object({}).optional() }),
  };

  test("has names, subresource, columns, labels and the fields that every object has", () => {
    const definition = customResourceDefinition({
      group: "infra.example.com",
      kind: "Thing",
      plural: "things",
      shortNames: ["th"],
      categories: ["cluster-api"],
      scope: "Namespaced",
      labels: { contract: "v1" },
      versions: [
        { ...version, printerColumns: [{ name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" }] },
      ],
      conversion: { webhook: { service: { namespace: "system", name: "webhook", path: "/convert" } } },
    });
    assert.equal(definition.metadata.name, "things.infra.example.com");
    const [first] = definition.spec.versions;
    assert.deepEqual(Object.keys(first?.schema.openAPIV3Schema.properties ?? {}).toSorted(), [
      "apiVersion",
      "kind",
      "metadata",
      "spec",
      "status",
    ]);
    assert.deepEqual(first?.["subresources"], { status: {} });
    assert.deepEqual(first?.schema.openAPIV3Schema.required, ["spec"]);
    assert.deepEqual(definition.spec.names["shortNames"], ["th"]);
  });

  test("the YAML is the same however the object was put together, and reads back", () => {
    const options = { group: "g.io", kind: "Thing", plural: "things", scope: "Cluster", versions: [version] } as const;
    const definition = customResourceDefinition(options);
    const shuffled = Object.fromEntries(Object.entries(definition).toReversed());
    assert.equal(manifestYaml(definition), manifestYaml(shuffled));
    assert.deepEqual(parse(manifestYaml(definition)), JSON.parse(JSON.stringify(definition)));
    assert.match(manifestYaml(definition), /^---\napiVersion: .*\nkind: .*\nmetadata:\n/);
  });

  test("refuses two stored versions and rules without bounds", () => {
    const options = { group: "g.io", kind: "Thing", plural: "things", scope: "Cluster" } as const;
    assert.throws(
      () => customResourceDefinition({ ...options, versions: [version, { ...version, name: "v2" }] }),
      /2 versions/,
    );
    const schema = z.object({ spec: z.object({ a: z.string().meta(rules({ rule: "self == oldSelf" })) }) });
    assert.throws(
      () => customResourceDefinition({ ...options, versions: [{ ...version, schema }] }),
      /spec\.a has no maxLength/,
    );
  });
});
