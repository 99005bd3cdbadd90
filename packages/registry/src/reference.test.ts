import assert from "node:assert/strict";
import { test } from "node:test";
import { PlatformError } from "@liquidmetal/foundation";
import fc from "fast-check";
import { parseReference } from "./reference.ts";

test("short names are completed as everyone completes them", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const cases: Record<string, string> = {
    alpine: "docker.io/library/alpine:latest",
    "alpine:3.20": "docker.io/library/alpine:3.20",
    "user/app": "docker.io/user/app:latest",
    "index.docker.io/library/alpine": "docker.io/library/alpine:latest",
    "ghcr.io/liquidmetal-dev/ubuntu:22.04": "ghcr.io/liquidmetal-dev/ubuntu:22.04",
    "localhost/app": "localhost/app:latest",
    "localhost:5000/a/b/c:v1": "localhost:5000/a/b/c:v1",
    "127.0.0.1:5000/app:v1": "127.0.0.1:5000/app:v1",
    "[::1]:5000/app:v1": "[::1]:5000/app:v1",
    [`example.org/app@${digest}`]: `example.org/app@${digest}`,
    [`example.org/app:v1@${digest}`]: `example.org/app:v1@${digest}`,
  };
  for (const [text, name] of Object.entries(cases)) assert.equal(parseReference(text).name, name);
});

test("what is no reference is refused, and says why", () => {
  const bad = [
    "",
    "UPPER",
    "a b",
    "a//b",
    "/a",
    "a/",
    "a:",
    "a:-x",
    "a@sha256:12",
    "a@md5:d41d8cd98f00b204e9800998ecf8427e",
    "../etc/passwd",
    "a/../b",
    "host.example:99999999/a",
    "a\0b",
    "http://example.org/a",
    `a/${"b".repeat(600)}`,
    `${"b".repeat(300)}`,
  ];
  for (const text of bad) {
    assert.throws(
      () => parseReference(text),
      (error) => error instanceof PlatformError && error.code === "IMAGE_REFERENCE_INVALID",
      text,
    );
  }
});

test("completing is idempotent, and nothing else is ever thrown", () => {
  const piece = fc.stringMatching(/^[a-z0-9./:@_-]{0,30}$/);
  fc.assert(
    fc.property(fc.oneof(piece, fc.string()), (text) => {
      try {
        const { name } = parseReference(text);
        assert.equal(parseReference(name).name, name);
      } catch (error) {
        assert.ok(error instanceof PlatformError && error.code === "IMAGE_REFERENCE_INVALID");
      }
    }),
  );
});
