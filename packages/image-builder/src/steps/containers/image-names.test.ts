import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FileTree } from "../../tree/file-tree.ts";
import { containersFields } from "./fields.ts";
import { imageNames, matchNames } from "./image-names.ts";

const listed = ["r.example/kube-apiserver:v1.36.3", "r.example/coredns/coredns:v1.14.2", "r.example:5000/pause:3.10.2"];

test("listed names go to the recipes with the same last word", () => {
  const images = [
    { recipe: "node/containers/pause" },
    { recipe: "node/containers/cni", name: "liquidmetal.local/cni:1" },
    { recipe: "./coredns.yaml" },
    { recipe: "node/containers/kube-apiserver" },
  ];
  assert.deepEqual(matchNames(images, listed), [listed[2], "liquidmetal.local/cni:1", listed[1], listed[0]]);
});

test("a recipe that kubeadm does not ask for needs a name of its own", () => {
  assert.throws(() => matchNames([{ recipe: "node/containers/web" }], listed), /called web/);
});

test("an image that kubeadm needs and nobody makes is an error", () => {
  const two = [{ recipe: "node/containers/pause" }, { recipe: "node/containers/coredns" }];
  assert.throws(() => matchNames(two, listed), /also needs r\.example\/kube-apiserver:v1\.36\.3/);
});

test("fields that cannot work are refused with their place", () => {
  const problems = (value: unknown): string[] =>
    containersFields.safeParse(value).error?.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`) ?? [];
  const unnamed = { store: "var/lib/containerd", images: [{ recipe: "a" }] };
  assert.deepEqual(problems(unnamed), ["images.0: needs a name, or namesFrom: kubeadm beside images"]);
  assert.deepEqual(problems({ ...unnamed, namesFrom: "kubeadm" }), []);
  const twins = [
    { recipe: "a", name: "x:1" },
    { recipe: "b", name: "x:1" },
  ];
  assert.deepEqual(problems({ store: "s", images: twins }), ["images: has two images named x:1"]);
  assert.match(problems({ store: "/s", images: [{ recipe: "a", name: "x:1" }] }).join(), /slash/);
  assert.match(problems({ store: "s", images: [{ recipe: "a", name: "x" }] }).join(), /tag/);
});

test("names that are all given ask nobody; a kubeadm that is missing or for another machine is said, with what helps", async () => {
  const workDirectory = mkdtempSync(join(tmpdir(), "lm-names-"));
  const ask = (below: FileTree, name?: string, architecture: "amd64" | "arm64" = "amd64"): Promise<readonly string[]> =>
    imageNames(
      containersFields.parse({
        store: "s",
        namesFrom: "kubeadm",
        images: [{ recipe: "a", ...(name !== undefined && { name }) }],
      }),
      {
        workDirectory,
        architecture,
        emulatorPath: workDirectory,
        signal: AbortSignal.timeout(5_000),
        below: async () => below,
      },
    );
  try {
    assert.deepEqual(await ask(new FileTree(), "x:1"), ["x:1"]);
    await assert.rejects(ask(new FileTree()), /have no program usr\/bin\/kubeadm/);
    const foreign = process.arch === "arm64" ? "amd64" : "arm64";
    await assert.rejects(ask(new FileTree().file("usr/bin/kubeadm", "x"), undefined, foreign), {
      code: "TOOL_MISSING",
    });
  } finally {
    rmSync(workDirectory, { recursive: true });
  }
});
