import assert from "node:assert/strict";
import { test } from "node:test";
import { importPath, programName } from "./program-name.ts";

test("programs are called as Go calls them", () => {
  assert.equal(programName("k8s.io/kubernetes/cmd/kubelet"), "kubelet");
  assert.equal(programName("go.etcd.io/etcd/server/v3"), "server");
  assert.equal(programName("github.com/coredns/coredns"), "coredns");
  assert.equal(programName("pause"), "pause");
});

test("packages are written relative to their module, or in full", () => {
  assert.equal(importPath("k8s.io/kubernetes", "./cmd/kubelet"), "k8s.io/kubernetes/cmd/kubelet");
  assert.equal(importPath("go.etcd.io/etcd/server/v3", "."), "go.etcd.io/etcd/server/v3");
  assert.equal(importPath("a.org/x", "./cmd/y/"), "a.org/x/cmd/y");
  assert.equal(importPath("a.org/x", "b.org/y"), "b.org/y");
});
