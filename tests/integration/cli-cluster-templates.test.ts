/** `lm cluster create --dry-run` prints what `clusterctl generate cluster` makes of the same template and variables, object for object. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import { composeTemplates } from "../../tools/release/templates.ts";
import { preparedPrograms } from "../assets/management/prepared-programs.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);

const environment = {
  HOST_ENDPOINT: "10.0.0.1:9090,10.0.0.2:9090",
  MVM_ROOT_IMAGE: "registry.test/node:v1.36.3",
  MVM_KERNEL_IMAGE: "registry.test/kernel:6.1",
  MVM_INITRD: '{"image":"registry.test/kernel:6.1","filename":"boot/initrd.img"}',
  KUBE_VIP_IMAGE: "registry.test/kube-vip:v1",
  WORKER_VCPU: "4",
  WORKER_MEMORY_MIB: "4096",
  POD_CIDR: "10.244.0.0/16",
  MICROVM_PROVIDER: "qemu",
};

const flags = [
  ...["--kubernetes-version", "v1.36.3", "--control-plane-count", "3", "--worker-count", "2"],
  ...["--host", "10.0.0.1:9090", "--host", "10.0.0.2:9090", "--worker-vcpu", "4", "--worker-memory", "4G"],
  ...["--image", environment.MVM_ROOT_IMAGE, "--kernel", environment.MVM_KERNEL_IMAGE],
  ...["--initrd", environment.MVM_KERNEL_IMAGE, "--initrd-file", "boot/initrd.img"],
  ...["--pod-cidr", environment.POD_CIDR, "--set", "MICROVM_PROVIDER=qemu"],
  ...["--set", `KUBE_VIP_IMAGE=${environment.KUBE_VIP_IMAGE}`],
];

const flavours: readonly [string, readonly string[], Readonly<Record<string, string>>][] = [
  ["plain", ["--endpoint", "10.0.0.25:7443"], { CONTROL_PLANE_VIP: "10.0.0.25", CONTROL_PLANE_PORT: "7443" }],
  ["cni", ["--endpoint", "api.test"], { CONTROL_PLANE_VIP: "api.test" }],
  ["keepalived", ["--endpoint", "10.0.0.25"], { CONTROL_PLANE_VIP: "10.0.0.25" }],
  ["kube-vip", ["--endpoint", "10.0.0.25"], { CONTROL_PLANE_VIP: "10.0.0.25" }],
  ["topology", ["--endpoint", "10.0.0.25"], { CONTROL_PLANE_VIP: "10.0.0.25" }],
  [
    "embedded",
    ["--set", "CONTROL_PLANE_ADDRESSES=10.0.0.240-10.0.0.250,10.0.0.25"],
    { CONTROL_PLANE_ADDRESSES: "10.0.0.240-10.0.0.250,10.0.0.25" },
  ],
];

interface Named {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/** By kind and name: the two do not agree on the order. */
function objectsOf(text: string): ReadonlyMap<string, unknown> {
  const found = parseAllDocuments(text).map((document): Named => Object(document.toJS()));
  return new Map(found.map((object) => [`${object.kind} ${object.metadata.name}`, object] as const).sort());
}

describe("the templates, filled in", { timeout: 110_000 }, () => {
  let directory: string;
  let clusterctl: string;
  let templates: ReadonlyMap<string, string>;

  before(async () => {
    [directory, { clusterctl }, templates] = await Promise.all([
      mkdtemp(join(tmpdir(), "lm-templates-")),
      preparedPrograms(),
      composeTemplates(root),
    ]);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const clean = (): NodeJS.ProcessEnv => ({ PATH: process.env["PATH"], HOME: directory, LM_STATE_DIR: directory });

  for (const [flavour, more, variables] of flavours) {
    test(flavour, async () => {
      const file = join(directory, `${flavour}.yaml`);
      const name = flavour === "plain" ? "cluster-template.yaml" : `cluster-template-${flavour}.yaml`;
      await writeFile(file, templates.get(name) ?? "");
      const counts = ["--control-plane-machine-count", "3", "--worker-machine-count", "2"];
      const generate = [
        "generate",
        "cluster",
        "demo",
        "-n",
        "team",
        "--kubernetes-version",
        "v1.36.3",
        ...counts,
        "--from",
        file,
      ];
      const create = ["cluster", "create", "demo", "-n", "team", "--dry-run", "--flavor", flavour, ...flags, ...more];
      const [theirs, ours] = await Promise.all([
        run(clusterctl, generate, {
          env: { ...clean(), CLUSTERCTL_DISABLE_VERSIONCHECK: "true", ...environment, ...variables },
        }),
        run(join(root, "bin/lm"), create, { env: clean() }),
      ]);
      const wanted = new Map(objectsOf(theirs.stdout));
      const made = new Map(objectsOf(ours.stdout));
      if (flavour === "topology") {
        assert.ok(made.has("ClusterClass microvm"), "the class comes along");
        for (const key of made.keys()) if (!wanted.has(key)) made.delete(key);
      }
      assert.deepEqual(made, wanted);
    });
  }
});
