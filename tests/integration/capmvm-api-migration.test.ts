/** From upstream's CRDs to ours on a real API server: what was stored as v1alpha1 is read in both versions, and can be stored anew. And what still works while we are down. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type CustomResourceDefinition, manifestYaml } from "@liquidmetal/kubernetes";
import { parseAllDocuments } from "yaml";
import { crds } from "../../packages/capmvm/src/api/index.ts";
import { type Answer, ApiAnswers } from "../assets/api-answers.ts";
import { type CapmvmApi, serveCapmvmApi } from "../assets/capmvm-api.ts";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";

type Json = Answer["body"];

const objectsOfOneKind = 600;
const plurals = ["microvmclusters", "microvmmachines", "microvmmachinetemplates"];
const path = (version: string, plural: string, name = ""): string =>
  `/apis/infrastructure.cluster.x-k8s.io/${version}/namespaces/default/${plural}${name === "" ? "" : `/${name}`}`;

/** The CRDs as upstream installs them: one version, stored, no converter that is ever asked. */
function upstreamsCrds(): readonly object[] {
  return crds().flatMap((definition: CustomResourceDefinition) => {
    const versions = definition.spec.versions
      .filter(({ name }) => name === "v1alpha1")
      .map(({ deprecated: _deprecated, deprecationWarning: _warning, ...version }) => ({ ...version, storage: true }));
    const { conversion: _conversion, ...spec } = definition.spec;
    const labels = { "cluster.x-k8s.io/v1beta1": "v1alpha1" };
    return versions.length === 0
      ? []
      : [{ ...definition, metadata: { ...definition.metadata, labels }, spec: { ...spec, versions } }];
  });
}

describe("storage that upstream wrote", () => {
  let server: ApiServer;
  let answers: ApiAnswers;
  let api: CapmvmApi | undefined;
  const written = new Map<string, Json>();

  before(async () => {
    server = await startApiServer();
    answers = new ApiAnswers(server);
    await server.kubectl(["apply", "--server-side", "-f", "-"], manifestYaml(...upstreamsCrds()));
    await server.kubectl(["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]);
    const folder = join(import.meta.dirname, "../assets/capmvm-v1alpha1");
    for (const file of await readdir(folder)) {
      for (const document of parseAllDocuments(await readFile(join(folder, file), "utf8")))
        await write(document.toJS());
    }
    api = await serveCapmvmApi(server);
  });
  after(async () => {
    answers?.[Symbol.dispose]();
    await api?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  async function write(object: Json): Promise<void> {
    const plural = `${object.kind.toLowerCase()}s`;
    const { status, body } = await answers.ask("POST", path("v1alpha1", plural), object);
    assert.equal(status, 201, body.message);
    const { name } = object.metadata;
    const stored =
      object.status === undefined
        ? body
        : (await answers.ask("PATCH", `${path("v1alpha1", plural, name)}/status`, { status: object.status }, "merge"))
            .body;
    written.set(`${plural}/${name}`, stored);
  }

  const read = async (version: string, key: string): Promise<Json> => {
    const [plural = "", name] = key.split("/");
    const { status, body } = await answers.ask("GET", path(version, plural, name));
    assert.equal(status, 200, body.message);
    return body;
  };

  test("is read as v1alpha1 as it was written, and as v1beta2", async () => {
    assert.ok(written.size >= 20);
    for (const [key, before] of written) {
      const now = await read("v1alpha1", key);
      assert.deepEqual(
        [now.metadata.uid, now.spec, now.status],
        [before.metadata.uid, before.spec, before.status],
        key,
      );
      assert.equal((await read("v1beta2", key)).metadata.resourceVersion, before.metadata.resourceVersion, key);
    }
    const ready = await read("v1beta2", "microvmclusters/ready");
    assert.deepEqual(ready.status.initialization, { provisioned: true });
    assert.deepEqual(ready.status.failureDomains, [
      { name: "10.0.0.1:9090", controlPlane: true },
      { name: "10.0.0.2:9090" },
    ]);
    const waiting = await read("v1beta2", "microvmmachines/waiting-for-bootstrap-data");
    assert.deepEqual(
      waiting.status.conditions.map(({ type, reason }: Json) => [type, reason]),
      [
        ["Ready", "WaitingForBootstrapData"],
        ["VMProvisioned", "WaitingForBootstrapData"],
      ],
    );
  });

  test("takes our writes: finalizer, identity, status, and is then stored as v1beta2 without loss", async () => {
    const key = "microvmmachines/demo-all-fields";
    const before = await read("v1alpha1", key);
    const url = path("v1beta2", "microvmmachines", "demo-all-fields");
    const metadata = {
      finalizers: ["a.example/f"],
      annotations: { "capmvm.liquidmetal.dev/identity": before.metadata.uid },
    };
    const journal = await answers.ask("PATCH", url, { metadata }, "merge");
    assert.equal(journal.status, 200, journal.body.message);
    const providerID = "microvm://10.0.0.1:9090/01HX";
    assert.equal((await answers.ask("PATCH", url, { spec: { providerID } }, "merge")).status, 200);
    const at = "2026-01-01T00:00:00Z";
    const conditions = [
      { type: "VMProvisioned", status: "True", reason: "Provisioned", message: "", lastTransitionTime: at },
    ];
    const status = { initialization: { provisioned: true }, vmState: "running", conditions };
    const apply = { apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2", kind: "MicrovmMachine", status };
    const applied = await answers.ask("PATCH", `${url}/status?fieldManager=capmvm&force=true`, apply, "apply");
    assert.equal(applied.status, 200, applied.body.message);
    const after = await read("v1alpha1", key);
    assert.deepEqual(after.spec, { ...before.spec, providerID });
    assert.deepEqual([after.status.ready, after.status.vmState], [true, "running"]);
    assert.deepEqual(after.status.conditions, [{ type: "MicrovmReady", status: "True", lastTransitionTime: at }]);
    await answers.ask("PATCH", url, { metadata: { finalizers: [] } }, "merge");
  });

  test("is stored anew by a write of each object, after which v1alpha1 may leave storedVersions", async () => {
    const definition =
      "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/microvmclusters.infrastructure.cluster.x-k8s.io";
    assert.deepEqual((await answers.ask("GET", definition)).body.status.storedVersions, ["v1alpha1", "v1beta2"]);
    for (const plural of plurals) {
      const { body } = await answers.ask("GET", path("v1beta2", plural));
      for (const item of body.items) {
        const { status, body: answer } = await answers.ask("PUT", path("v1beta2", plural, item.metadata.name), {
          ...item,
          apiVersion: body.apiVersion,
          kind: body.kind.replace(/List$/, ""),
        });
        assert.equal(status, 200, answer.message);
        const before = written.get(`${plural}/${item.metadata.name}`);
        if (item.metadata.name !== "demo-all-fields")
          assert.deepEqual((await read("v1alpha1", `${plural}/${item.metadata.name}`)).spec, before.spec);
      }
    }
    const cleaned = await answers.ask(
      "PATCH",
      `${definition}/status`,
      { status: { storedVersions: ["v1beta2"] } },
      "merge",
    );
    assert.equal(cleaned.status, 200);
  });

  test("of many objects is listed in both versions", async () => {
    const [, template] = [...written].find(([key]) => key.startsWith("microvmmachinetemplates/")) ?? [];
    for (let from = 0; from < objectsOfOneKind; from += 50) {
      const batch = Array.from({ length: 50 }, (_, index) => ({
        apiVersion: template.apiVersion,
        kind: template.kind,
        metadata: { name: `many-${from + index}` },
        spec: template.spec,
      }));
      await Promise.all(batch.map((one) => answers.ask("POST", path("v1alpha1", "microvmmachinetemplates"), one)));
    }
    for (const version of ["v1alpha1", "v1beta2"]) {
      const { status, body } = await answers.ask("GET", path(version, "microvmmachinetemplates"));
      assert.equal(status, 200, body.message);
      assert.ok(body.items.length >= objectsOfOneKind, `${version}: ${body.items.length}`);
    }
  });

  test("while the provider is down, is read in the stored version, deleted and finalised, and refuses what would go unchecked", async () => {
    const metadata = { name: "orphan", finalizers: ["a.example/f"] };
    const spec = { placement: { staticPool: { hosts: [{ endpoint: "10.0.0.1:9090" }] } } };
    const object = { apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2", kind: "MicrovmCluster", metadata, spec };
    assert.equal((await answers.ask("POST", path("v1beta2", "microvmclusters"), object)).status, 201);
    await api?.[Symbol.asyncDispose]();
    api = undefined;
    const url = path("v1beta2", "microvmclusters", "orphan");
    assert.equal((await answers.ask("GET", url)).status, 200);
    const unchecked = await answers.ask(
      "PATCH",
      url,
      { spec: { hostAccess: { tlsSecretRef: { name: "x" } } } },
      "merge",
    );
    assert.equal(unchecked.status, 500);
    assert.match(unchecked.body.message, /failed calling webhook "default\.microvmcluster/);
    assert.notEqual((await answers.ask("GET", path("v1alpha1", "microvmclusters", "orphan"))).status, 200);
    assert.equal((await answers.ask("DELETE", url)).status, 200);
    const finalised = await answers.ask("PATCH", url, { metadata: { finalizers: null } }, "merge");
    assert.equal(finalised.status, 200, finalised.body.message);
    assert.equal((await answers.ask("GET", url)).status, 404);
  });
});
