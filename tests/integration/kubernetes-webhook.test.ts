/** CRDs and webhooks of ours under the real kube-apiserver: accepted, called, believed, also while certificates change. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect } from "node:tls";
import { PlatformError } from "@liquidmetal/foundation";
import {
  ApiError,
  connectCluster,
  converting,
  defaulting,
  isInvalid,
  type KubernetesClient,
  type KubernetesObject,
  loadKubeconfig,
  manifestYaml,
  RuntimeMetrics,
  startWebhookServer,
  validating,
  type WebhookServer,
} from "@liquidmetal/kubernetes";
import { TestAuthority } from "../assets/certificates.ts";
import { type Gadget, gadgetDefinition, gadgets, oldGadgets } from "../assets/kubernetes-gadget.ts";
import { type ApiServer, startApiServer } from "../assets/management-plane.ts";

const stack = new AsyncDisposableStack();
let server: ApiServer;
let client: KubernetesClient;
let webhooks: WebhookServer;
let mount: SecretMount;
const metrics = new RuntimeMetrics();
const warnings: string[] = [];
const authority = stack.use(new TestAuthority());
/** What the validator does, set by tests. */
let verdict: "by size" | "throw" = "by size";

/** A folder as kubelet mounts secrets: files are links into `..data`, which is a link that is swapped. */
class SecretMount {
  readonly directory: string;
  #version = 0;

  constructor(directory: string) {
    this.directory = directory;
  }

  async put(certificate: { readonly cert: Buffer; readonly key: Buffer }): Promise<void> {
    const version = `..version-${++this.#version}`;
    await mkdir(join(this.directory, version));
    await writeFile(join(this.directory, version, "tls.crt"), certificate.cert);
    await writeFile(join(this.directory, version, "tls.key"), certificate.key);
    await symlink(version, join(this.directory, "..data_tmp"));
    await rename(join(this.directory, "..data_tmp"), join(this.directory, "..data"));
    if (this.#version > 1) return;
    for (const file of ["tls.crt", "tls.key"]) await symlink(join("..data", file), join(this.directory, file));
  }
}

before(
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "lm-webhook-"));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    mount = new SecretMount(directory);
    await mount.put(authority.issue("first"));
    server = stack.use(await startApiServer());
    webhooks = stack.use(
      await startWebhookServer({
        host: "127.0.0.1",
        port: 0,
        certificatePath: join(directory, "tls.crt"),
        keyPath: join(directory, "tls.key"),
        tls: { minVersion: "TLSv1.3" },
        metrics,
        routes: [
          defaulting<Gadget>("/default", (object) =>
            object.spec?.host === undefined
              ? {
                  ...object,
                  spec: { ...object.spec, host: "defaulted", labels: { "keep/~me": "1", ...object.spec?.labels } },
                }
              : object,
          ),
          validating<Gadget>("/validate", (object, old, { operation, dryRun, userInfo }) => {
            if (verdict === "throw") throw new TypeError("this is a defect");
            if (operation === "DELETE") {
              const denied = { code: 403, reason: "Forbidden", message: `${userInfo.username} shall not delete` };
              return old?.metadata?.labels?.["keep"] === undefined ? undefined : { denied };
            }
            const sizeMiB = object?.spec?.sizeMiB ?? 0;
            const errors =
              sizeMiB === 13 ? [{ field: "spec.sizeMiB", type: "FieldValueInvalid", message: "unlucky" } as const] : [];
            return { errors, warnings: sizeMiB > 512 ? [`large: ${sizeMiB}, dry run: ${dryRun}`] : [] };
          }),
          converting("/convert", convert),
        ],
      }),
    );
    const address = (path: string) => ({
      url: `https://127.0.0.1:${webhooks.port}${path}`,
      caBundle: authority.ca.toString("base64"),
    });
    await server.kubectl(["apply", "--server-side", "-f", "-"], manifestYaml(gadgetDefinition(address("/convert"))));
    await server.kubectl([
      "wait",
      "--for=condition=Established",
      "--timeout=30s",
      "crd/gadgets.runtime.liquidmetal.dev",
    ]);
    const rules = [{ apiGroups: [gadgets.group], apiVersions: ["v2"], resources: ["gadgets"] }];
    const common = { sideEffects: "None", failurePolicy: "Fail", timeoutSeconds: 10 };
    const configuration = (kind: string, name: string, path: string, versions: string[], operations: string[]) => ({
      apiVersion: "admissionregistration.k8s.io/v1",
      kind,
      metadata: { name },
      webhooks: [
        {
          ...common,
          name: `${name}.liquidmetal.dev`,
          clientConfig: address(path),
          admissionReviewVersions: versions,
          rules: rules.map((rule) => ({ ...rule, operations })),
        },
      ],
    });
    await server.kubectl(
      ["apply", "-f", "-"],
      manifestYaml(
        configuration("MutatingWebhookConfiguration", "default", "/default", ["v1beta1"], ["CREATE", "UPDATE"]),
        configuration(
          "ValidatingWebhookConfiguration",
          "validate",
          "/validate",
          ["v1"],
          ["CREATE", "UPDATE", "DELETE"],
        ),
      ),
    );
    const configurationOfServer = await loadKubeconfig({ path: server.kubeconfigFile });
    client = connectCluster({
      configuration: configurationOfServer,
      userAgent: "webhook-test/1",
      observer: { onWarning: (text) => void warnings.push(text) },
    });
    stack.defer(() => client.close());
    await called();
  },
  { timeout: 300_000 },
);
after(() => stack.disposeAsync());

function convert(object: KubernetesObject, apiVersion: string): KubernetesObject {
  if (object.metadata?.name === "inconvertible") throw new PlatformError("REQUEST_INVALID", "nobody knows how");
  const { size, sizeMiB, ...rest } = (object as Gadget).spec ?? {};
  const spec = apiVersion.endsWith("/v1") ? { ...rest, size: sizeMiB } : { ...rest, sizeMiB: size };
  return { ...object, apiVersion, spec } as KubernetesObject;
}

const gadget = (name: string, spec: Gadget["spec"], labels: Record<string, string> = {}): Gadget => ({
  metadata: { namespace: "default", name, labels },
  spec: { sizeMiB: 1, ...spec },
});

/** The API server needs a moment to learn of new webhook configurations. */
async function called(): Promise<void> {
  const end = Date.now() + 20_000;
  for (;;) {
    const made = await client.create(gadgets, gadget("probe", {}), { dryRun: true });
    const refused = await client.create(gadgets, gadget("probe", { sizeMiB: 13 }), { dryRun: true }).then(
      () => false,
      () => true,
    );
    if (made.spec?.host !== undefined && refused) return;
    assert.ok(Date.now() < end, "the webhooks are not called");
  }
}

describe("definitions", () => {
  test("are accepted as structural, without a complaint", async () => {
    const read = JSON.parse(await server.kubectl(["get", "crd", "gadgets.runtime.liquidmetal.dev", "-o", "json"]));
    const conditions: { type: string; status: string; message: string }[] = read.status.conditions;
    assert.deepEqual(
      conditions.filter(({ type }) => ["NonStructuralSchema", "KubernetesAPIApprovalPolicyConformant"].includes(type)),
      [],
    );
    assert.equal(conditions.find(({ type }) => type === "Established")?.status, "True");
    assert.match(await server.kubectl(["explain", "gadgets.spec.sizeMiB"]), /Its size\./);
  });

  test("default, prune, validate and apply rules as the schema says", async () => {
    const made = await client.create(
      gadgets,
      gadget("a", { nothing: null, unknown: 1, free: { kept: 1 }, raw: ["x"] }),
    );
    assert.equal(made.spec?.mode, "fast");
    assert.equal(made.spec?.["unknown"], undefined);
    assert.deepEqual(made.spec?.["free"], { kept: 1 });
    assert.deepEqual(made.spec?.["raw"], ["x"]);
    for (const [wrong, about] of [
      [{ sizeMiB: 0 }, /sizeMiB/],
      [{ mode: "sideways" }, /mode/],
      [{ address: "10.0.0.300" }, /address/],
      [{ cidr: "10.0.0.0" }, /cidr/],
      [{ since: "yesterday" }, /since/],
      [{ disks: [{ id: "d", sizeMiB: 1, path: "/p" }] }, /a size or a path/],
      [{ tags: ["a", "a"] }, /Duplicate/],
      [{ surge: true }, /surge/],
    ] as const) {
      await assert.rejects(
        client.create(gadgets, gadget("wrong", wrong)),
        (error: unknown) => isInvalid(error) && about.test(String(error)),
        String(about),
      );
    }
    await assert.rejects(
      client.mergePatch(gadgets, { namespace: "default", name: "a" }, { spec: { host: "other" } }),
      /host stays/,
    );
    for (const right of [
      { surge: "25%" },
      { surge: 3 },
      { address: "fd00::1" },
      { ratio: 0.5, since: "2026-11-23T18:00:00Z" },
    ]) {
      await client.create(gadgets, gadget("right", right), { dryRun: true });
    }
  });
});

describe("admission", () => {
  test("defaults what v1beta1 reviews bring, and escapes what patches escape", async () => {
    const made = await client.create(gadgets, gadget("defaulted", { labels: { "own/~one": "2" } }));
    assert.equal(made.spec?.host, "defaulted");
    assert.deepEqual(made.spec?.labels, { "keep/~me": "1", "own/~one": "2" });
  });

  test("refuses with the fields that are wrong, warns, and knows dry runs and users", async () => {
    await assert.rejects(client.create(gadgets, gadget("unlucky", { sizeMiB: 13 })), (error: unknown) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.httpStatus, 422);
      assert.match(
        error.message,
        /Gadget\.runtime\.liquidmetal\.dev "unlucky" is invalid: spec\.sizeMiB: Invalid value: unlucky/,
      );
      assert.deepEqual(
        error.causes.map(({ field }) => field),
        ["spec.sizeMiB"],
      );
      return true;
    });
    await client.create(gadgets, gadget("large", { sizeMiB: 1_000 }), { dryRun: true });
    assert.ok(
      warnings.some((text) => text.includes("large: 1000, dry run: true")),
      warnings.join(),
    );
    await client.create(gadgets, gadget("kept", {}, { keep: "" }));
    await assert.rejects(client.delete(gadgets, { namespace: "default", name: "kept" }), /shall not delete/);
  });

  test("a defect of ours is said, counted, and keeps the object out", async () => {
    verdict = "throw";
    try {
      await assert.rejects(
        client.create(gadgets, gadget("victim", {}), { timeoutMs: 3_000 }),
        /the webhook failed: this is a defect/,
      );
    } finally {
      verdict = "by size";
    }
    assert.match(await metrics.registry.metrics(), /controller_runtime_webhook_panics_total [1-9]/);
    assert.match(
      await metrics.registry.metrics(),
      /controller_runtime_webhook_requests_total\{webhook="\/validate",code="200"\} [1-9]/,
    );
  });
});

describe("conversion", () => {
  test("objects are read and written in either version", async () => {
    await client.create(gadgets, gadget("two", { sizeMiB: 7, host: "h" }));
    const old = await client.get(oldGadgets, { namespace: "default", name: "two" });
    assert.deepEqual([old.apiVersion, old.spec], ["runtime.liquidmetal.dev/v1", { host: "h", size: 7 }]);
    await client.mergePatch(oldGadgets, { namespace: "default", name: "two" }, { spec: { size: 8 } });
    assert.equal((await client.get(gadgets, { namespace: "default", name: "two" })).spec?.sizeMiB, 8);
    const all = await client.list(oldGadgets, { namespace: "default" });
    assert.ok(all.items.every(({ apiVersion }) => apiVersion === "runtime.liquidmetal.dev/v1"));
  });

  test("one that cannot be converted says why", async () => {
    const name = "inconvertible";
    await client.create(gadgets, gadget(name, {}));
    const why =
      /1 of 1 objects cannot be converted to runtime\.liquidmetal\.dev\/v1: Gadget default\/inconvertible: nobody knows how/;
    await assert.rejects(client.get(oldGadgets, { namespace: "default", name }, { timeoutMs: 3_000 }), why);
    await client.delete(gadgets, { namespace: "default", name });
  });
});

describe("certificates", () => {
  const serial = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(
        { host: "127.0.0.1", port: webhooks.port, ca: authority.ca, servername: "localhost" },
        () => {
          resolve(socket.getPeerCertificate().serialNumber);
          socket.destroy();
        },
      );
      socket.on("error", reject);
    });

  test("change under load without a failed call; half of a pair is not taken", async () => {
    const over = new AbortController();
    let calls = 0;
    const load = Array.from({ length: 4 }, async (_, worker) => {
      while (!over.signal.aborted) {
        await client.create(gadgets, gadget(`load-${worker}`, {}), { dryRun: true });
        calls++;
      }
    });
    const all = Promise.all(load);
    const first = await serial();
    const seen = new Set([first]);
    for (const name of ["second", "third"]) {
      const [before, certificate] = [await serial(), authority.issue(name)];
      await mount.put({ cert: certificate.cert, key: await readFile(join(mount.directory, "tls.key")) });
      await mount.put(certificate);
      const end = Date.now() + 15_000;
      while ((await serial()) === before) assert.ok(Date.now() < end, "the new certificate is not served");
      seen.add(await serial());
    }
    const before = calls;
    while (calls < before + 20) await client.create(gadgets, gadget("load", {}), { dryRun: true }).then(() => calls++);
    over.abort();
    await all;
    assert.equal(seen.size, 3);
    assert.ok(calls > 40, `${calls} calls`);
  });

  test("old TLS versions are refused", async () => {
    await assert.rejects(
      new Promise((resolve, reject) => {
        const options = { host: "127.0.0.1", port: webhooks.port, ca: authority.ca, maxVersion: "TLSv1.2" } as const;
        connect(options, () => resolve(undefined)).on("error", reject);
      }),
    );
  });
});
