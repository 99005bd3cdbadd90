/** No object loses anything on its way to the other version and back, whatever it holds; and what it becomes is valid there. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type KubernetesObject, type StructuralSchema, structuralSchema } from "@liquidmetal/kubernetes";
import fc from "fast-check";
import { parseAllDocuments } from "yaml";
import type { z } from "zod";
import {
  microvmClusterSchemaV1alpha1,
  microvmMachineSchemaV1alpha1,
  microvmMachineTemplateSchemaV1alpha1,
} from "../v1alpha1/index.ts";
import {
  annotations,
  microvmClusterSchema,
  microvmMachineSchema,
  microvmMachineTemplateSchema,
} from "../v1beta2/index.ts";
import { convertObject } from "./convert.ts";

type Content = KubernetesObject & { readonly spec?: unknown; readonly status?: unknown };

const [v1alpha1, v1beta2] = ["infrastructure.cluster.x-k8s.io/v1alpha1", "infrastructure.cluster.x-k8s.io/v1beta2"];
const assets = join(import.meta.dirname, "../../../../../tests/assets/capmvm-v1alpha1");
const samples = readdirSync(assets).flatMap((file) =>
  parseAllDocuments(readFileSync(join(assets, file), "utf8")).map((one) => ({ file, object: one.toJS() as Content })),
);

const kinds: readonly (readonly [string, z.ZodType, z.ZodType])[] = [
  ["MicrovmCluster", microvmClusterSchemaV1alpha1, microvmClusterSchema],
  ["MicrovmMachine", microvmMachineSchemaV1alpha1, microvmMachineSchema],
  ["MicrovmMachineTemplate", microvmMachineTemplateSchemaV1alpha1, microvmMachineTemplateSchema],
];
const schemaOf = (kind: string | undefined, version: 1 | 2): z.ZodType => {
  const found = kinds.find(([name]) => name === kind)?.[version];
  assert.ok(found);
  return found;
};

/** Values that a structural schema allows; few different texts, so that names meet again. */
function valuesOf(schema: StructuralSchema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer({ min: Math.max(schema.minimum ?? -5, -5), max: Math.min(schema.maximum ?? 1e9, 1e9) });
    case "array":
      return fc.array(valuesOf(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: 4 });
    case "object": {
      if (schema.additionalProperties !== undefined) {
        return fc.dictionary(fc.constantFrom("a", "b:9090", "__proto__", "é"), valuesOf(schema.additionalProperties));
      }
      const fields = Object.entries(schema.properties ?? {}).map(([name, one]) => [name, valuesOf(one)] as const);
      return fc.record(Object.fromEntries(fields), { requiredKeys: [...(schema.required ?? [])] });
    }
    default: {
      if (schema.format === "date-time") return fc.constantFrom("2026-01-01T00:00:00Z", "2026-01-02T03:04:05Z");
      const texts = ["", "a", "bb", "Ready", "MicrovmReady", "VMProvisioned", "MicrovmPending", "Vanished", "stopped"];
      return fc.constantFrom(...texts.filter((text) => text.length >= (schema.minLength ?? 0)));
    }
  }
}

const annotationsOfUsers = fc.option(fc.dictionary(fc.constantFrom("x/a", "x/b"), fc.string(), { minKeys: 1 }), {
  nil: undefined,
});

function objectsOf(kind: string, apiVersion: string, schema: z.ZodType): fc.Arbitrary<Content> {
  return fc.record({ content: valuesOf(structuralSchema(schema)), notes: annotationsOfUsers }).map(
    ({ content, notes }) =>
      ({
        apiVersion,
        kind,
        metadata: { name: "x", namespace: "y", ...(notes === undefined ? {} : { annotations: notes }) },
        ...(content as object),
      }) as Content,
  );
}

/** fast-check makes objects without prototype; assert tells them from others. */
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
const contentOf = ({ spec, status }: Content): unknown => plain({ spec, status });

describe("objects of upstream's templates and samples", () => {
  test("are all there", () => assert.ok(samples.length >= 20, `${samples.length} objects`));
  for (const { file, object } of samples) {
    test(`${file}: ${object.kind} ${object.metadata?.name} comes back as it was, and is valid in between`, () => {
      assert.ok(schemaOf(object.kind, 1).safeParse(object).success, "valid as v1alpha1");
      const stored = convertObject(object, v1beta2);
      const checked = schemaOf(object.kind, 2).safeParse(stored);
      assert.ok(checked.success, String(checked.error));
      assert.deepEqual(convertObject(stored, v1alpha1), object);
    });
  }
});

for (const [kind, old, now] of kinds) {
  describe(kind, () => {
    test("any object of v1alpha1 comes back from v1beta2 as it was", () => {
      fc.assert(
        fc.property(objectsOf(kind, v1alpha1, old), (object) => {
          assert.deepEqual(plain(convertObject(convertObject(object, v1beta2), v1alpha1)), plain(object));
        }),
        { numRuns: 300 },
      );
    });

    test("any object of v1beta2 comes back from v1alpha1 as it was", () => {
      fc.assert(
        fc.property(objectsOf(kind, v1beta2, now), (object) => {
          assert.deepEqual(plain(convertObject(convertObject(object, v1alpha1), v1beta2)), plain(object));
        }),
        { numRuns: 300 },
      );
    });

    test("whatever a client of v1alpha1 writes over an object of v1beta2 is what it reads again", () => {
      const both = fc.tuple(objectsOf(kind, v1beta2, now), objectsOf(kind, v1alpha1, old), fc.boolean());
      fc.assert(
        fc.property(both, ([stored, written, whole]) => {
          const read = convertObject(stored, v1alpha1);
          const edited = { ...read, spec: written.spec, ...(whole ? { status: written.status } : {}) };
          const again = convertObject(convertObject(edited, v1beta2), v1alpha1);
          assert.deepEqual(contentOf(again), contentOf(edited));
        }),
        { numRuns: 300 },
      );
    });

    test("whatever a client of v1beta2 writes over an object of v1alpha1 is what it reads again", () => {
      const both = fc.tuple(objectsOf(kind, v1alpha1, old), objectsOf(kind, v1beta2, now));
      fc.assert(
        fc.property(both, ([first, written]) => {
          const stored = convertObject(first, v1beta2);
          const edited = { ...stored, spec: written.spec, status: written.status };
          const again = convertObject(convertObject(edited, v1alpha1), v1beta2);
          assert.deepEqual(contentOf(again), contentOf(edited));
        }),
        { numRuns: 300 },
      );
    });

    test("a damaged annotation is as good as none, and never breaks reading", () => {
      const damage = fc.oneof(
        fc.string(),
        fc.json(),
        fc.constantFrom(
          '{"of":"v1beta2","lost":[{"path":["spec"],"was":7}]}',
          '{"of":"v1beta2","lost":[{"path":["spec","__proto__"],"was":{}}]}',
          '{"of":"v1beta2","lost":[{"path":["status"],"was":{"conditions":"none"}}]}',
        ),
      );
      fc.assert(
        fc.property(objectsOf(kind, v1alpha1, old), damage, (object, data) => {
          const damaged = { ...object, metadata: { name: "x", annotations: { [annotations.conversionData]: data } } };
          const stored = convertObject(damaged, v1beta2);
          const clean = convertObject({ ...object, metadata: { name: "x" } }, v1beta2);
          const [made, asItShould] = [stored, clean].map((one) => schemaOf(kind, 2).safeParse(one));
          // Fields that no schema names are the API server's to prune.
          if (asItShould?.success === true) assert.deepEqual(plain(made?.data), plain(asItShould.data));
        }),
      );
    });
  });
}
