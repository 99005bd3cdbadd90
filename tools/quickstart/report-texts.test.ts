import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { readChoices, writeChoices } from "./cluster-choices.ts";
import { createArguments } from "./cluster-way.ts";
import { root } from "./command.ts";
import { aboutThisMachine, sayPlan } from "./dry-run.ts";
import { nextStepsOfCluster, nextStepsOfMicroVm } from "./next-steps.ts";
import { stageTimes } from "./stage-times.ts";
import { parsePods, webManifest } from "./web-service.ts";

describe("what the quickstart says and asks for", () => {
  test("next steps name the platform where it is not the default one", () => {
    const plain = nextStepsOfCluster("demo", "default");
    assert.match(plain, /^ {2}bin\/lm kubectl --cluster demo -- get pods -A -o wide /m);
    assert.match(plain, /^ {2}bin\/lm cluster kubeconfig demo --merge --use /m);
    assert.match(plain, /^ {2}bin\/lm cluster describe demo +its conditions/m);
    assert.match(plain, /npm run quickstart -- --down\n$/);
    const named = nextStepsOfCluster("demo", "qs1");
    assert.match(named, /bin\/lm cluster delete demo --platform qs1 /);
    assert.match(named, /--down --name qs1\n$/);
    assert.match(nextStepsOfMicroVm("hello", "qs1"), /bin\/lm vm ssh hello --platform qs1 +a shell/);
  });

  test("the times are a table with their sum", () => {
    const times = [
      { title: "Images", durationMs: 1_500 },
      { title: "Cluster demo", durationMs: 125_000 },
    ];
    assert.equal(
      stageTimes(times),
      "What took how long:\n  Images             1.5 s\n  Cluster demo   2 min 5 s\n  in all         2 min 7 s\n",
    );
  });

  test("the cluster is asked for with its images and sizes, and waited for", () => {
    const sizes = { vcpu: 2, controlPlaneMemoryMiB: 2_560, workerMemoryMiB: 1_024 };
    const line = createArguments({ kernel: "k:1", node: "n:1", sizes }).join(" ");
    assert.match(
      line,
      /^cluster create demo .*--image n:1 --kernel k:1 --vcpu 2 --control-plane-memory 2560 --worker-memory 1024 --wait/,
    );
  });

  test("what was chosen is read again, and what is no choice is none", (context) => {
    const directory = mkdtempSync(join(tmpdir(), "lm-quickstart-"));
    context.after(() => rmSync(directory, { recursive: true }));
    const file = join(directory, "quickstart.json");
    assert.equal(readChoices(file), undefined);
    writeChoices(file, { arguments: ["cluster", "create"] });
    assert.deepEqual(readChoices(file), { arguments: ["cluster", "create"] });
    writeFileSync(file, '{"arguments": "rm -rf"');
    assert.equal(readChoices(file), undefined);
    writeFileSync(file, '{"arguments": [1]}');
    assert.equal(readChoices(file), undefined);
  });

  test("a dry run says what is compiled, and which layers are built", () => {
    const space = { directory: "/", fileSystem: "a", freeMiB: 60_000 };
    const facts = { memoryMiB: 7_800, availableMemoryMiB: 2_000, cache: space, state: space, cold: true };
    const said = aboutThisMachine(facts);
    assert.match(said, /kube-apiserver v1\.\d+\.\d+, /);
    assert.match(said, /None was compiled yet/);
    assert.match(said, /Not enough room now: memory: 2\.0 of 7\.6 GiB/);
    const layers = [
      { name: "debian", cached: true },
      { name: "images", cached: false },
    ];
    assert.equal(
      sayPlan("node/kubernetes", { platforms: [{ cached: false, layers }] }),
      "Would build node/kubernetes: its layers images.",
    );
    assert.equal(
      sayPlan("kernel/distro", { platforms: [{ cached: true, layers }] }),
      "Would take kernel/distro from the cache.",
    );
  });

  test("of the pods those count that run and stay", () => {
    const pod = (name: string, phase: string, more = {}): object => ({
      metadata: { name, ...more },
      spec: { nodeName: `on-${name}` },
      status: { podIP: "10.0.0.1", phase },
    });
    const items = [
      pod("b", "Running"),
      pod("c", "Pending"),
      pod("a", "Running"),
      pod("d", "Running", { deletionTimestamp: "now" }),
    ];
    assert.deepEqual(
      parsePods(JSON.stringify({ items })).map(({ name, node }) => [name, node]),
      [
        ["a", "on-a"],
        ["b", "on-b"],
      ],
    );
  });

  test("the web service's image is one that the node image holds", () => {
    const [, deployment] = parseAllDocuments(readFileSync(webManifest, "utf8")).map((document) => document.toJS());
    const [container] = deployment.spec.template.spec.containers;
    const recipe = parse(readFileSync(join(root, "images/node/kubernetes.yaml"), "utf8")) as {
      readonly layers: readonly { readonly containers?: { readonly images: readonly { readonly name?: string }[] } }[];
    };
    const names = recipe.layers.flatMap(({ containers }) => containers?.images.map(({ name }) => name) ?? []);
    assert.ok(names.includes(container.image), container.image);
    assert.equal(container.imagePullPolicy, "Never");
  });
});
