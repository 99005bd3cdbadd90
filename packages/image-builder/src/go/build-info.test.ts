import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBuildInfo } from "./build-info.ts";

const said = [
  "/cache/kube-scheduler: go1.26.8",
  "\tpath\tk8s.io/kubernetes/cmd/kube-scheduler",
  "\tmod\tk8s.io/kubernetes\tv1.36.3\th1:qDQ=",
  "\tdep\tcel.dev/expr\tv0.25.1\th1:1Kr=",
  "\tdep\tk8s.io/api\tv0.0.0",
  "\t=>\tk8s.io/api\tv0.36.3\th1:api=",
  "\tbuild\t-trimpath=true",
  "\tbuild\tGOARCH=amd64",
  "",
].join("\n");

test("a program's modules, replaced ones under the name of what was compiled", () => {
  assert.deepEqual(parseBuildInfo(said), {
    goVersion: "1.26.8",
    package: "k8s.io/kubernetes/cmd/kube-scheduler",
    main: { path: "k8s.io/kubernetes", version: "v1.36.3", digest: "h1:qDQ=" },
    dependencies: [
      { path: "cel.dev/expr", version: "v0.25.1", digest: "h1:1Kr=" },
      { path: "k8s.io/api", version: "v0.36.3", digest: "h1:api=" },
    ],
  });
});

test("a program of a folder has no digest, and what is no Go program has no answer", () => {
  const own = parseBuildInfo("x: go1.26.8\n\tpath\tpause\n\tmod\tpause\t(devel)\t\n");
  assert.deepEqual(own?.main, { path: "pause", version: "(devel)" });
  assert.deepEqual(own?.dependencies, []);
  assert.equal(parseBuildInfo(""), undefined);
  assert.equal(parseBuildInfo("x: go1.26.8\n"), undefined);
});
