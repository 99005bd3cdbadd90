import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import fc from "fast-check";
import type { JsonPatch } from "../client/client.ts";
import type { KubernetesObject } from "../object.ts";
import type { AdmissionContext } from "./admission.ts";
import { answerDefaulting, answerValidating } from "./admission-review.ts";
import { answerConversion } from "./conversion-review.ts";
import { jsonPatchBetween } from "./json-patch-diff.ts";

interface Widget extends KubernetesObject {
  readonly spec?: { readonly size?: number; readonly names?: readonly string[] };
}

const { signal } = new AbortController();
const widget: Widget = { apiVersion: "example.org/v1", kind: "Widget", metadata: { name: "a" }, spec: { size: 1 } };
const review = (request: object = {}, apiVersion = "admission.k8s.io/v1"): object => ({
  apiVersion,
  kind: "AdmissionReview",
  request: {
    uid: "1-2-3",
    kind: { group: "example.org", version: "v1", kind: "Widget" },
    operation: "CREATE",
    name: "a",
    namespace: "ns",
    dryRun: true,
    userInfo: { username: "alice", groups: ["g"] },
    object: widget,
    oldObject: null,
    ...request,
  },
});
const noDefect = (error: unknown): void => assert.fail(String(error));

/** Applies what a diff of ours gives. */
function patched(target: unknown, patch: JsonPatch): unknown {
  const root = { root: JSON.parse(JSON.stringify(target)) as unknown };
  for (const { op, path, value } of patch) {
    const steps = ["root", ...path.split("/").slice(1)].map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = steps.pop() ?? "";
    const parent = steps.reduce<Record<string, unknown>>((at, step) => at[step] as Record<string, unknown>, root);
    if (op === "remove") delete parent[last];
    else Object.defineProperty(parent, last, { value, enumerable: true, configurable: true, writable: true });
  }
  return root.root;
}

test("a JSON patch makes the one of the other", () => {
  const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)));
  fc.assert(
    fc.property(json, json, (before, after) => {
      assert.deepEqual(patched(before, jsonPatchBetween(before, after)), after);
      assert.deepEqual(jsonPatchBetween(before, JSON.parse(JSON.stringify(before))), []);
    }),
    { numRuns: 500 },
  );
  const hostile = JSON.parse('{"__proto__":{"a":1}}');
  assert.deepEqual(patched(hostile, jsonPatchBetween(hostile, {})), {});
  assert.deepEqual(jsonPatchBetween({ "a/b~": 1 }, { "a/b~": 2 }), [{ op: "replace", path: "/a~1b~0", value: 2 }]);
});

describe("admission", () => {
  test("defaults go back as a patch, in the version and with the uid of the review", async () => {
    for (const version of ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"]) {
      const answer = await answerDefaulting<Widget>(
        review({}, version),
        (object, { operation, dryRun }) => {
          assert.deepEqual([operation, dryRun], ["CREATE", true]);
          return { ...object, spec: { size: 1, ...object.spec, names: ["x"] } };
        },
        signal,
        noDefect,
      );
      assert.equal(answer.apiVersion, version);
      const { uid, allowed, patchType, patch } = answer.response;
      assert.deepEqual([uid, allowed, patchType], ["1-2-3", true, "JSONPatch"]);
      const operations = JSON.parse(Buffer.from(patch ?? "", "base64").toString("utf8"));
      assert.deepEqual(operations, [{ op: "add", path: "/spec/names", value: ["x"] }]);
    }
    const same = await answerDefaulting<Widget>(review(), (object) => object, signal, noDefect);
    assert.deepEqual(same.response, { uid: "1-2-3", allowed: true });
  });

  test("a verdict lets in, warns, or refuses with the fields that are wrong", async () => {
    const contexts: AdmissionContext[] = [];
    const warned = await answerValidating<Widget>(
      review(),
      (_object, _old, context) => {
        contexts.push(context);
        return { warnings: ["old field"] };
      },
      signal,
      noDefect,
    );
    assert.deepEqual(warned.response, { uid: "1-2-3", allowed: true, warnings: ["old field"] });
    assert.deepEqual(contexts[0]?.userInfo, { username: "alice", uid: "", groups: ["g"] });
    const refused = await answerValidating<Widget>(
      review({ operation: "UPDATE", oldObject: widget }),
      (object, old) => ({
        errors: [
          { field: "spec.size", type: "FieldValueForbidden", message: `was ${old?.spec?.size}` },
          { field: "spec.names", type: "FieldValueRequired", message: `of ${object?.metadata?.name}` },
        ],
      }),
      signal,
      noDefect,
    );
    assert.equal(refused.response.allowed, false);
    assert.equal(refused.response.status?.code, 422);
    assert.equal(
      refused.response.status?.message,
      'Widget.example.org "a" is invalid: [spec.size: Forbidden: was 1, spec.names: Required value: of a]',
    );
    const denied = await answerValidating<Widget>(
      review({ operation: "DELETE", object: null, oldObject: widget }),
      (object) => ({ denied: { code: 403, reason: "Forbidden", message: `no ${object}` } }),
      signal,
      noDefect,
    );
    assert.deepEqual([denied.response.status?.code, denied.response.status?.message], [403, "no undefined"]);
  });

  test("a handler that throws is answered with 500 and heard of", async () => {
    const heard: unknown[] = [];
    const broken = (): never => {
      throw new TypeError("cannot read properties of undefined");
    };
    const answer = await answerValidating<Widget>(review(), broken, signal, (error) => heard.push(error));
    assert.equal(answer.response.allowed, false);
    assert.equal(answer.response.status?.code, 500);
    assert.match(answer.response.status?.message ?? "", /the webhook failed: cannot read/);
    assert.equal(heard.length, 1);
  });

  test("what is no review is refused", async () => {
    for (const nothing of [undefined, {}, review({ uid: "" }), review({}, "admission.k8s.io/v2")]) {
      await assert.rejects(
        answerValidating<Widget>(nothing, () => undefined, signal, noDefect),
        (error: unknown) => error instanceof PlatformError && error.code === "REQUEST_INVALID",
      );
    }
  });
});

describe("conversion", () => {
  const conversion = (objects: readonly KubernetesObject[]): object => ({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "ConversionReview",
    request: { uid: "u", desiredAPIVersion: "example.org/v2", objects },
  });
  const convert = (object: KubernetesObject, apiVersion: string): KubernetesObject => {
    if (object.metadata?.name === "bad") throw new PlatformError("REQUEST_INVALID", "it holds what v2 cannot say");
    return object.metadata?.name === "lazy" ? object : { ...object, apiVersion };
  };

  test("all objects in order, also very many", async () => {
    const many = Array.from({ length: 1_000 }, (_, index) => ({ ...widget, metadata: { name: `w${index}` } }));
    const { response } = await answerConversion(conversion(many), convert, signal);
    assert.deepEqual([response.uid, response.result], ["u", { status: "Success" }]);
    assert.deepEqual(
      response.convertedObjects,
      many.map((object) => ({ ...object, apiVersion: "example.org/v2" })),
    );
  });

  test("one that fails fails all, and is named", async () => {
    const objects = [
      widget,
      { ...widget, metadata: { namespace: "ns", name: "bad" } },
      { ...widget, metadata: { name: "lazy" } },
    ];
    const { response } = await answerConversion(conversion(objects), convert, signal);
    assert.equal(response.result.status, "Failure");
    assert.match(
      response.result.message ?? "",
      /^2 of 3 objects cannot be converted to example.org\/v2: Widget ns\/bad: it holds .*; Widget \/lazy: /,
    );
    assert.deepEqual(response.convertedObjects, []);
  });
});
